"""What a model scores on a split, by protocol."""

import numpy as np
import tensorflow as tf

from kd_tf.data.source import require_labels
from kd_tf.data.split import Split
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from kd_tf.evaluation.answers import Answers
from kd_tf.evaluation.classification import topk_accuracy
from kd_tf.evaluation.landmarks import landmark_scores
from kd_tf.evaluation.models import NetworkModel, ScoredModel
from kd_tf.evaluation.retrieval import rank1_score

PROTOCOLS = ("classification", "landmarks", "retrieval")
TASK_PROTOCOLS = {
    "classification": ("classification", "retrieval"),
    "alignment": ("landmarks",),
    "verification": ("retrieval",),
    "embedding": ("retrieval",),
}
COSINE = "cosine"
# Of the scores, those that a run is told by, with their units, by their names in `metrics.json`.
TITLES = {
    "top1": "top-1, %",
    "nrmse": "NRMSE, %",
    "failure_rate": "NRMSE above 10, %",
    "rank1": "rank-1, %",
    COSINE: "cosine to the teacher",
}
NEEDS = {"classification": "logits", "landmarks": "landmarks", "retrieval": "embedding"}


def score_network(network: tf.keras.Model, split: Split, view: ViewConfig, protocols: tuple[str, ...], *, batch_size: int = 256) -> dict:
    """`protocol_scores` of `network_answers`, whose arguments these are."""
    return protocol_scores(network_answers(network, split, view, protocols, batch_size=batch_size), protocols)


def network_answers(
    network: tf.keras.Model, split: Split, view: ViewConfig, protocols: tuple[str, ...], *, batch_size: int = 256
) -> Answers:
    """What a network answers to a split in the evaluation view, as far as one or more of `PROTOCOLS` need it.

    Raises:
      InputError: the network lacks the output, or the split what the protocol needs.
    """
    model = NetworkModel(network, view, batch_size=batch_size)
    for protocol in protocols:
        check_model(model, split, protocol)
    if "landmarks" in protocols:
        split = split.with_landmarks()
    return model.answers(split, tuple(NEEDS[protocol] for protocol in protocols))


def protocol_scores(answers: Answers, protocols: tuple[str, ...]) -> dict[str, float | int]:
    """The scores of one or more of `PROTOCOLS`, rounded.

    Returns:
      A flat dict: `top1`, `top5` (classification); `nrmse`, `failure_rate`, `ced_area` and, of several people, `nrmse_standard_error`
      (landmarks); `rank1` (retrieval), all in percent, and its number of `queries`.
    """
    scores = {}
    for protocol in protocols:
        scores |= score_answers(answers, protocol)
    return rounded(scores)


def score_answers(answers: Answers, protocol: str) -> dict[str, float | int]:
    """The scores of one of `PROTOCOLS`.

    Raises:
      InputError: see `nearest_others`.
    """
    if protocol == "classification":
        return {"top1": topk_accuracy(answers.ranks, 1), "top5": topk_accuracy(answers.ranks, 5)}
    if protocol == "landmarks":
        return landmark_scores(*answers.landmarks_in_pixels(), answers.identities)
    return rank1_score(answers.identities, *answers.nearest_others)._asdict()


def rounded(scores: dict[str, float | int]) -> dict[str, float | int]:
    """Scores as they are reported: four digits behind the point, counts as they are."""
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in scores.items()}


def check_model(model: ScoredModel, split: Split, protocol: str) -> None:
    """Raises `InputError` where a model cannot be scored on a split: a missing output, no labels, or other identities."""
    if protocol not in PROTOCOLS:
        raise InputError(f"--protocol={protocol} is unknown; known: {', '.join(PROTOCOLS)}")
    if protocol != "landmarks":
        require_labels(split.source, f"--protocol={protocol}")
    require_output(model, NEEDS[protocol], protocol)
    if protocol != "classification":
        return
    strangers = np.unique(split.identities[split.identities >= split.classes])
    if len(strangers):
        raise InputError(
            f"--protocol=classification needs test images of identities that were trained on; identities of {split.source.name} that were "
            f"not: {len(strangers)}, first {split.identity_names[strangers[0]]}; use --protocol=retrieval, or --exclude_identities"
        )
    known = model.outputs["logits"][-1]
    if known != split.classes:
        raise InputError(f"the model {model.name} knows {known} identities, {split.source.name} has {split.classes}")


def require_output(model: ScoredModel, output: str, protocol: str) -> None:
    """Raises `InputError` unless a model has the output that a protocol needs."""
    if output not in model.outputs:
        has = ", ".join(sorted(model.outputs)) or "none, its output is not a dict"
        raise InputError(f"the model {model.name}, scored under --protocol={protocol}, lacks the output {output!r} (it has: {has})")
