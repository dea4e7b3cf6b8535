"""What a run is, for TensorBoard: its flags as text, and those by which the runs of a study are compared with their scores."""

import hashlib
import os

import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.summary import session_end_pb

from kd_tf.distillers.terms import WEIGHTS
from kd_tf.evaluation.score import TITLES
from kd_tf.training.config import RunConfig

# The columns of the tab "HParams", as far as a run has them.
COLUMNS = (
    "task", "network", "width_divisor", "init", "teacher", *WEIGHTS.values(), "temperature", "optimizer", "learning_rate", "batch_size",
    "epochs", "steps", "seed",
)  # fmt: skip
_LETTERS = 6


def write_settings(config: RunConfig) -> None:
    """Into the default writer, where a process begins."""
    # Indented, it is shown as it is.
    tf.summary.text("flags", _readable("".join(f"    {line}\n" for line in config.flagfile().splitlines())), step=0)
    metrics = [hparams.Metric(f"score/{name}", display_name=title) for name, title in TITLES.items()]
    hparams.hparams_config([hparams.HParam(name) for name in COLUMNS], metrics)
    hparams.hparams(compared_values(config), trial_id=row_name(config.model_dir))


def write_end() -> None:
    """Says that a run has come to its end."""
    tf.summary.experimental.write_raw_pb(session_end_pb(api_pb2.STATUS_SUCCESS).SerializeToString(), step=0)


def compared_values(config: RunConfig) -> dict[str, str | float]:
    """The values of `COLUMNS` that a run has; other runs by the last part of their paths."""
    flags = config.flags()
    flags["teacher"] = flags.get("teacher") or flags.get("teacher_cache")
    for name in ("init", "teacher"):
        flags[name] = _readable(os.path.basename(flags[name])) if flags.get(name) else "none"
    return {name: flags[name] for name in COLUMNS if name in flags}


def row_name(path: str) -> str:
    """The last part of a run's path, which is what is seen of a row's name, and what tells it from others of that name."""
    return f"{_readable(os.path.basename(path))} {hashlib.sha256(path.encode(errors='surrogateescape')).hexdigest()[:_LETTERS]}"


def _readable(text: str) -> str:
    """Names of files may be bytes that are no letters."""
    return text.encode(errors="replace").decode()
