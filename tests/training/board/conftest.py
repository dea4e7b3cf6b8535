"""A teacher, a student of it and a finder of landmarks, four steps each, trained once for all tests of TensorBoard, and its server."""

import dataclasses
import fcntl
import json
import os
import time
import urllib.request

import pytest

from kd_tf.networks.face_network import NetworkConfig
from kd_tf.training import callbacks
from kd_tf.training.config import DistillationConfig, RunConfig
from kd_tf.training.run import run
from kd_tf.training.run_directory import RunDirectory
from tests.runs import small_run

SECONDS = 60


@pytest.fixture(scope="session")
def runs(tmp_path_factory) -> dict[str, RunConfig]:
    """By name, finished."""
    folder = tmp_path_factory.getbasetemp()
    # Processes that test side by side share it.
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "shown_runs"
    folder.mkdir(exist_ok=True)
    distillation = DistillationConfig(teacher=str(folder / "teacher"), alpha=1.0, beta=0.5)
    configs = {
        "teacher": small_run(folder / "teacher"),
        "student": small_run(
            folder / "student", network=NetworkConfig("resnet14", 16), distillation=distillation, training={"profile_steps": (2, 3)}
        ),
        "aligner": small_run(folder / "aligner", task="alignment", training={"evaluations": 1}),
    }
    configs = {name: dataclasses.replace(config, image_cache=str(folder / "images")) for name, config in configs.items()}
    with open(folder / "lock", "w") as lock, pytest.MonkeyPatch.context() as patch:
        fcntl.flock(lock, fcntl.LOCK_EX)
        patch.setattr(callbacks, "LOG_STEPS", 2)
        for config in configs.values():
            if not RunDirectory(config.model_dir).finished:
                run(config)
    return configs


class Server:
    """TensorBoard over a folder of runs."""

    def __init__(self, logdir: str):
        from tensorboard import default, program

        tensorboard = program.TensorBoard(default.get_plugins())
        tensorboard.configure(argv=[None, "--logdir", logdir, "--host", "127.0.0.1", "--port", "0", "--load_fast", "false"])
        self.url = tensorboard.launch().rstrip("/")

    def get(self, path: str, body: dict | None = None) -> bytes:
        """What a plugin answers."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/data/plugin/{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=SECONDS) as response:
            return response.read()

    def json(self, path: str, body: dict | None = None):
        """The same, as what it means."""
        return json.loads(self.get(path, body))


@pytest.fixture(scope="session")
def server(runs) -> Server:
    """It has read all runs: each ends with its cost."""
    server = Server(os.path.dirname(runs["teacher"].model_dir))
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        tags = server.json("scalars/tags")
        if len(tags) == len(runs) and all("cost/peak_memory_mib" in found for found in tags.values()):
            return server
        time.sleep(0.2)
    raise TimeoutError(f"TensorBoard has read {tags}")
