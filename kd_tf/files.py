"""Files: written so that nobody ever reads half of one, and told from what is saved under their name by mistake."""

import contextlib
import fcntl
import os
import shutil
import socket
from collections.abc import Iterator
from typing import TextIO

from kd_tf.errors import InputError

PARTIAL = ".partial"
_OTHER_FILES = {
    b"<!doctype": "an HTML page",
    b"<html": "an HTML page",
    b"pk\x03\x04": "a ZIP archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"\x1f\x8b": "a gzip archive",
    b"version https://git-lfs": "a Git LFS pointer",
}


def other_file(start: bytes) -> str | None:
    """What a file that starts so is, of those that are often saved by mistake (an error page, a packed archive); None: nothing known."""
    start = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((what for magic, what in _OTHER_FILES.items() if start.startswith(magic)), None)


def write_whole(path: str, content: str | bytes) -> None:
    """Writes a file that is there whole or not at all; text is UTF-8, but for the bytes of file names that are none (surrogateescape)."""
    partial = partial_path(path)
    try:
        with open(partial, "wb") as file:
            file.write(content.encode(errors="surrogateescape") if isinstance(content, str) else content)
        place(partial, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.remove(partial)
        raise


def partial_path(path: str) -> str:
    """Where this process writes what will be `path`: no other one does, not on another machine either."""
    return f"{path}.{socket.gethostname()}.{os.getpid()}{PARTIAL}"


def check_folder_can_be_written(output: str) -> None:
    """Raises `InputError` where `--output` cannot become a folder, or be written into."""
    existing = output
    while not os.path.lexists(existing):
        existing = os.path.dirname(existing) or os.curdir
    if not os.path.isdir(existing) or not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f"--output={output} cannot be written: {existing} is not a folder that can be written")


def remove_folder(path: str) -> None:
    """Takes its name away first, so that half of it is never taken for the whole."""
    removed = partial_path(f"{path}.removed")
    shutil.rmtree(removed, ignore_errors=True)
    if os.path.exists(path):
        os.rename(path, removed)
        shutil.rmtree(removed, ignore_errors=True)


def place(partial: str, path: str) -> None:
    """Moves a file that is written to where it belongs; not even a power cut leaves half of it there."""
    flush(partial)
    os.replace(partial, path)


def flush(path: str) -> None:
    """Has the disk hold what was written to a file or into a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: str, refusal: str) -> Iterator[TextIO]:
    """Holds a lock file, which goes with the process that holds it, however it ends.

    Raises:
      InputError: with the text `refusal`, where another process holds it.
    """
    with open(path, "a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(refusal) from error
        except OSError as error:
            raise InputError(f"{path} cannot be locked: {error.strerror}; use a file system that has locks") from error
        yield file
