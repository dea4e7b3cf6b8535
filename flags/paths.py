"""Paths in flags."""

import os

from kd_tf.teachers.embedding.functions import PYTHON


def absolute_path(path: str | None) -> str | None:
    """A path that means the same from every folder, so that a run's `flags.txt` does; None stays None."""
    return os.path.abspath(os.path.expanduser(path)) if path else None


def absolute_teacher(teacher: str | None) -> str | None:
    """The same of what may be a function of Python: of `python:FILE.py:FUNCTION` the file, and `python:MODULE:FUNCTION` as it is."""
    if not (teacher and teacher.startswith(PYTHON)):
        return absolute_path(teacher)
    module, separator, function = teacher.removeprefix(PYTHON).rpartition(":")
    return f"{PYTHON}{absolute_path(module) if module.endswith('.py') else module}{separator}{function}"
