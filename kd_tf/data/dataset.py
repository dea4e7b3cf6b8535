"""A data set, opened, checked and split."""

import dataclasses

from kd_tf.data.image_cache import cache_images
from kd_tf.data.source import verify_images
from kd_tf.data.sources import SourceConfig, open_source
from kd_tf.data.split import Split, train_and_test
from kd_tf.data.views import ViewConfig


@dataclasses.dataclass(frozen=True)
class FaceData:
    """The two halves of a data set, and the view under which they are read."""

    train: Split
    test: Split
    view: ViewConfig


def open_data(source_config: SourceConfig, view: ViewConfig, *, split_seed: int, image_cache: str | None) -> FaceData:
    """Opens and splits a data set, and decodes every image once: into the cache, or only to see that it can be.

    Raises:
      InputError: see `open_source` and `verify_images`.
    """
    source = open_source(source_config)
    if image_cache:
        source, view = cache_images(source, view, image_cache)
    elif source_config.data != "synthetic":
        verify_images(source)
    train_split, test_split = train_and_test(source, seed=split_seed)
    return FaceData(train_split, test_split, view)
