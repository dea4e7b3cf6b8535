"""Folders that are there whole or not at all, and that replace nothing but what the package wrote."""

import contextlib
import os
import shutil
from collections.abc import Iterator

import tensorflow as tf

from kd_tf.errors import InputError, first_line
from kd_tf.files import PARTIAL, remove_folder

CARD_FILE = "model_card.md"
_OURS = ("saved_model.pb", CARD_FILE)


def holds_export(path: str) -> bool:
    """Whether `path` is a folder that may be replaced: a SavedModel or another export."""
    return any(os.path.exists(os.path.join(path, name)) for name in _OURS)


def check_new(path: str, *, overwrite: bool) -> None:
    """Raises `InputError` where `path` exists, unless it is an export and `overwrite` is set."""
    if os.path.exists(path) and not overwrite:
        raise InputError(f"{path} exists; give another --output or --overwrite")
    if os.path.exists(path) and not holds_export(path):
        raise InputError(f"{path} is not a SavedModel or another export and will not be replaced; give another --output")


@contextlib.contextmanager
def new_folder(path: str, *, overwrite: bool) -> Iterator[str]:
    """Gives a folder to write into, which gets the name `path` when the block ends; where it fails nothing is left of it.

    Raises:
      InputError: see `check_new`, or it cannot be written.
    """
    check_new(path, overwrite=overwrite)
    partial = f"{path}{PARTIAL}"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        os.makedirs(partial)
        yield partial
        remove_folder(path)
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or first_line(error)}") from error
    except tf.errors.OpError as error:
        if partial not in str(error):
            raise
        raise InputError(f"{path} cannot be written: {first_line(error)}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
