"""Runs in processes of their own, as a user starts them."""

import os
import subprocess
import sys
import time

FLAGS = (
    "--identities=6", "--pictures=10", "--picture_size=24", "--image_size=16", "--network=resnet14", "--width_divisor=8", "--batch_size=8",
    "--learning_rate=0.01", "--evaluations=2",
)  # fmt: skip
SECONDS = 180


def start(model_dir, *flags, before=(), env=None, python=sys.executable) -> subprocess.Popen:
    """`kd-train` on 60 drawn faces; `before` are words of the command that come before it."""
    command = [*before, python, "-m", "kd_tf.bin.train", *FLAGS, f"--model_dir={model_dir}", *flags]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | (env or {}))


def end(process: subprocess.Popen) -> tuple[int, str]:
    """Its exit status and the last line that it wrote."""
    _, errors = process.communicate(timeout=SECONDS)
    return process.returncode, errors.strip().splitlines()[-1]


def wait_for_checkpoint(model_dir, process: subprocess.Popen) -> None:
    """Until the first one is there."""
    folder, begun = os.path.join(model_dir, "checkpoints"), time.monotonic()
    while not (os.path.isdir(folder) and any(name[-1].isdigit() for name in os.listdir(folder))):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() - begun < SECONDS
        time.sleep(0.05)
