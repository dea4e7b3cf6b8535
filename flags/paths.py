"""Paths in flags."""

import os


def absolute_path(path: str | None) -> str | None:
    """A path that means the same from every folder, so that a run's `flags.txt` does; None stays None."""
    return os.path.abspath(os.path.expanduser(path)) if path else None
