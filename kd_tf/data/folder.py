"""`folder:PATH`: one folder an identity, whose label is the rank of its sorted name, images inside. Or images alone, without labels."""

import logging
import os

from kd_tf.data.source import FileSource
from kd_tf.errors import InputError

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif")
_LOGGER = logging.getLogger(__name__)


def open_folder(path: str) -> FileSource:
    """Opens a folder of folders of images, or of images.

    Args:
      path: holds one folder an identity; other files and hidden ones are ignored. Where no folder has an image, the images that lie in
        `path` itself are a source without labels: each is an identity of its own, named by its file.

    Raises:
      InputError: the path is missing or holds no images.
    """
    images = images_by_identity(path)
    if not images:
        return _open_images(path)
    beside = len(_image_names(path))
    if beside:
        _LOGGER.warning("%s: %d images beside the %d folders of people are ignored", path, beside, len(images))
    paths = [f"{identity}/{name}" for identity, names in images.items() for name in names]
    return FileSource(f"folder:{path}", path, paths, [name.split("/")[0] for name in paths])


def _open_images(path: str) -> FileSource:
    names = _image_names(path)
    if not names:
        expected = f"{path}/IDENTITY/IMAGE, or {path}/IMAGE without labels"
        raise InputError(f"{path} has no images: expected {expected}, with one of {', '.join(IMAGE_ENDINGS)}")
    return FileSource(f"folder:{path}", path, names, names, labelled=False)


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
        names = _image_names(folder)
        if names:
            found[identity] = names
    return found


def _image_names(folder: str) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name.lower().endswith(IMAGE_ENDINGS) and not name.startswith("."))
