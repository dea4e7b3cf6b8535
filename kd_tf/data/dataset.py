"""A data set, opened, split and made ready to be read."""

import dataclasses

import numpy as np

from kd_tf.data.image_cache import cache_images
from kd_tf.data.source import FileSource, verify_images
from kd_tf.data.sources import SourceConfig, open_source
from kd_tf.data.split import PAPER_SPLIT, Split, SplitConfig, train_and_test
from kd_tf.data.views import ViewConfig


@dataclasses.dataclass(frozen=True, eq=False)
class FaceData:
    """The two halves of a data set, and the view under which they are read."""

    train: Split
    test: Split
    view: ViewConfig

    def with_landmarks(self) -> "FaceData":
        """Those records whose landmarks are known."""
        return dataclasses.replace(self, train=self.train.with_landmarks(), test=self.test.with_landmarks())


def open_data(config: SourceConfig, view: ViewConfig, split: SplitConfig = PAPER_SPLIT) -> FaceData:
    """Lists and splits a data set, without a look at the images.

    Raises:
      InputError: see `open_source` and `train_and_test`.
    """
    train, test = train_and_test(open_source(config), split)
    return FaceData(train, test, view)


def prepare_data(data: FaceData, image_cache: str | None) -> FaceData:
    """Decodes every image once: into the folder `image_cache`, or only to see that it can be.

    Args:
      data: as it was opened.
      image_cache: see `cache_images`; None: the data set is read in place.

    Raises:
      InputError: an image cannot be read or decoded.
    """
    source = data.train.source
    if image_cache:
        source, view = cache_images(source, data.view, image_cache)
        return FaceData(dataclasses.replace(data.train, source=source), dataclasses.replace(data.test, source=source), view)
    if isinstance(source, FileSource):
        verify_images(source, np.concatenate([data.train.records, data.test.records]))
    return data
