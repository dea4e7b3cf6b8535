"""What may happen to a run, done to one."""

import os
import shutil
import signal
import subprocess

import pytest

from kd_tf.training.checkpoints import list_checkpoints
from tests.training.processes import end, start, wait_for_checkpoint

LONG = ("--steps=100000", "--checkpoint_steps=2")
NAMESPACE = ("unshare", "--map-root-user", "--mount")
SMALL_DISK = "mkdir -p {disk} && mount -t tmpfs -o size=3m tmpfs {disk} && {{ {run}; status=$?; cp -r {disk}/run {copy}; exit $status; }}"
READ_ONLY = "mkdir -p {disk} && mount -t tmpfs -o ro tmpfs {disk} && exec {run}"


def sound_checkpoints(model_dir) -> list[int]:
    found = list_checkpoints(os.path.join(model_dir, "checkpoints"))
    return [checkpoint.step for checkpoint in found if checkpoint.find_fault() is None]


@pytest.fixture(scope="module")
def own_mounts():
    """Whether a process may have a disk of its own."""
    done = subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True)
    if done.returncode:
        pytest.skip(f"unshare cannot mount: {done.stderr.decode().strip()}")


def test_a_read_only_run_that_was_begun(tmp_path, own_mounts):
    process = start(tmp_path / "run", *LONG)
    wait_for_checkpoint(tmp_path / "run", process)
    process.kill()
    end(process)
    script = f'mount --bind {tmp_path}/run {tmp_path}/run && mount -o remount,ro,bind {tmp_path}/run && exec "$@"'
    status, line = end(start(tmp_path / "run", *LONG, before=(*NAMESPACE, "sh", "-c", script, "sh")))
    assert (status, line) == (2, f"train.py: --model_dir={tmp_path}/run cannot be written: Read-only file system")


def test_a_second_process_is_refused_and_sigterm_saves(tmp_path):
    process = start(tmp_path / "run", *LONG)
    wait_for_checkpoint(tmp_path / "run", process)
    status, line = end(start(tmp_path / "run", *LONG))
    assert (status, line) == (2, f"train.py: --model_dir={tmp_path}/run: another process is at this run; wait for it or stop it")
    process.send_signal(signal.SIGTERM)
    status, line = end(process)
    step = sound_checkpoints(tmp_path / "run")[-1]
    assert status == 128 + signal.SIGTERM
    assert line == f"train.py: stopped by SIGTERM after step {step}, which is saved; the same command continues"


def test_a_second_sigint_ends_at_once_and_leaves_what_is_whole(tmp_path):
    process = start(tmp_path / "run", *LONG)
    wait_for_checkpoint(tmp_path / "run", process)
    # Stopped, it gets both before it can end its step.
    for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGCONT):
        process.send_signal(number)
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
    assert process.returncode in (-signal.SIGINT, 128 + signal.SIGINT)
    assert sound_checkpoints(tmp_path / "run")


def test_a_run_whose_directory_vanishes(tmp_path):
    process = start(tmp_path / "run", *LONG)
    wait_for_checkpoint(tmp_path / "run", process)
    os.rename(tmp_path / "run", tmp_path / "moved")
    shutil.rmtree(tmp_path / "moved")
    status, line = end(process)
    assert status == 2
    assert line.startswith("train.py: ") and f"{tmp_path}/run" in line and "No such file or directory" in line
    assert os.listdir(tmp_path) == []


def test_a_full_disk_stops_a_run_and_costs_no_checkpoint(tmp_path, own_mounts):
    status, line = end(start_in(SMALL_DISK, tmp_path, *LONG))
    assert status == 2
    assert f"--model_dir={tmp_path}/disk/run" in line or "cannot write the checkpoint" in line
    assert "No space left on device" in line
    assert len(sound_checkpoints(tmp_path / "copy")) >= 1
    assert not [name for name in os.listdir(tmp_path / "copy" / "checkpoints") if name.endswith(".partial")]


def test_a_read_only_disk(tmp_path, own_mounts):
    status, line = end(start_in(READ_ONLY, tmp_path, *LONG))
    assert (status, line) == (2, f"train.py: --model_dir={tmp_path}/disk/run cannot be written: Read-only file system")


def start_in(script: str, tmp_path, *flags) -> subprocess.Popen:
    """On a disk of its own, which nobody else sees."""
    script = script.format(disk=tmp_path / "disk", copy=tmp_path / "copy", run='"$@"')
    return start(tmp_path / "disk" / "run", *flags, before=(*NAMESPACE, "sh", "-c", script, "sh"))
