"""The files of `examples/` do what they say."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.views import ViewConfig
from kd_tf.export.saved_model import export_saved_model
from tests.images import write_image, write_text
from tests.training.processes import FLAGS

EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "examples")
DISTRIBUTED = os.path.join(EXAMPLES, "distributed")
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
        script = os.path.join(DISTRIBUTED, "slurm.sbatch")
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
    with open(os.path.join(DISTRIBUTED, "kubernetes.yaml"), encoding="utf-8") as file:
        text = file.read()
    script = re.search(r"- \|\n((?: {14}.*\n)+)", text).group(1)
    workers = re.search(r"name: WORKERS\n +value: '(.*)'", text).group(1)
    env = os.environ | {"WORKERS": workers, "JOB_COMPLETION_INDEX": "1"}
    done = subprocess.run(["sh", "-c", script, "worker", sys.executable, "-c", TELL], env=env, capture_output=True, text=True)
    names = [f"kd-distill-{index}.kd-distill:29400" for index in range(2)]
    assert json.loads(done.stdout) == [{"cluster": {"worker": names}, "task": {"type": "worker", "index": 1}}, ["--strategy=multi_worker"]]


@pytest.mark.slow
def test_two_workers_on_one_machine(tmp_path):
    command = [sys.executable, "-m", "kd_tf.bin.train", *FLAGS, "--steps=2", f"--model_dir={tmp_path}/run"]
    done = subprocess.run(["sh", os.path.join(DISTRIBUTED, "two_workers.sh"), *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["steps"] == 2
    assert json.loads((tmp_path / "run" / "run.json").read_text())[0]["replicas"] == 2


def example(name, *arguments, cwd=None):
    """Runs one as its user does, from another folder."""
    command = [sys.executable, os.path.join(EXAMPLES, name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"})


def refusal(done):
    """What an example says of bad input: one line, after what TensorFlow may have to say."""
    assert done.returncode == 2 and not done.stdout, done.stderr
    return done.stderr.strip().splitlines()[-1]


@pytest.fixture(scope="module", name="photographs")
def write_photographs(tmp_path_factory):
    """A model that embeds the mean colour, three colours, a text and a model without embeddings."""
    folder = tmp_path_factory.mktemp("photographs")
    images = tf.keras.Input([16, 16, 3])
    mean = tf.keras.layers.GlobalAveragePooling2D()(images)
    export_saved_model(
        tf.keras.Model(images, {"embedding": tf.keras.layers.UnitNormalization()(mean)}), ViewConfig(16), str(folder / "model")
    )
    export_saved_model(tf.keras.Model(images, {"logits": mean}), ViewConfig(16), str(folder / "classifier"))
    for name, colour in (("red.png", (200, 0, 0)), ("dark_red.png", (100, 0, 0)), ("purple.png", (200, 0, 200))):
        write_image(folder / name, np.full([20, 24, 3], colour, np.uint8))
    (folder / "text.jpg").write_text("no image")
    return folder


@pytest.mark.parametrize(
    ("first", "second", "threshold", "said"),
    [
        ("red.png", "dark_red.png", "0.5", "distance 0.0000, threshold 0.5000: the same person"),
        # Unit vectors (1, 0, 0) and (1, 0, 1) / sqrt(2): 2 - 2 / sqrt(2) apart.
        ("red.png", "purple.png", "0.5858", "distance 0.5858, threshold 0.5858: the same person"),
        ("red.png", "purple.png", "0.5857", "distance 0.5858, threshold 0.5857: not the same person"),
    ],
)
def test_two_faces_are_verified(photographs, first, second, threshold, said):
    done = example("verify_two_faces.py", "--model=model", f"--threshold={threshold}", first, second, cwd=photographs)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == said


@pytest.mark.parametrize(
    ("model", "threshold", "second", "message"),
    [
        ("/nowhere", "1", "red.png", "--model=/nowhere is not an exported model: "),
        ("classifier", "1", "red.png", "--model=classifier has no signature 'encoded_images' that gives an embedding; export it with"),
        ("model", "1", "missing.png", "missing.png does not exist"),
        ("model", "1", "text.jpg", "text.jpg is no photograph that can be read"),
        ("model", "5", "red.png", "--threshold=5.0 must be above 0 and at most 4"),
    ],
)
def test_what_cannot_be_verified_is_one_line(photographs, model, threshold, second, message):
    done = example("verify_two_faces.py", f"--model={model}", f"--threshold={threshold}", "red.png", second, cwd=photographs)
    assert f"verify_two_faces: {message}" in refusal(done)


def test_a_student_of_ones_own(tmp_path):
    done = example("custom_student.py", "--output=out", "--steps=4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^teacher: [\d,]+ parameters, top-1 [\d.]+ %, rank-1 [\d.]+ %$", done.stdout, re.MULTILINE)
    assert re.search(r"^student: [\d,]+ parameters, top-1 [\d.]+ %, rank-1 [\d.]+ %$", done.stdout, re.MULTILINE)
    assert "exported: out/saved_model, whose embeddings are 1024 wide" in done.stdout
    assert set(os.listdir(tmp_path / "out")) == {"teacher", "student.keras", "projection.npz", "saved_model"}
    refused = example("custom_student.py", "--output=other", "--teacher=nowhere", cwd=tmp_path)
    assert refusal(refused) == "custom_student: --teacher=nowhere does not exist"
    assert os.listdir(tmp_path) == ["out"]


def cells():
    """The code cells of the notebook."""
    with open(os.path.join(EXAMPLES, "python_api.ipynb"), encoding="utf-8") as file:
        return [cell for cell in json.load(file)["cells"] if cell["cell_type"] == "code"]


@pytest.mark.slow
def test_the_notebook_runs(tmp_path):
    script = tmp_path / "cells.py"
    script.write_text("\n".join("".join(cell["source"]) for cell in cells()))
    env = os.environ | {"MPLBACKEND": "Agg", "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    kept = "".join(text for cell in cells() for output in cell["outputs"] for text in output.get("text", []))
    # The same sentences as in the notebook, whatever the numbers are.
    words = [re.sub(r"[-\d.,e]+", "#", text).split() for text in (done.stdout, kept)]
    assert words[0] == words[1]


def test_the_notebook_is_kept_as_it_ran_with_small_pictures():
    assert os.path.getsize(os.path.join(EXAMPLES, "python_api.ipynb")) < 400_000
    assert [cell["execution_count"] for cell in cells()] == list(range(1, len(cells()) + 1))
    outputs = [output for cell in cells() for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert {output["name"] for output in outputs if output["output_type"] == "stream"} == {"stdout"}
    pictures = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 3
    for picture in pictures:
        assert cv2.imdecode(np.frombuffer(base64.b64decode(picture), np.uint8), cv2.IMREAD_COLOR).std() > 5


FAKE_DLIB = '''"""In the place of dlib: the colours of 4x4 parts of a face, and 80 zeros."""

import numpy as np


def embed(images):
    parts = images[:, 3:147, 3:147].reshape(len(images), 4, 36, 4, 36, 3).mean(axis=(2, 4)).reshape(len(images), 48)
    return np.pad(parts.astype(np.float32) / 255, [[0, 0], [0, 80]])
'''


def write_small_lfw(folder):
    """Eight folds of two people with three photographs each, and a pair of either kind in each fold."""
    random = np.random.default_rng(0)
    landmarks, people, pairs = ["image,confidence,x1,y1,x2,y2,x3,y3,x4,y4,x5,y5"], ["8"], ["8\t1"]
    for fold in range(8):
        names = [f"Person_{fold}{which}" for which in "ab"]
        people += ["2", *(f"{name}\t3" for name in names)]
        pairs += [f"{names[0]}\t1\t2", f"{names[0]}\t3\t{names[1]}\t1"]
        for name in names:
            colours = random.uniform(0, 255, [5, 5, 3])
            for number in range(1, 4):
                shades = np.clip(colours + random.normal(0, 8, colours.shape), 0, 255).astype(np.uint8)
                photograph = np.kron(shades, np.ones([50, 50, 1], np.uint8))
                write_image(folder / "lfw-deepfunneled" / name / f"{name}_{number:04d}.jpg", photograph)
                landmarks.append(f"{name}/{name}_{number:04d}.jpg,0.99,100,110,150,110,125,140,105,165,145,165")
    for name, lines in (("landmarks.csv", landmarks), ("people.txt", people), ("pairs.txt", pairs)):
        write_text(folder / name, "\n".join(lines) + "\n")


@pytest.mark.slow
def test_from_a_teacher_to_a_student_on_lfw(tmp_path):
    """With a stand-in for dlib, and again, when nothing is left to be made."""
    write_small_lfw(tmp_path / "lfw")
    for name in ("distill_dlib.sh", "dlib_teacher.embed.view.json"):
        shutil.copy(os.path.join(EXAMPLES, name), tmp_path)
    write_text(tmp_path / "dlib_teacher.py", FAKE_DLIB)
    write_text(tmp_path / "bin" / "pip", "#!/bin/sh\n")
    (tmp_path / "bin" / "pip").chmod(0o755)
    env = os.environ | {"PATH": f"{tmp_path / 'bin'}:{os.path.dirname(sys.executable)}:{os.environ['PATH']}"}
    command = ["bash", "distill_dlib.sh", "lfw", "out", "8", "1", "2"]
    kept = []
    for again in (False, True):
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr[-3000:]
        assert len(re.findall(r"lfw_accuracy", done.stdout)) == 3
        assert ("as declared" in done.stdout) is not again
        assert (" 0 outputs computed" in f" {done.stdout}") is again
        kept.append({path.parent.name: path.stat().st_mtime_ns for path in (tmp_path / "out" / "scores").glob("*/metrics.json")})
    assert kept[0].keys() == {"teacher", "student_8", "pixels"} and kept[0] == kept[1]
    metrics = json.loads((tmp_path / "out" / "student_8" / "metrics.json").read_text())
    assert metrics["task"] == "embedding" and -1 <= metrics["cosine"] <= 1


FAKE_CACHE = """#!/bin/sh
case "$*" in
  *--worker=0/2*) while [ ! -e running ]; do sleep 0.05; done; exit 2 ;;
  *--worker=1/2*) touch running; exec sleep 300 ;;
esac
"""


def test_a_worker_that_fails_ends_the_others(tmp_path):
    """Whose standard error, which is waited for, is open as long as they run."""
    for name, text in (("pip", "#!/bin/sh\n"), ("nproc", "#!/bin/sh\necho 2\n"), ("kd-cache", FAKE_CACHE)):
        write_text(tmp_path / "bin" / name, text)
        (tmp_path / "bin" / name).chmod(0o755)
    env = os.environ | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    command = ["bash", os.path.join(EXAMPLES, "distill_dlib.sh"), "lfw", "out"]
    done = subprocess.run(command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
