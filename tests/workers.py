"""Two worker processes on this machine."""

import json
import os
import socket
import subprocess
import sys

SECONDS = 300


def environments(count: int = 2) -> list[dict[str, str]]:
    """That of each worker, with TF_CONFIG."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    tasks = [{"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}} for index in range(count)]
    return [os.environ | {"TF_CONFIG": json.dumps(task), "CUDA_VISIBLE_DEVICES": ""} for task in tasks]


def run_workers(module: str, *arguments) -> None:
    """Runs a module of the tests in two workers at once, and waits for them."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    processes = [subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) for env in environments()]
    ended = [(process, process.communicate(timeout=SECONDS)[1]) for process in processes]
    for process, errors in ended:
        assert process.returncode == 0, errors
