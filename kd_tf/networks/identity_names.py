"""Who the labels of an identity head are: `identities.txt` beside what holds the head, a name a line in the order of the labels.

Beside an exported model the same file is called `labels.txt`, as those who use such models expect.
"""

import os
from collections.abc import Sequence

from kd_tf.files import write_whole

IDENTITIES_FILE, LABELS_FILE = "identities.txt", "labels.txt"


def write_identity_names(directory: str, names: Sequence[str], file: str = IDENTITIES_FILE) -> None:
    """Writes the names of the labels, in their order."""
    write_whole(os.path.join(directory, file), "".join(f"{name}\n" for name in names))


def recorded_identities(path: str) -> list[str] | None:
    """The names beside a run, a teacher cache or an exported model, or around it (`path` may be a run's `saved_model`, or a file of an
    export); None: they are not known.
    """
    folders, files = (path, os.path.dirname(path)), (IDENTITIES_FILE, LABELS_FILE)
    for file in (os.path.join(folder, name) for folder in folders for name in files):
        if os.path.exists(file):
            # A name may hold what `splitlines` takes for the end of a line.
            with open(file, encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
                return lines.read().split("\n")[:-1]
    return None
