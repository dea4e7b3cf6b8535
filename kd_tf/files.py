"""Writing files so that nobody ever reads half of one."""

import os


def write_whole(path: str, text: str) -> None:
    """Writes a text file that is there whole or not at all."""
    partial = f"{path}.partial"
    with open(partial, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(partial, path)
