"""The parts of an index of lines that is being made: each is there whole or not at all, and fits those before it."""

import itertools
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

ARRAYS = {"starts": "<i8", "identities": "<i4", "digests": "|S16"}


class LineParts:
    """The parts in a folder. Those of another file do not count, nor do damaged ones and what follows them.

    Args:
      folder: holds them.
      facts: what the file is known by.

    Attributes:
      count: how many parts there are.
      rows: how many rows they hold.
      end: where the last of these ends, in bytes.
      identities: the number of each identity, in order of appearance.
    """

    def __init__(self, folder: str, facts: dict[str, Any]):
        self._folder = folder
        self._facts = json.dumps(facts)
        self.count, self.rows, self.end = 0, 0, 0
        self.identities: dict[str, int] = {}
        while (part := self._read()) is not None:
            self._add(part)

    def append(self, ends: Iterable[int], identities: Iterable[str], digests: Iterable[bytes]) -> None:
        """Saves the next rows: where each ends, its identity and the 16 bytes that stand for its name.

        Raises:
          OSError: the folder cannot be written.
        """
        known = len(self.identities)
        numbers = [self.identities.setdefault(identity, len(self.identities)) for identity in identities]
        part = {
            "facts": np.array(self._facts),
            "starts": np.array([self.end, *ends], np.int64),
            "identities": np.array(numbers, np.int32),
            "digests": np.frombuffer(b"".join(digests), "S16"),
            "new_identities": np.array(list(itertools.islice(self.identities, known, None)), np.str_),
        }
        with open(f"{self._path(self.count)}.partial", "wb") as file:
            np.savez(file, **part)
        os.replace(file.name, self._path(self.count))
        self._add(part)

    def join(self, directory: str) -> None:
        """Writes one array of each kind, with places in the sorted identities for their numbers.

        Raises:
          OSError: the directory cannot be written.
        """
        places = np.empty(len(self.identities), np.int32)
        places[[self.identities[name] for name in sorted(self.identities)]] = np.arange(len(places))
        self._write(directory, "starts", lambda starts: starts[1:], first=bytes(8))
        self._write(directory, "identities", lambda numbers: places[numbers])
        self._write(directory, "digests", lambda digests: digests)

    def _write(self, directory: str, name: str, change: Callable[[np.ndarray], np.ndarray], first: bytes = b"") -> None:
        path = os.path.join(directory, f"{name}.npy")
        shape = (self.rows + bool(first),)
        # A memory-mapped array would end the process with SIGBUS where the disk is full.
        with open(f"{path}.partial", "wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": ARRAYS[name], "fortran_order": False, "shape": shape})
            file.write(first)
            for part in self._column(name):
                file.write(change(part).tobytes())
        os.replace(file.name, path)

    def _column(self, name: str) -> Iterator[np.ndarray]:
        for number in range(self.count):
            with np.load(self._path(number)) as part:
                yield part[name]

    def _read(self) -> dict[str, np.ndarray] | None:
        """The part after those that count, if it does."""
        try:
            with np.load(self._path(self.count)) as file:
                part = dict(file)
            return part if part["facts"] == self._facts and part["starts"][0] == self.end else None
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
            return None

    def _add(self, part: dict[str, np.ndarray]) -> None:
        self.count, self.rows, self.end = self.count + 1, self.rows + len(part["identities"]), int(part["starts"][-1])
        for identity in part["new_identities"].tolist():
            self.identities.setdefault(identity, len(self.identities))

    def _path(self, number: int) -> str:
        return os.path.join(self._folder, f"{number:05d}.npz")
