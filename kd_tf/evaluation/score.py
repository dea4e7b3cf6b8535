"""What a network scores on a split, by task."""

import json
import os

import tensorflow as tf

from kd_tf.data.dataset import open_data
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
      A flat dict: `top1` (classification); `nrmse`, `failure_rate` (landmarks); `rank1` and `queries` (retrieval). Percent.

    Raises:
      InputError: the network lacks the output, or the split what the protocol needs.
    """
    for protocol in protocols:
        if protocol not in PROTOCOLS:
            raise InputError(f"--protocol={protocol} is unknown; known: {', '.join(PROTOCOLS)}")
        require_outputs(network, (_NEEDS[protocol],), f"the model {network.name!r}, scored under --protocol={protocol},")
    if "classification" in protocols:
        _check_identities(network, split)
    if "landmarks" in protocols:
        split = split.with_landmarks()
    found = predict(network, evaluation_batches(split, view, batch_size=batch_size))
    scores = {}
    if "classification" in protocols:
        scores["top1"] = top1_accuracy(found["predicted_identity"], found["identity"])
    if "landmarks" in protocols:
        scores |= landmark_scores(found["true_landmarks"], found["landmarks"])
    if "retrieval" in protocols:
        scores |= rank1_retrieval(found["embedding"], found["identity"])._asdict()
    return scores


def _check_identities(network: tf.keras.Model, split: Split) -> None:
    given, needed = output_width(network, "logits"), len(split.source.identity_names)
    if given != needed:
        raise InputError(f"the model {network.name!r} knows {given} identities, {split.source.name} has {needed}")


def score_stored_network(
    path: str, source: SourceConfig, view: ViewConfig, protocol: str, *, split_seed: int, image_cache: str | None, output: str | None
) -> dict:
    """Scores the network at `path` on the test split of a data set, and writes `metrics.json` into the folder `output`.

    Raises:
      InputError: see `load_network`, `open_data` and `score_network`; or `output` cannot be written.
    """
    network = load_network(path, "model", image_size=view.image_size)
    data = open_data(source, view, split_seed=split_seed, image_cache=image_cache)
    scores = score_network(network, data.test, data.view, (protocol,))
    if output:
        try:
            os.makedirs(output, exist_ok=True)
            write_whole(os.path.join(output, "metrics.json"), json.dumps(scores, indent=2) + "\n")
        except OSError as error:
            raise InputError(f"--output={output} cannot be written: {error}") from error
    return scores
