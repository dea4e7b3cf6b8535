"""The folder of a pack that is being made: for one process at a time, which begins it or goes on with its own beginning.

All that is not finished lies in `OUTPUT/unfinished/`: the plan, the lock, what is known of the finished shards, and files that are being
written, which end in `.partial`. It is gone when the pack is whole.
"""

import contextlib
import glob
import json
import os
import shutil
from collections.abc import Iterator
from typing import Any

from kd_tf.data.packed.source import MANIFEST
from kd_tf.errors import InputError
from kd_tf.files import PARTIAL, locked, place

UNFINISHED = "unfinished"
PLAN, LOCK = "plan.json", "kd-prepare.lock"


@contextlib.contextmanager
def open_workspace(output: str, plan: dict[str, Any]) -> Iterator[str]:
    """Gives the folder for what is unfinished; an error leaves the finished shards there, and without any nothing.

    Args:
      output: the folder of the pack.
      plan: must be that of what is there already; `data` says which data set, the others are flags.

    Raises:
      InputError: another process is at it, or something else is in the folder.
      OSError: the folder cannot be written.
    """
    _refuse_other_contents(output)
    made = not os.path.isdir(output)
    work = os.path.join(output, UNFINISHED)
    os.makedirs(work, exist_ok=True)
    with _lock(output, work):
        _refuse_other_contents(output)
        try:
            _begin(output, work, plan)
            yield work
        except BaseException:
            with contextlib.suppress(OSError):
                _clear(output, work, made)
            raise
        shutil.rmtree(work, ignore_errors=True)


def _refuse_other_contents(output: str) -> None:
    if os.path.exists(os.path.join(output, MANIFEST)):
        # A process that was killed at the very end leaves this.
        shutil.rmtree(os.path.join(output, UNFINISHED), ignore_errors=True)
        raise InputError(f"--output={output} is a finished pack: use it with --data=packed:{output}, or delete it to make another")
    if os.path.isdir(output) and os.listdir(output) and not _is_workspace(os.path.join(output, UNFINISHED)):
        raise InputError(f"--output={output} is not empty and no pack that was begun: give another folder")


def _is_workspace(work: str) -> bool:
    return os.path.isdir(work) and (os.path.exists(os.path.join(work, LOCK)) or not os.listdir(work))


@contextlib.contextmanager
def _lock(output: str, work: str) -> Iterator[None]:
    refusal = f"--output={output} is being written by another process: wait for it, or give another folder"
    with locked(os.path.join(work, LOCK), refusal) as file:
        # Who held the lock may have finished and deleted it since the file was opened.
        if not os.fstat(file.fileno()).st_nlink:
            raise InputError(f"--output={output} was being written by another process: try again")
        yield


def _begin(output: str, work: str, plan: dict[str, Any]) -> None:
    path = os.path.join(work, PLAN)
    if _finished_shards(output):
        _compare(output, path, plan)
    with open(path + PARTIAL, "w", encoding="utf-8") as file:
        json.dump(plan, file)
    place(path + PARTIAL, path)


def _compare(output: str, path: str, plan: dict[str, Any]) -> None:
    try:
        with open(path, encoding="utf-8") as file:
            before = json.load(file)
        changed = [name for name in plan if before[name] != plan[name]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read: delete {output} and begin again") from error
    if "data" in changed:
        raise InputError(f"--output={output} was begun with another data set, or its files have changed since: delete it to begin again")
    if changed:
        flags = [" ".join(f"--{name}={values[name]}" for name in changed) for values in (before, plan)]
        raise InputError(f"--output={output} was begun with {flags[0]}, now it is {flags[1]}: give the same, or another folder")


def _finished_shards(output: str) -> list[str]:
    return glob.glob(os.path.join(glob.escape(output), "images-*"))


def _clear(output: str, work: str, made: bool) -> None:
    if _finished_shards(output):
        for path in glob.glob(os.path.join(glob.escape(work), f"*{PARTIAL}")):
            os.remove(path)
        return
    shutil.rmtree(work)
    if made:
        os.rmdir(output)
