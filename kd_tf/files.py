"""Files: written so that nobody ever reads half of one, and told from what is saved under their name by mistake."""

import os

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
    partial = f"{path}.{os.getpid()}.partial"
    with open(partial, "wb") as file:
        file.write(content.encode(errors="surrogateescape") if isinstance(content, str) else content)
    os.replace(partial, path)
