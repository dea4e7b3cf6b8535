"""The files of `examples/` do what they say."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.training.processes import FLAGS

EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "examples", "distributed")
TELL = "import os, sys, json; print(json.dumps([json.loads(os.environ['TF_CONFIG']), sys.argv[1:]]))"
# Three nodes; each task runs after the other. `requeue` leaves a note.
STAND_INS = {
    "scontrol": '[ "$1" = requeue ] && touch requeued || printf "node1\\nnode2\\nnode3\\n"',
    "srun": 'shift; for i in 0 1 2; do SLURM_PROCID=$i "$@" || status=$?; done; exit ${status:-0}',
}


@pytest.fixture
def slurm(tmp_path):
    """Runs the batch script in a folder with stand-ins for SLURM's programs."""
    for name, script in STAND_INS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    env = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_NODELIST": "node[1-3]", "SLURM_JOB_ID": "7"}

    def submit(*command):
        script = os.path.join(EXAMPLES, "slurm.sbatch")
        return subprocess.run(["bash", script, *command], env=env, cwd=tmp_path, capture_output=True, text=True)

    return submit


def test_each_task_of_slurm_knows_all_nodes_and_its_place(slurm):
    done = slurm(sys.executable, "-c", TELL, "--steps=1", "a b")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    workers = ["node1:29400", "node2:29400", "node3:29400"]
    assert found == [
        [{"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}, ["--steps=1", "a b", "--strategy=multi_worker"]]
        for index in range(3)
    ]


@pytest.mark.parametrize(("status", "queued"), [(0, False), (2, False), (143, True)])
def test_a_job_that_ran_out_of_time_is_queued_again(slurm, tmp_path, status, queued):
    assert slurm("sh", "-c", f"exit {status}").returncode == status
    assert os.path.exists(tmp_path / "requeued") == queued


def test_a_pod_knows_all_pods_and_its_place():
    with open(os.path.join(EXAMPLES, "kubernetes.yaml"), encoding="utf-8") as file:
        text = file.read()
    script = re.search(r"- \|\n((?: {14}.*\n)+)", text).group(1)
    workers = re.search(r"name: WORKERS\n +value: '(.*)'", text).group(1)
    env = os.environ | {"WORKERS": workers, "JOB_COMPLETION_INDEX": "1"}
    done = subprocess.run(["sh", "-c", script, "worker", sys.executable, "-c", TELL], env=env, capture_output=True, text=True)
    names = [f"kd-distill-{index}.kd-distill:29400" for index in range(2)]
    assert json.loads(done.stdout) == [{"cluster": {"worker": names}, "task": {"type": "worker", "index": 1}}, ["--strategy=multi_worker"]]


def test_two_workers_on_one_machine(tmp_path):
    command = [sys.executable, "-m", "kd_tf.bin.train", *FLAGS, "--steps=2", f"--model_dir={tmp_path}/run"]
    done = subprocess.run(["sh", os.path.join(EXAMPLES, "two_workers.sh"), *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["steps"] == 2
    assert json.loads((tmp_path / "run" / "run.json").read_text())[0]["replicas"] == 2
