"""One export, from a run to a folder with the student's files, its labels and its model card, all of it checked."""

import dataclasses
import logging
import os
import tempfile
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from kd_tf.data.aligned import view_of_faces
from kd_tf.data.dataset import FaceData, open_data
from kd_tf.data.sources import SourceConfig
from kd_tf.data.split import SplitConfig
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from kd_tf.export.card import model_card
from kd_tf.export.check import CHECKED_IMAGES, Difference, check_file, network_answers, photographs
from kd_tf.export.folder import CARD_FILE, check_new, new_folder
from kd_tf.export.kinds import Kind, chosen_kinds
from kd_tf.export.onnx_file import check_converter, onnx_file
from kd_tf.export.saved_model import write_saved_model
from kd_tf.export.served import ServedNetwork
from kd_tf.export.tflite_file import tflite_file
from kd_tf.files import check_folder_can_be_written, write_whole
from kd_tf.networks.face_network import output_shapes, require_outputs
from kd_tf.networks.identity_names import LABELS_FILE, recorded_identities, write_identity_names
from kd_tf.networks.stored import load_network

# With fewer, what 8 bits stand for is a matter of chance.
MIN_CALIBRATION_IMAGES = 32
HEADS = {"classification": "logits", "alignment": "landmarks", "verification": "embedding"}
_LOGGER = logging.getLogger(__name__)


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
        if any(kind.quantization == "int8" for kind in self.kinds) and self.calibration_images < MIN_CALIBRATION_IMAGES:
            raise InputError(
                f"--calibration_images={self.calibration_images} is too few for --quantize=int8: at least {MIN_CALIBRATION_IMAGES}"
            )

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The files that are asked for."""
        return chosen_kinds(self.formats, self.quantizations)


def export(config: ExportConfig) -> dict[Kind, dict[str, Difference]]:
    """Writes the folder, whole or not at all.

    Returns:
      How far each file's answers are from the network's.

    Raises:
      InputError: the network lacks the head of its task, the data or the output does not do, or a file is too far from the network.
    """
    check_folder_can_be_written(config.output)
    check_new(config.output, overwrite=config.overwrite)
    if "onnx" in config.formats:
        check_converter()
    view = view_of_faces(config.view)
    network = load_network(config.model, "model", image_size=view.image_size)
    _check_head(config, network)
    names = _labels(config, network)
    data = open_data(config.source, config.view, config.split)
    calibration = _calibration_images(config, data)
    images = photographs(data.test, CHECKED_IMAGES, skip_broken=config.skip_broken)
    wanted = network_answers(network, view, images)
    with new_folder(config.output, overwrite=config.overwrite) as folder:
        _write_files(config.kinds, network, view, folder, calibration)
        differences = {kind: check_file(kind, folder, images, wanted) for kind in config.kinds}
        for kind, found in differences.items():
            _LOGGER.info("%s: within %.1g of the network on %d images", kind.title, max(one.mean for one in found.values()), len(images))
        if names is not None:
            write_identity_names(folder, names, LABELS_FILE)
        write_whole(os.path.join(folder, CARD_FILE), model_card(config, network, data, names, folder, differences, len(images)))
    return differences


def _check_head(config: ExportConfig, network: tf.keras.Model) -> None:
    who = f"--model={config.model}"
    if config.task == "hint":
        raise InputError(f"{who} is a run of --task=hint, which has no head yet; export the run that goes on from it")
    if config.task is not None:
        require_outputs(network, (HEADS[config.task],), f"{who}, a run of --task={config.task},")
    elif not set(HEADS.values()) & set(output_shapes(network)):
        has = ", ".join(sorted(output_shapes(network))) or "none, its output is not a dict"
        raise InputError(f"{who} has no head: it needs one of the outputs {', '.join(HEADS.values())} (it has: {has})")


def _labels(config: ExportConfig, network: tf.keras.Model) -> list[str] | None:
    """The names of the identities, as far as there are probabilities and somebody knows them."""
    names, outputs = recorded_identities(config.model), output_shapes(network)
    if "logits" not in outputs or names is None:
        return None
    if len(names) != outputs["logits"][-1]:
        raise InputError(f"--model={config.model} tells {outputs['logits'][-1]} identities apart, and its record names {len(names)}")
    return names


def _calibration_images(config: ExportConfig, data: FaceData) -> list[np.ndarray]:
    if "int8" not in {kind.quantization for kind in config.kinds}:
        return []
    found = photographs(data.train, config.calibration_images, skip_broken=config.skip_broken)
    if len(found) < config.calibration_images:
        raise InputError(
            f"--calibration_images={config.calibration_images}, but {data.train.source.name} has {len(found)} training images; "
            f"--quantize=int8 needs at least {MIN_CALIBRATION_IMAGES}"
        )
    return found


def _write_files(kinds: Sequence[Kind], network: tf.keras.Model, view: ViewConfig, folder: str, calibration: Sequence[np.ndarray]) -> None:
    portable = ServedNetwork(network, view, portable=True)
    with tempfile.TemporaryDirectory() as converted:
        if any(kind.format == "tflite" for kind in kinds):
            write_saved_model(portable, converted, encoded=False)
        for kind in kinds:
            _LOGGER.info("writing %s", kind.title)
            if kind.format == "savedmodel":
                write_saved_model(ServedNetwork(network, view), folder)
            elif kind.format == "onnx":
                write_whole(kind.path(folder), onnx_file(portable))
            else:
                write_whole(kind.path(folder), tflite_file(converted, kind.quantization, calibration))
