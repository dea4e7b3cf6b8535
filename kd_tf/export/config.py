"""What is exported, and where to."""

import dataclasses

from kd_tf.data.sources import SourceConfig
from kd_tf.data.split import SplitConfig
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from kd_tf.export.kinds import Kind, chosen_kinds

# With fewer, what 8 bits stand for is a matter of chance.
MIN_CALIBRATION_IMAGES = 32


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """What is exported, and where to.

    Attributes:
      model: a run directory or a Keras model.
      output: the folder.
      source: the data set whose images files are checked on and int8 is calibrated on.
      view: how the network sees images.
      split: checks take the test half, calibration the training half.
      formats: some of `kd_tf.export.kinds.FORMATS`.
      quantizations: some of `kd_tf.export.kinds.QUANTIZATIONS`, a TFLite file each.
      calibration_images: how many training images int8 is calibrated on.
      skip_broken: how many images may be left out that cannot be decoded.
      task: what the network was trained for, whose head it must have; None: not known.
      overwrite: whether an export at `output` is replaced.
    """

    model: str
    output: str
    source: SourceConfig
    view: ViewConfig
    split: SplitConfig = SplitConfig()
    formats: tuple[str, ...] = ("savedmodel",)
    quantizations: tuple[str, ...] = ("none",)
    calibration_images: int = 200
    skip_broken: int = 0
    task: str | None = None
    overwrite: bool = False

    def __post_init__(self):
        if self.is_calibrated and self.calibration_images < MIN_CALIBRATION_IMAGES:
            raise InputError(
                f"--calibration_images={self.calibration_images} is too few for --quantize=int8: at least {MIN_CALIBRATION_IMAGES}"
            )

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The files that are asked for."""
        return chosen_kinds(self.formats, self.quantizations)

    @property
    def is_calibrated(self) -> bool:
        """Whether a file needs images that say what 8 bits stand for."""
        return any(kind.quantization == "int8" for kind in self.kinds)
