"""`casia_webface:PATH`: CASIA-WebFace as it unpacks, all of it or the images of a clean list.

The folders are numbers with gaps (`0000045/001.jpg`); the label is the rank of the sorted folder name among those that are used.
"""

import os
from collections.abc import Mapping, Sequence

from kd_tf.data.folder import images_by_identity
from kd_tf.data.source import FileSource
from kd_tf.data.text_table import read_table
from kd_tf.errors import InputError

FOLDERS = ("CASIA-WebFace", "CASIA-maxpy-clean")


def open_casia_webface(path: str, *, clean_list: str | None = None) -> FileSource:
    """Opens the images of `PATH`, or of the folder in it that has the data set's name.

    Args:
      path: holds one folder an identity, or one of `FOLDERS`; hidden files and what is no image are ignored.
      clean_list: a file with a line `0000045/001.jpg 0` for each image to use, in any order, with slashes or
        backslashes; further folders may stand in front. Labels come from the folders; the list's own only have to agree with them.

    Raises:
      InputError: there are no images, or the list cannot be read, has an image that is not there, or two labels for one folder.
    """
    root = next((folder for folder in (os.path.join(path, name) for name in FOLDERS) if os.path.isdir(folder)), path)
    images = images_by_identity(root)
    if not images:
        raise InputError(f"{path} has no images of CASIA-WebFace: expected {path}/{FOLDERS[0]}/0000045/001.jpg")
    people = [identity for identity, names in images.items() for _ in names]
    paths = [f"{identity}/{name}" for identity, names in images.items() for name in names]
    if clean_list is not None:
        listed = _read_clean_list(clean_list, root, paths)
        people, paths = zip(*((person, name) for person, name in zip(people, paths, strict=True) if name in listed), strict=True)
    return FileSource(f"casia_webface:{path}", root, paths, people)


def _read_clean_list(path: str, root: str, images: Sequence[str]) -> Mapping[str, int]:
    """The row of each image in the list."""
    table = read_table(path, ("image", "label"), normalize=_last_folder_and_name)
    table.refuse_others(images, root, "use the list that was made for these images")
    first = {}
    for row, name in enumerate(table.rows):
        known = first.setdefault(name.split("/")[0], row)
        if table.numbers[row, 0] != table.numbers[known, 0]:
            labels = f"{table.numbers[row, 0]:g}; line {table.lines[known]} has {table.numbers[known, 0]:g} for that folder"
            raise InputError(f"{path} line {table.lines[row]}: {name} has the label {labels}: one folder is one person")
    return table.rows


def _last_folder_and_name(image: str) -> str:
    return "/".join(image.replace("\\", "/").split("/")[-2:])
