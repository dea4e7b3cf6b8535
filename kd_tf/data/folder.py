"""`folder:PATH`: one folder an identity, images inside. The label is the rank of the sorted folder name."""

import os

from kd_tf.data.source import FileSource
from kd_tf.errors import InputError

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif")


def open_folder(path: str) -> FileSource:
    """Opens a folder of folders of images.

    Args:
      path: holds one folder an identity; other files and hidden ones are ignored.

    Raises:
      InputError: the path is missing or holds no images.
    """
    images = images_by_identity(path)
    if not images:
        raise InputError(f"{path} has no images: expected {path}/IDENTITY/IMAGE with one of {', '.join(IMAGE_ENDINGS)}")
    paths = [f"{identity}/{name}" for identity, names in images.items() for name in names]
    return FileSource(f"folder:{path}", path, paths, [name.split("/")[0] for name in paths])


def images_by_identity(path: str) -> dict[str, list[str]]:
    """The sorted image names in each folder below `path` that has any.

    Raises:
      InputError: there is no such folder.
    """
    if not os.path.isdir(path):
        raise InputError(f"{path} is not a folder")
    found = {}
    for identity in sorted(os.listdir(path)):
        folder = os.path.join(path, identity)
        if identity.startswith(".") or not os.path.isdir(folder):
            continue
        names = sorted(name for name in os.listdir(folder) if name.lower().endswith(IMAGE_ENDINGS) and not name.startswith("."))
        if names:
            found[identity] = names
    return found
