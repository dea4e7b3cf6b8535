"""A process that makes training steps when told to, in an environment of its own (contestants/worker.py is its side)."""

import json
import os
import subprocess
import sys
import tempfile

_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "contestants")


class Contestant:
    """One of those who are compared.

    Args:
      python: its interpreter.
      script: in the folder contestants.
      name: which of the script's.
      arguments: further ones.
    """

    def __init__(self, python: str, script: str, name: str, arguments: list[str]):
        self._errors = tempfile.TemporaryFile("w+")
        command = [python, os.path.join(_FOLDER, script), name, *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True)
        self.description = self._answer()

    def step_seconds(self, steps: int) -> float:
        """The mean of a number of steps."""
        return self._run(steps)["seconds"] / steps

    def peak_mib(self) -> float:
        """The most memory that it held so far."""
        return self._run(1)["peak_mib"]

    def stop(self) -> None:
        """Waits for its end."""
        self._process.communicate()

    def _run(self, steps: int) -> dict:
        print(f"go {steps}", file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            sys.exit(f"{' '.join(self._process.args)} ended:\n{self._errors.read()[-3000:]}")
        return json.loads(line)
