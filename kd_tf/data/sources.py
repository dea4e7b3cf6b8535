"""`--data=NAME[:PATH]` to a source."""

import dataclasses
import os

from kd_tf.data.folder import open_folder
from kd_tf.data.lfw import open_lfw
from kd_tf.data.source import Source
from kd_tf.data.synthetic.source import SyntheticSource
from kd_tf.errors import InputError

_FILE_SOURCES = {"folder": open_folder, "lfw": open_lfw}


@dataclasses.dataclass(frozen=True)
class SourceConfig:
    """Which data set.

    Attributes:
      data: `synthetic`, `lfw:PATH` or `folder:PATH`.
      min_images: identities with fewer images are left out (file sources).
      identities: people drawn (`synthetic`).
      pictures: pictures of each (`synthetic`).
      picture_size: their height and width in pixels (`synthetic`).
      data_seed: which world of people is drawn (`synthetic`).
    """

    data: str = "synthetic"
    min_images: int = 1
    identities: int = 100
    pictures: int = 50
    picture_size: int = 64
    data_seed: int = 1


def open_source(config: SourceConfig) -> Source:
    """Opens the data set that `config.data` names.

    Raises:
      InputError: it is unknown, lacks its path, or what is there is not that data set.
    """
    name, _, path = config.data.partition(":")
    if name == "synthetic" and not path:
        return SyntheticSource(
            identities=config.identities,
            pictures=config.pictures,
            picture_size=config.picture_size,
            seed=config.data_seed,
        )
    if name not in _FILE_SOURCES:
        known = ", ".join(f"{known}:PATH" for known in sorted(_FILE_SOURCES))
        raise InputError(f"--data={config.data} is unknown; known: synthetic, {known}")
    if not path:
        raise InputError(f"--data={config.data} lacks the path: --data={name}:PATH")
    if not os.path.isdir(path):
        raise InputError(f"--data={config.data}: {path} is not a folder")
    return _FILE_SOURCES[name](path, min_images=config.min_images)
