"""What one line of TensorFlow writes, the other reads: both ways, with the binaries, each in a process of its own Python.

`KD_TF_OTHER_PYTHON` names a Python of the other line that has kd_tf installed.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.networks.stored import load_network
from tests.training.processes import FLAGS, SECONDS, start, wait_for_checkpoint

OTHER = os.environ.get("KD_TF_OTHER_PYTHON", "")
pytestmark = pytest.mark.skipif(not OTHER, reason="KD_TF_OTHER_PYTHON names no Python of the other line of TensorFlow")
SOURCE = ("--data=synthetic", *(flag for flag in FLAGS if flag.startswith(("--identities", "--picture"))))
STEPS = 60


def call(python, binary, *flags) -> str:
    """What the binary prints."""
    done = subprocess.run([python, "-m", f"kd_tf.bin.{binary}", *flags], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def read_json(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return json.load(file)


def relative_difference(first, second) -> float:
    """Of the weights of two runs, over their size."""
    ours, theirs = (load_network(str(run), "model", image_size=16).get_weights() for run in (first, second))
    ours, theirs = (np.concatenate([weight.ravel() for weight in weights]) for weights in (ours, theirs))
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(ours))


@pytest.fixture(scope="module", params=["other_reads_this", "this_reads_other"])
def lines(request):
    """Who writes and who reads."""
    return (sys.executable, OTHER) if request.param == "other_reads_this" else (OTHER, sys.executable)


@pytest.fixture(scope="module")
def written(lines, tmp_path_factory):
    """A finished run."""
    folder = tmp_path_factory.mktemp("written")
    process = start(folder / "run", f"--steps={STEPS}", python=lines[0])
    assert process.wait(SECONDS) == 0, process.communicate()
    return folder


def test_the_lines_differ(lines):
    versions = {subprocess.check_output([python, "-c", "import tensorflow; print(tensorflow.__version__)"], text=True) for python in lines}
    assert len(versions) == 2


def test_a_run_is_scored_and_exported(lines, written, tmp_path):
    """The network of the run, read by both, gives the same scores and the same exported model."""
    for python, name in zip(lines, ("writer", "reader"), strict=True):
        protocol = ("--protocol=classification", *SOURCE, f"--output={tmp_path / name}_scores")
        call(python, "evaluate", f"--model={written / 'run'}", *protocol)
        call(python, "export", f"--model={written / 'run'}", f"--output={tmp_path / name}")
    scores = [read_json(f"{tmp_path / name}_scores", "metrics.json") for name in ("writer", "reader")]
    assert scores[0] == scores[1]
    photographs = tf.constant(np.random.default_rng(0).integers(0, 256, [3, 24, 24, 3], dtype=np.uint8))
    answers = [tf.saved_model.load(str(tmp_path / name)).signatures["serving_default"](photographs) for name in ("writer", "reader")]
    for key, value in answers[0].items():
        np.testing.assert_allclose(value, answers[1][key], atol=1e-5)


def test_an_exported_model_is_scored(lines, written, tmp_path):
    call(lines[0], "export", f"--model={written / 'run'}", f"--output={tmp_path / 'model'}")
    for python, name in zip(lines, ("writer", "reader"), strict=True):
        protocol = ("--protocol=classification", *SOURCE, f"--output={tmp_path / name}")
        call(python, "evaluate", f"--model={tmp_path / 'model'}", *protocol)
    assert read_json(tmp_path, "writer", "metrics.json") == read_json(tmp_path, "reader", "metrics.json")


def test_an_interrupted_run_is_continued(lines, written, tmp_path):
    process = start(tmp_path / "run", f"--steps={STEPS}", "--checkpoint_steps=5", python=lines[0])
    wait_for_checkpoint(tmp_path / "run", process)
    process.kill()
    process.communicate()
    process = start(tmp_path / "run", f"--steps={STEPS}", python=lines[1])
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0 and "continuing from" in errors, errors[-3000:]
    # Each line rounds in its own way.
    assert relative_difference(written / "run", tmp_path / "run") < 0.01


def test_a_cache_teaches(lines, written, tmp_path):
    call(lines[0], "cache", f"--teacher={written / 'run'}", "--views=2", f"--output={tmp_path / 'cache'}")
    distill = (*FLAGS, "--steps=4", f"--teacher={written / 'run'}", f"--teacher_cache={tmp_path / 'cache'}")
    for python, name in zip(lines, ("writer", "reader"), strict=True):
        call(python, "distill", *distill, f"--model_dir={tmp_path / name}")
    assert relative_difference(tmp_path / "writer", tmp_path / "reader") < 0.001
