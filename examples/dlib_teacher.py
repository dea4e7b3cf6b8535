"""dlib's face network as the teacher: from its package to a distilled student and three accuracies, without one label.

    pip install dlib-bin face-recognition-models && python examples/dlib_teacher.py --data=lfw:PATH --output=DIR

The command stores what dlib says of the photographs of all of LFW's folds but two (kd-cache), distils a student of 64 pixels from it
(kd-distill --task=embedding) and scores teacher, student and bare pixels on the pairs of those two, 7 and 8, whose people the student
has not learned from (kd-evaluate). Each command is printed before it runs. Given again, it goes on after the last one that finished.

DIR then holds `cache/`, `student/` (a run: `student/saved_model` is what one ships) and `scores/`.

The network is `embed` below, and `dlib_teacher.embed.view.json` beside this file says how it sees a face; kd_tf knows it as
`--teacher=python:examples/dlib_teacher.py:embed`, and takes any other function in the same way.
"""

import argparse
import contextlib
import functools
import importlib.util
import json
import os
import pickle
import shlex
import signal
import subprocess
import sys
import threading
from typing import NamedTuple

import numpy as np

from kd_tf.errors import InputError

IMAGE_SIZE, WIDTH = 150, 128
WEIGHTS = "models/dlib_face_recognition_resnet_model_v1.dat"
INSTALL = "pip install dlib-bin face-recognition-models"
ANSWER, MOST_PROCESSES = "--answer", 16
ONE_CALL_AT_A_TIME = threading.Lock()

TEACHER = f"python:{os.path.abspath(__file__)}:embed"
FOLDS = ("--split=official", "--test_folds=7,8")
# What the student sees.
VIEW = ("--image_size=64", "--central_fraction=0.6")
# The direction of dlib's descriptors: distances are measured between unit vectors, and their length would take the first steps.
TARGETS = ("--task=embedding", "--targets=hidden", "--normalize_hidden", "--hidden_reduction=sum")


def embed(images: np.ndarray) -> np.ndarray:
    """The face descriptors of dlib.

    It keeps Python's lock while it computes, so each core has a process of its own; they end with this one.

    Args:
      images: RGB, uint8 `[batch, 150, 150, 3]`.

    Returns:
      float32 `[batch, 128]`, of a length near 1.4: rows of one person are near each other.

    Raises:
      InputError: dlib or its weights are not installed, or the images are others.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE, 3):
        raise InputError(f"embed takes uint8 [batch, {IMAGE_SIZE}, {IMAGE_SIZE}, 3]; it was given {images.dtype} {list(images.shape)}")
    with ONE_CALL_AT_A_TIME:
        shares = np.array_split(images, min(len(images), len(processes())) or 1)
        asked = list(zip(processes(), shares, strict=False))
        for process, share in asked:
            pickle.dump(np.ascontiguousarray(share), process.stdin)
            process.stdin.flush()
        return np.concatenate([pickle.load(process.stdout) for process, _ in asked])


@functools.cache
def processes() -> list[subprocess.Popen]:
    """One a core, which does `answer`.

    Raises:
      InputError: see `weights_file`.
    """
    weights_file()
    command = [sys.executable, __file__, ANSWER]
    return [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(min(os.cpu_count(), MOST_PROCESSES))]


def answer() -> None:
    """Reads images from standard input and writes their descriptors to standard output, until there are no more."""
    import dlib

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    network = dlib.face_recognition_model_v1(weights_file())
    with contextlib.suppress(EOFError):
        while True:
            images = pickle.load(sys.stdin.buffer)
            # A list of images at once is no faster.
            rows = [network.compute_face_descriptor(image) for image in images]
            pickle.dump(np.array(rows, np.float32).reshape(len(images), WIDTH), sys.stdout.buffer)
            sys.stdout.buffer.flush()


def weights_file() -> str:
    """The network's weights, which are in a package of their own.

    Raises:
      InputError: it, or dlib, is not installed.
    """
    try:
        import dlib  # noqa: F401
    except ImportError as error:
        raise InputError(f"dlib is not installed ({error}): {INSTALL}") from error
    # Found without its import, which needs pkg_resources.
    package = importlib.util.find_spec("face_recognition_models")
    weights = package and os.path.join(*package.submodule_search_locations, WEIGHTS)
    if not (weights and os.path.isfile(weights)):
        raise InputError(f"the weights of dlib's network are not installed ({WEIGHTS} of face_recognition_models): {INSTALL}")
    return weights


class Step(NamedTuple):
    """One command.

    Attributes:
      script: a console script of kd_tf, without its `kd-`.
      flags: its flags.
      output: the folder that it makes.
    """

    script: str
    flags: tuple[str, ...]
    output: str

    def __str__(self):
        return shlex.join([f"kd-{self.script}", *self.flags])

    def run(self) -> None:
        """Runs it with this Python; where it fails, which it has told by then, this program ends too."""
        print(f"\n$ {self}", flush=True)
        done = subprocess.run([sys.executable, "-m", f"kd_tf.bin.{self.script}", *self.flags])
        if done.returncode:
            sys.exit(done.returncode)


def make_steps(given: argparse.Namespace) -> list[Step]:
    """The commands, in their order."""
    data = (f"--data={given.data}", *FOLDS)
    cache, student = (os.path.join(given.output, name) for name in ("cache", "student"))
    network = ("--network=resnet50", f"--width_divisor={given.width_divisor}", f"--epochs={given.epochs:g}")
    return [
        Step("cache", (f"--teacher={TEACHER}", *data, *VIEW, f"--views={given.views}", f"--output={cache}"), cache),
        Step("distill", (*TARGETS, f"--teacher_cache={cache}", *data, *VIEW, *network, f"--model_dir={student}"), student),
        make_evaluation(given.output, "teacher", f"--model={TEACHER}", *data),
        make_evaluation(given.output, "student", f"--model={student}", *data),
        make_evaluation(given.output, "pixels", "--model=pixels", *data, *VIEW),
    ]


def make_evaluation(folder: str, name: str, *flags: str) -> Step:
    """The scores of a model on LFW's pairs, in a folder of its name."""
    output = os.path.join(folder, "scores", name)
    return Step("evaluate", (*flags, "--protocol=lfw", f"--output={output}"), output)


def run_steps(steps: list[Step], folder: str) -> None:
    """Runs those that have not finished in this folder; what comes after one that is new is run again."""
    note = os.path.join(folder, "finished.json")
    finished = []
    if os.path.exists(note):
        with open(note, encoding="utf-8") as file:
            finished = json.load(file)
    for place, step in enumerate(steps):
        if finished[place : place + 1] == [str(step)] and os.path.exists(step.output):
            print(f"finished: {step}")
            continue
        step.run()
        finished = [*finished[:place], str(step)]
        with open(note, "w", encoding="utf-8") as file:
            json.dump(finished, file, indent=2)


def table(steps: list[Step]) -> str:
    """The accuracies of the evaluations, in percent."""
    lines = ["percent of the pairs of LFW's folds 7 and 8"]
    for step in steps:
        if step.script == "evaluate":
            with open(os.path.join(step.output, "metrics.json"), encoding="utf-8") as file:
                lines.append(f"{os.path.basename(step.output):>8} {json.load(file)['lfw_accuracy']:6.2f}")
    return "\n".join(lines)


def main() -> None:
    """Cache, student and scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="lfw:PATH, the folder of LFW with lfw-deepfunneled/, people.txt and pairs.txt")
    parser.add_argument("--output", required=True, help="a folder for cache, student and scores")
    parser.add_argument("--width_divisor", type=int, default=8, help="what the student's ResNet-50 is narrower by: 1, 2, 4 or 8")
    parser.add_argument("--epochs", type=float, default=30, help="passes of the student over the photographs")
    parser.add_argument("--views", type=int, default=4, help="crops of each photograph that dlib is asked about; each takes its time")
    given = parser.parse_args()
    try:
        # Before anything is written.
        weights_file()
    except InputError as error:
        print(f"dlib_teacher: {error}", file=sys.stderr)
        sys.exit(2)
    given.output = os.path.abspath(given.output)
    steps = make_steps(given)
    run_steps(steps, given.output)
    print(f"\n{table(steps)}")


if __name__ == "__main__":
    answer() if sys.argv[1:] == [ANSWER] else main()
