"""The binaries as a user runs them, each call in a process of its own."""

import importlib
import multiprocessing
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_FORKS = multiprocessing.get_context("forkserver")
# What binaries spend their first seconds on. None of it defines flags, since those of one binary must not be known to another.
_FORKS.set_forkserver_preload(["kd_tf", "tensorflow", "kd_tf.study.study", "kd_tf.export.compare", "kd_tf.data.packed.verify"])


def call(*command: str, cwd: str | os.PathLike | None = None) -> subprocess.CompletedProcess:
    """A command in a new process."""
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, stdin=subprocess.DEVNULL)


def script(name: str, *flags: str, cwd: str | os.PathLike | None = None) -> subprocess.CompletedProcess:
    """A console script, in a fork of a process that has TensorFlow imported already; `call` tests that scripts are there.

    Args:
      name: of the script.
      flags: its command line.
      cwd: where it runs; None: where this process does.
    """
    with tempfile.TemporaryDirectory() as folder:
        written = [pathlib.Path(folder, stream) for stream in ("stdout", "stderr")]
        process = _FORKS.Process(target=_run, args=(name, flags, cwd or os.getcwd(), dict(os.environ), written))
        process.start()
        process.join()
        return subprocess.CompletedProcess([name, *flags], process.exitcode, *(path.read_text(encoding="utf-8") for path in written))


def _run(name: str, flags: tuple[str, ...], cwd: str | os.PathLike, environment: dict[str, str], written: list[pathlib.Path]) -> None:
    for descriptor, path in enumerate([os.devnull, *written]):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [os.path.join(os.path.dirname(sys.executable), name), *flags]
    importlib.import_module(f"kd_tf.bin.{name.removeprefix('kd-').replace('-', '_')}").run()


def refused(result: subprocess.CompletedProcess) -> str:
    """The one line that a refusal prints."""
    assert result.returncode == 2, result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]
