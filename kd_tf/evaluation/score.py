"""What a network scores on a split, by task."""

import json
import os

import tensorflow as tf

from kd_tf.data.dataset import open_data, prepare_data
from kd_tf.data.pipeline import evaluation_batches
from kd_tf.data.sources import SourceConfig
from kd_tf.data.split import Split
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from kd_tf.evaluation.classification import top1_accuracy
from kd_tf.evaluation.landmarks import landmark_scores
from kd_tf.evaluation.predict import predict
from kd_tf.evaluation.retrieval import rank1_retrieval
from kd_tf.files import write_whole
from kd_tf.networks.face_network import output_width, require_outputs
from kd_tf.networks.stored import load_network

PROTOCOLS = ("classification", "landmarks", "retrieval")
TASK_PROTOCOLS = {"classification": ("classification", "retrieval"), "alignment": ("landmarks",), "verification": ("retrieval",)}
_NEEDS = {"classification": "logits", "landmarks": "landmarks", "retrieval": "embedding"}


def score_network(network: tf.keras.Model, split: Split, view: ViewConfig, protocols: tuple[str, ...], *, batch_size: int = 256) -> dict:
    """Scores a network under one or more of `PROTOCOLS`, in the evaluation view.

    Returns:
      A flat dict: `top1` (classification); `nrmse`, `failure_rate` (landmarks); `rank1` (retrieval). Percent.

    Raises:
      InputError: the network lacks the output, or the split what the protocol needs.
    """
    for protocol in protocols:
        check_network(network, split, protocol)
    if "landmarks" in protocols:
        split = split.with_landmarks()
    found = predict(network, evaluation_batches(split, view, batch_size=batch_size))
    scores = {}
    if "classification" in protocols:
        scores["top1"] = top1_accuracy(found["predicted_identity"], found["identity"])
    if "landmarks" in protocols:
        scores |= landmark_scores(found["true_landmarks"], found["landmarks"])
    if "retrieval" in protocols:
        scores["rank1"] = rank1_retrieval(found["embedding"], found["identity"]).rank1
    return {key: round(value, 4) for key, value in scores.items()}


def check_network(network: tf.keras.Model, split: Split, protocol: str) -> None:
    """Raises `InputError` where a network cannot be scored on a split: a missing output, or other identities."""
    if protocol not in PROTOCOLS:
        raise InputError(f"--protocol={protocol} is unknown; known: {', '.join(PROTOCOLS)}")
    require_outputs(network, (_NEEDS[protocol],), f"the model {network.name!r}, scored under --protocol={protocol},")
    if protocol != "classification":
        return
    known, needed = output_width(network, "logits"), len(split.source.identity_names)
    if known != needed:
        raise InputError(f"the model {network.name!r} knows {known} identities, {split.source.name} has {needed}")


def score_stored_network(
    path: str, source: SourceConfig, view: ViewConfig, protocol: str, *, split_seed: int, image_cache: str | None, output: str | None
) -> dict:
    """Scores the network at `path` on the test split of a data set, and writes `metrics.json` into the folder `output`.

    Raises:
      InputError: see `load_network`, `open_data` and `score_network`; or `output` cannot be written.
    """
    network = load_network(path, "model", image_size=view.image_size)
    data = open_data(source, view, split_seed=split_seed)
    check_network(network, data.test, protocol)
    data = prepare_data(data, image_cache, only_test=True)
    scores = score_network(network, data.test, data.view, (protocol,))
    if output:
        try:
            os.makedirs(output, exist_ok=True)
            write_whole(os.path.join(output, "metrics.json"), json.dumps(scores, indent=2) + "\n")
        except OSError as error:
            raise InputError(f"--output={output} cannot be written: {error}") from error
    return scores
