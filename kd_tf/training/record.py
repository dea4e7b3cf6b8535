"""What a process that works on a run is: programs, data, machine."""

import os
import platform
import socket
import subprocess
import sys
import time
from importlib import metadata

import tensorflow as tf

import kd_tf
from kd_tf.errors import InputError
from kd_tf.training.config import RunConfig
from kd_tf.training.prepared import PreparedRun

_PACKAGES = ("kd-tf", "tensorflow", "keras", "tf-keras", "tensorflow-addons", "numpy")


def make_record(config: RunConfig, prepared: PreparedRun) -> dict:
    """What `run.json` says of this process."""
    data, teacher = prepared.data, prepared.distiller.teacher
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": sys.argv,
        "flags": config.flagfile().splitlines()[1:],
        "seed": config.training.seed,
        "data": {"name": data.train.source.name, "fingerprint": prepared.fingerprint, "teacher": teacher.digest if teacher else None},
        "versions": versions,
        "git_revision": git_revision(),
        "machine": {"host": socket.gethostname(), "platform": platform.platform(), "processors": os.cpu_count()},
        "devices": [device.device_type for device in tf.config.list_logical_devices()],
        "replicas": prepared.strategy.num_replicas_in_sync,
    }


def check_same_data(records: list[dict], record: dict, path: str) -> None:
    """Raises `InputError` where data or teacher are not what they were when the run of the directory `path` began."""
    for before in records[-1:]:
        if before["data"]["teacher"] != record["data"]["teacher"]:
            raise InputError(f"--model_dir={path} was begun with other weights of its teacher; give another directory, or --override")
        then, now = before["data"]["fingerprint"], record["data"]["fingerprint"]
        if then != now:
            raise InputError(
                f"--model_dir={path} was begun on other data: {before['data']['name']} with fingerprint {then}, and now it is "
                f"{record['data']['name']} with {now}; give another directory, or --override"
            )


def git_revision() -> str | None:
    """The commit of this package's files, with `-dirty` where they differ from it; None where they are in no repository."""
    package = os.path.dirname(os.path.abspath(kd_tf.__file__))

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", package, *arguments], capture_output=True, text=True, timeout=10, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    if git("ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    return f"{git('rev-parse', 'HEAD')}{'-dirty' if git('status', '--porcelain', '--untracked-files=no') else ''}"
