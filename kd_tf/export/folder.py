"""Folders that are there whole or not at all, and that replace nothing but what the package wrote."""

import contextlib
import os
import shutil
from collections.abc import Iterator

import tensorflow as tf

from kd_tf.errors import InputError, first_line
from kd_tf.evaluation.programs import is_exported
from kd_tf.export.kinds import KINDS
from kd_tf.files import partial_path, remove_folder

CARD_FILE = "model_card.md"


def holds_export(path: str) -> bool:
    """Whether `path` is a folder that may be replaced: a SavedModel, but none of Keras, or another export."""
    files = any(kind.exists(path) for kind in KINDS if kind.file)
    return is_exported(path) or (files and os.path.exists(os.path.join(path, CARD_FILE)))


def check_new(path: str, *, overwrite: bool) -> None:
    """Raises `InputError` where `path` exists, unless it is an export and `overwrite` is set."""
    if os.path.lexists(path) and not overwrite:
        raise InputError(f"{path} exists; give another --output or --overwrite")
    if os.path.lexists(path) and not holds_export(path):
        raise InputError(f"{path} is not a SavedModel or another export and will not be replaced; give another --output")


@contextlib.contextmanager
def new_folder(path: str, *, overwrite: bool) -> Iterator[str]:
    """Gives a folder to write into, which gets the name `path` when the block ends; where it fails nothing is left of it.

    Raises:
      InputError: see `check_new`, or it cannot be written.
    """
    path = os.path.abspath(path)
    check_new(path, overwrite=overwrite)
    partial, parents = partial_path(path), _missing_parents(path)
    try:
        os.makedirs(partial)
        yield partial
        # It may have come meanwhile.
        check_new(path, overwrite=overwrite)
        if overwrite:
            remove_folder(path)
        os.rename(partial, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or first_line(error)}") from error
    except tf.errors.OpError as error:
        if partial not in str(error):
            raise
        raise InputError(f"{path} cannot be written: {first_line(error)}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if not os.path.exists(path):
            for parent in parents:
                with contextlib.suppress(OSError):
                    os.rmdir(parent)


def _missing_parents(path: str) -> list[str]:
    """The folders around it that are not there, the innermost first."""
    missing = []
    while not os.path.exists(path := os.path.dirname(path)):
        missing.append(path)
    return missing
