"""Looks at everything in a pack."""

import functools
from collections.abc import Callable, Iterator

from kd_tf.data.packed.image import read_image
from kd_tf.data.packed.parallel import in_order
from kd_tf.data.packed.source import PackedSource, open_packed
from kd_tf.errors import InputError
from kd_tf.progress import with_progress


def verify_pack(path: str, *, workers: int = 2, report: Callable[[str], None] = print) -> dict[str, int]:
    """Opens every shard, and reads, checks and decodes every image.

    Args:
      path: the folder.
      workers: threads.
      report: takes one line for each image, and for each shard as a whole, that is broken.

    Returns:
      Counts: `records`, `shards`, `broken` (lines reported).

    Raises:
      InputError: it is no pack, or its lists are damaged.
    """
    source = open_packed(path)
    broken = 0
    for fault in _faults(source, workers):
        report(str(fault))
        broken += 1
    return {"records": len(source), "shards": len(source.shards), "broken": broken}


def _faults(source: PackedSource, workers: int) -> Iterator[InputError]:
    records = []
    for shard, contents in enumerate(source.shards):
        try:
            source.open_shard(shard)
            records.extend(contents)
        except InputError as fault:
            yield fault
    images = in_order(functools.partial(read_image, source), records, workers)
    for image in with_progress(images, len(records), "images"):
        if isinstance(image, InputError):
            yield image
