"""`--data=NAME[:PATH]` to a source."""

import dataclasses
import os
from collections.abc import Callable

from kd_tf.data.casia_webface import open_casia_webface
from kd_tf.data.celeba import open_celeba
from kd_tf.data.folder import open_folder
from kd_tf.data.lfw import open_lfw
from kd_tf.data.ms_celeb_1m.source import open_ms_celeb_1m
from kd_tf.data.packed.source import open_packed
from kd_tf.data.recordio.source import open_recordio
from kd_tf.data.source import Source
from kd_tf.data.subset import keep_identities
from kd_tf.data.synthetic.source import SyntheticSource
from kd_tf.errors import InputError

# How each data set opens, and which fields of `SourceConfig` it takes beside its path.
_OPENERS: dict[str, tuple[Callable[..., Source], tuple[str, ...]]] = {
    "casia_webface": (open_casia_webface, ("clean_list",)),
    "celeba": (open_celeba, ()),
    "folder": (open_folder, ()),
    "lfw": (open_lfw, ()),
    "ms_celeb_1m": (open_ms_celeb_1m, ("clean_list", "index_dir")),
    "packed": (open_packed, ()),
    "recordio": (open_recordio, ("index_dir",)),
}


@dataclasses.dataclass(frozen=True)
class SourceConfig:
    """Which data set, and which of its identities.

    Attributes:
      data: `synthetic`, or a name of docs/DATA.md with a path, such as `celeba:PATH`.
      min_images: identities with fewer images are left out.
      exclude_identities: a list of the names of identities to leave out; see `kd_tf.data.subset.keep_identities`.
      clean_list: the images to keep and their classes (`casia_webface`, `ms_celeb_1m`).
      index_dir: where an index is kept that is built once; None: beside the data (`ms_celeb_1m`, `recordio`).
      identities: people drawn (`synthetic`).
      pictures: pictures of each (`synthetic`).
      picture_size: their height and width in pixels (`synthetic`).
      data_seed: which world of people is drawn (`synthetic`).
    """

    data: str = "synthetic"
    min_images: int = 1
    exclude_identities: str | None = None
    clean_list: str | None = None
    index_dir: str | None = None
    identities: int = 100
    pictures: int = 50
    picture_size: int = 64
    data_seed: int = 1


def open_source(config: SourceConfig) -> Source:
    """Opens the data set that `config.data` names.

    Raises:
      InputError: it is unknown, lacks its path, what is there is not that data set, or nobody of it is left.
    """
    return keep_identities(_open_whole(config), min_images=config.min_images, exclude=config.exclude_identities)


def _open_whole(config: SourceConfig) -> Source:
    name, _, path = config.data.partition(":")
    if name != "synthetic" and name not in _OPENERS:
        known = ", ".join(f"{known}:PATH" for known in sorted(_OPENERS))
        raise InputError(f"--data={config.data} is unknown; known: synthetic, {known}")
    opener, options = _OPENERS.get(name, (None, ()))
    for field in ("clean_list", "index_dir"):
        if getattr(config, field) and field not in options:
            raise InputError(f"--{field}={getattr(config, field)} has no effect on --data={config.data}")
    if opener is None:
        return _open_synthetic(config, path)
    if not path:
        raise InputError(f"--data={config.data} lacks the path: --data={name}:PATH")
    if not os.path.exists(path):
        raise InputError(f"--data={config.data}: {path} does not exist")
    return opener(path, **{field: getattr(config, field) for field in options})


def _open_synthetic(config: SourceConfig, path: str) -> SyntheticSource:
    if path:
        raise InputError(f"--data={config.data}: synthetic takes no path")
    return SyntheticSource(identities=config.identities, pictures=config.pictures, picture_size=config.picture_size, seed=config.data_seed)
