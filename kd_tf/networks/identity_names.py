"""Who the labels of an identity head are: `identities.txt` beside what holds the head, a name a line in the order of the labels."""

import os
from collections.abc import Sequence

from kd_tf.files import write_whole

IDENTITIES_FILE = "identities.txt"


def write_identity_names(directory: str, names: Sequence[str]) -> None:
    """Writes the names of the labels, in their order."""
    write_whole(os.path.join(directory, IDENTITIES_FILE), "".join(f"{name}\n" for name in names))


def recorded_identities(path: str) -> list[str] | None:
    """The names beside a run or a teacher cache, or around it (`path` may be a run's `saved_model`); None: they are not known."""
    for folder in (path, os.path.dirname(path)):
        file = os.path.join(folder, IDENTITIES_FILE)
        if os.path.exists(file):
            # A name may hold what `splitlines` takes for the end of a line.
            with open(file, encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
                return lines.read().split("\n")[:-1]
    return None
