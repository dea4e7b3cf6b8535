"""A data set, opened, split and made ready to be read."""

import dataclasses

import numpy as np

from kd_tf.data.aligned import align
from kd_tf.data.broken import sound_records
from kd_tf.data.image_cache import cache_images
from kd_tf.data.pipeline import LookUp
from kd_tf.data.sources import SourceConfig, open_source
from kd_tf.data.split import PAPER_SPLIT, Split, SplitConfig, train_and_test
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError


@dataclasses.dataclass(frozen=True, eq=False)
class FaceData:
    """The two halves of a data set, the view under which they are read, and what is wrong with the images that were left out.

    With `look_up` each batch has further targets, such as a teacher's stored outputs.
    """

    train: Split
    test: Split
    view: ViewConfig
    left_out: tuple[str, ...] = ()
    look_up: LookUp | None = None

    @property
    def skipped(self) -> int:
        """How many broken images were left out."""
        return len(self.left_out)

    def with_landmarks(self) -> "FaceData":
        """Those records whose landmarks are known."""
        return dataclasses.replace(self, train=self.train.with_landmarks(), test=self.test.with_landmarks())


def open_data(config: SourceConfig, view: ViewConfig, split: SplitConfig = PAPER_SPLIT) -> FaceData:
    """Lists and splits a data set, without a look at the images.

    Raises:
      InputError: see `open_source` and `train_and_test`.
    """
    source, view = align(open_source(config), view)
    train, test = train_and_test(source, split)
    return FaceData(train, test, view)


def prepare_data(data: FaceData, image_cache: str | None, *, skip_broken: int = 0) -> FaceData:
    """Sees that the images can be decoded, and keeps them decoded in the folder `image_cache` where there is one.

    Args:
      data: as it was opened.
      image_cache: see `cache_images`; None: the data set is read in place.
      skip_broken: how many images that cannot be read or decoded may be left out; with more than 0 all are looked at, those too that were
        sound when they were stored.

    Raises:
      InputError: an image cannot be read or decoded, or none is left to train on or to test.
    """
    source = data.train.source
    # A cache serves every task on the data set, so it holds what this one leaves out too.
    records = np.arange(len(source)) if image_cache else np.union1d(data.train.records, data.test.records)
    if skip_broken or not (source.trusted or image_cache):
        sound, left_out = sound_records(source, records, skip_broken=skip_broken)
        data, records = _without(data, np.setdiff1d(records, sound), left_out), sound
    if not image_cache:
        return data
    source, view = cache_images(source, data.view, image_cache, records)
    train, test = (dataclasses.replace(half, source=source) for half in (data.train, data.test))
    return dataclasses.replace(data, train=train, test=test, view=view)


def _without(data: FaceData, broken: np.ndarray, left_out: tuple[str, ...]) -> FaceData:
    train, test = (dataclasses.replace(half, records=np.setdiff1d(half.records, broken)) for half in (data.train, data.test))
    if not (len(train) and len(test)):
        raise InputError(
            f"{train.source.name}: without its {len(broken)} broken images there are {len(train)} to train on and {len(test)} to test"
        )
    return dataclasses.replace(data, train=train, test=test, left_out=left_out)
