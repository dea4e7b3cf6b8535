"""Kills training processes with SIGKILL at random moments, continues them, and compares what they end with to runs that nobody killed.

    python benchmarks/kill_runs.py --kills=200 --output=DIR

Six runs on drawn faces: the three tasks, each with a live and with a cached teacher. Half of the kills come at a random time, half when the
process touches a random one of the files of its run. After each kill all that looks whole must be whole. In the end the weights, what the
optimizer remembers, the scores and the curves in TensorBoard must have the bits of the reference. `--output` gets the table as `kills.md`;
the exit status is 1 where anything differs.
"""

import collections
import dataclasses
import glob
import itertools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from absl import app, flags
from tensorflow.python.summary.summary_iterator import summary_iterator

from kd_tf.data.sources import SourceConfig
from kd_tf.data.views import ViewConfig
from kd_tf.networks.face_network import NetworkConfig
from kd_tf.training.caching import CacheConfig, cache_teacher
from kd_tf.training.checkpoints import list_checkpoints
from kd_tf.training.config import DistillationConfig, RunConfig, TrainingConfig, VerificationConfig
from kd_tf.training.ledger import COSTS
from kd_tf.training.run import run

KILLS = flags.DEFINE_integer("kills", 200, "How many processes are killed.", lower_bound=1)
SEED = flags.DEFINE_integer("seed", 0, "Chooses the moments.")
OUTPUT = flags.DEFINE_string("output", None, "Folder for kills.md.")

VIEWS, STEPS = 2, 18
TASKS = {"classification": {"alpha": 1.0}, "alignment": {"alpha": 0.5, "beta": 0.1}, "verification": {"alpha": 1.0, "beta": 0.1}}
SOURCE = SourceConfig(identities=6, pictures=10, picture_size=24)
TRAINING = TrainingConfig(
    steps=STEPS, batch_size=8, identities_per_batch=4, images_per_identity=2, learning_rate=0.01, evaluations=3, checkpoint_steps=2,
    deterministic=True,
)  # fmt: skip
NOT_COMPARED = {"seconds", *COSTS}


@dataclasses.dataclass
class Victim:
    """A run that is killed again and again, beside one that is not.

    Attributes:
      config: the run.
      reference: the same in another directory.
      seconds: what the reference took.
      touches: how often the reference touched a file of its directory.
      kills: so far.
      ends: how often the run came to its end.
      faults: what was not as it should be.
    """

    config: RunConfig
    reference: RunConfig
    seconds: float = 0.0
    touches: int = 0
    kills: int = 0
    ends: int = 0
    faults: list[str] = dataclasses.field(default_factory=list)


def main(_) -> None:
    """Kills, continues, compares."""
    moments = random.Random(SEED.value)
    with tempfile.TemporaryDirectory() as folder:
        victims = make_victims(folder)
        for victim, _ in zip(itertools.cycle(victims.values()), range(KILLS.value), strict=False):
            while not kill(victim, moments):
                pass
        for victim in victims.values():
            if not is_finished(victim.config):
                in_child(lambda config=victim.config: run(config))
                end(victim)
        table = as_table(victims)
    print(table)
    if OUTPUT.value:
        os.makedirs(OUTPUT.value, exist_ok=True)
        with open(os.path.join(OUTPUT.value, "kills.md"), "w", encoding="utf-8") as file:
            file.write(table + "\n")
    if any(victim.faults for victim in victims.values()):
        sys.exit(1)


def make_victims(folder: str) -> dict[str, Victim]:
    """A teacher, its cache, and the six runs with their references."""
    teacher, cache = os.path.join(folder, "teacher"), os.path.join(folder, "cache")
    in_child(lambda: run(make_config("classification", teacher, DistillationConfig())))
    view = ViewConfig(image_size=16, views=VIEWS)
    in_child(lambda: cache_teacher(CacheConfig(teacher, cache, SOURCE, view, dtype="float32")))
    victims = {}
    for task, weights in TASKS.items():
        for kind, source in (("live", {"teacher": teacher}), ("cached", {"teacher_cache": cache})):
            distillation = DistillationConfig(**source, **weights)
            paths = [os.path.join(folder, f"{task}_{kind}_{which}") for which in ("killed", "reference")]
            victim = Victim(*(make_config(task, path, distillation) for path in paths))
            begun, counts = time.perf_counter(), os.path.join(folder, "touches")
            in_child(lambda victim=victim, counts=counts: run_counting(victim.reference, counts))
            victim.seconds = time.perf_counter() - begun
            with open(counts, encoding="utf-8") as file:
                victim.touches = int(file.read())
            victims[f"{task}, {kind} teacher"] = victim
    return victims


def make_config(task: str, path: str, distillation: DistillationConfig) -> RunConfig:
    """A run of some steps of the smallest network."""
    return RunConfig(
        task=task,
        model_dir=path,
        training=TRAINING,
        source=SOURCE,
        view=ViewConfig(image_size=16, views=VIEWS),
        network=NetworkConfig("resnet14", 8),
        distillation=distillation,
        verification=VerificationConfig(identity_weight=1.0),
    )


def kill(victim: Victim, moments: random.Random) -> bool:
    """Whether the process was killed before it ended; what it left must be sound. A finished run is compared, and begun again."""
    if is_finished(victim.config):
        shutil.rmtree(victim.config.model_dir)
    if moments.random() < 0.5:
        pid = fork(lambda: run(victim.config))
        time.sleep(moments.uniform(0, victim.seconds))
        os.kill(pid, signal.SIGKILL)
    else:
        moment = moments.randint(1, victim.touches)
        pid = fork(lambda: run_until(victim.config, moment))
    status = os.waitpid(pid, 0)[1]
    killed = os.WIFSIGNALED(status)
    if not killed and status:
        raise RuntimeError(f"a process that continued {victim.config.model_dir} failed")
    victim.kills += killed
    victim.faults += faults_of_what_is_left(victim.config.model_dir)
    if is_finished(victim.config):
        end(victim)
    return killed


def is_finished(config: RunConfig) -> bool:
    """Whether a run has come to its end."""
    return os.path.exists(os.path.join(config.model_dir, "metrics.json"))


def run_until(config: RunConfig, moment: int) -> None:
    """Ends by SIGKILL when a file of the run is touched for the `moment`th time: Python tells before it opens, makes or renames one."""
    touched = itertools.count(1)

    def hook(event, arguments):
        if touches(arguments, config.model_dir) and next(touched) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    run(config)


def run_counting(config: RunConfig, path: str) -> None:
    """Writes how often files of the run were touched."""
    count = collections.Counter()
    sys.addaudithook(lambda event, arguments: count.update([True] if touches(arguments, config.model_dir) else []))
    run(config)
    touched = count.total()
    with open(path, "w", encoding="utf-8") as file:
        file.write(str(touched))


def touches(arguments: tuple, folder: str) -> bool:
    """Whether an event of Python is about a file below a folder."""
    return any(isinstance(argument, str) and argument.startswith(folder) for argument in arguments)


def faults_of_what_is_left(path: str) -> list[str]:
    """Files that have the name of a whole one and are not."""
    faults = [f"{found.path}: {fault}" for found in list_checkpoints(os.path.join(path, "checkpoints")) if (fault := found.find_fault())]
    for name in ("metrics.json", "run.json"):
        file = os.path.join(path, name)
        if os.path.exists(file):
            try:
                with open(file, encoding="utf-8") as text:
                    json.load(text)
            except ValueError as error:
                faults.append(f"{file}: {error}")
    return faults


def end(victim: Victim) -> None:
    """Notes what the run ended with that its reference did not."""
    victim.ends += 1
    ours, theirs = (what_it_ended_with(config.model_dir) for config in (victim.config, victim.reference))
    victim.faults += [f"{name} differs" for name in sorted(ours.keys() | theirs.keys()) if not same_bits(ours.get(name), theirs.get(name))]


def what_it_ended_with(path: str) -> dict[str, np.ndarray]:
    """All that a finished run holds and that does not tell of time or place."""
    try:
        with open(os.path.join(path, "metrics.json"), encoding="utf-8") as file:
            found = {name: value for name, value in json.load(file).items() if name not in NOT_COMPARED}
    except OSError:
        return {}
    reader = tf.train.load_checkpoint(os.path.join(path, "checkpoints", f"step_{STEPS:09d}", "state"))
    found |= {name: reader.get_tensor(name) for name in reader.get_variable_to_dtype_map() if name != "_CHECKPOINTABLE_OBJECT_GRAPH"}
    for file in glob.glob(os.path.join(path, "tensorboard", "events.*")):
        for event in summary_iterator(file):
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars" and not value.tag.startswith("cost/"):
                    found.setdefault(f"{value.tag} at {event.step}", set()).add(float(tf.make_ndarray(value.tensor)))
    return {name: np.array(sorted(value) if isinstance(value, set) else value) for name, value in found.items()}


def same_bits(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    """Whether both are there and equal."""
    return one is not None and other is not None and one.dtype == other.dtype and one.tobytes() == other.tobytes()


def fork(work: Callable[[], None]) -> int:
    """The process that does some work. This one may fork, since TensorFlow has not run anything in it."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
        sys.stdout.flush()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def in_child(work: Callable[[], None]) -> None:
    """Waits for it.

    Raises:
      RuntimeError: it failed.
    """
    if os.waitpid(fork(work), 0)[1]:
        raise RuntimeError("a process that nobody killed failed")


def as_table(victims: dict[str, Victim]) -> str:
    """Markdown."""
    lines = ["| run | kills | came to its end | differs from the reference |", "| --- | ---: | ---: | --- |"]
    for name, victim in victims.items():
        faults = "; ".join(dict.fromkeys(victim.faults)) or "nothing"
        lines.append(f"| {name} | {victim.kills} | {victim.ends} | {faults} |")
    return "\n".join(lines)


if __name__ == "__main__":
    app.run(main)
