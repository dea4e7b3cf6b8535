import functools

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.distillers import VerificationDistiller
from kd_tf.errors import InputError
from kd_tf.losses.classification import identity_loss, soft_target_loss
from kd_tf.losses.hidden import hidden_loss
from kd_tf.losses.triplets import active_share, triplet_loss_named
from tests.distillers.logs import gradients, without_gradients
from tests.networks_for_tests import make_batch, make_network


def _compiled(distiller):
    distiller.compile(optimizer=tf.keras.optimizers.SGD(0.05))
    return distiller


def _batch_rank1(embeddings, identities):
    right = 0
    for query, identity in enumerate(identities):
        others = [other for other in range(len(identities)) if other != query]
        nearest = min(others, key=lambda other: float(np.sum((embeddings[query] - embeddings[other]) ** 2)))
        right += identities[nearest] == identity
    return 100 * right / len(identities)


@pytest.mark.parametrize("mining", ["semi_hard", "hard", "all"])
@pytest.mark.parametrize("identity_weight", [0.0, 0.75])
def test_loss_terms_and_measure_of_one_step(mining, identity_weight):
    student, teacher = make_network(1), make_network(2, width=9)
    images, targets = make_batch(0)
    distiller = VerificationDistiller(student, teacher, margin=0.3, mining=mining, identity_weight=identity_weight, alpha=0.5, beta=0.25)
    outputs, teacher_outputs = student(images), teacher(images)
    expected = {
        "triplet": float(triplet_loss_named(mining)(targets["identity"], outputs["embedding"], margin=0.3)),
        "soft": np.mean(soft_target_loss(teacher_outputs["logits"], outputs["logits"], temperature=3.0)),
        "hidden": np.mean(hidden_loss(teacher_outputs["hidden"], distiller.projection(outputs["hidden"]))),
        "batch_rank1": _batch_rank1(outputs["embedding"].numpy(), targets["identity"]),
        "active_triplets": float(active_share(mining, targets["identity"], outputs["embedding"], margin=0.3)),
    }
    expected["loss"] = expected["triplet"] + 0.5 * expected["soft"] + 0.25 * expected["hidden"]
    if identity_weight:
        expected["identity"] = np.mean(identity_loss(targets["identity"], outputs["logits"]))
        expected["loss"] += identity_weight * expected["identity"]
    logs = _compiled(distiller).fit(images, targets, batch_size=8, verbose=0).history
    assert expected["triplet"] > 0.01
    assert without_gradients(logs) == pytest.approx(expected, rel=1e-4)
    assert gradients(logs).keys() == expected.keys() - {"loss", "batch_rank1", "active_triplets"}


def _measured(embeddings, identities, name="batch_rank1", **options):
    distiller = VerificationDistiller(make_network(1), **options)
    outputs = {"embedding": tf.constant(embeddings, tf.float32)}
    return float(distiller.measures({"identity": tf.constant(identities)}, outputs)[name])


def test_batch_rank1_by_hand():
    # Nearest others on the line: 0 to 1 (right), 1 to 0 (right), 2 to 1 (wrong), 3 to 2 (right).
    assert _measured([[0.0], [0.1], [0.3], [0.6]], [4, 4, 7, 7]) == 75.0


@pytest.mark.parametrize(
    ("mining", "margin", "share"),
    [("hard", 0.1, 75.0), ("hard", 0.3, 100.0), ("all", 0.1, 50.0), ("all", 0.3, 62.5), ("semi_hard", 0.05, 50.0)],
)
def test_active_triplets_are_those_of_the_mining_and_the_margin(mining, margin, share):
    # Squared distances 01: 0.01, 02: 0.09, 03: 0.49, 12: 0.04, 13: 0.36, 23: 0.16. Positive less negative, hard triplet first:
    # anchor 0: -0.08, -0.48; 1: -0.03, -0.35; 2: 0.12, 0.07; 3: -0.2, -0.33. Semi-hard: -0.08, -0.03, 0.07 (none is farther), -0.2.
    embeddings, identities = [[0.0], [0.1], [0.3], [0.7]], [4, 4, 7, 7]
    assert _measured(embeddings, identities, "active_triplets", mining=mining, margin=margin) == share


def test_an_image_alone_is_not_its_own_nearest():
    assert _measured([[1.0, 0.0]], [4]) == 0.0


def test_evaluate_means_over_images():
    student = make_network(1)
    images, targets = make_batch(0, size=12)
    logs = _compiled(VerificationDistiller(student)).evaluate(images, targets, batch_size=8, verbose=0, return_dict=True)
    embeddings, identities = student(images)["embedding"], targets["identity"]
    parts = [(slice(0, 8), 8 / 12), (slice(8, 12), 4 / 12)]
    triplet = triplet_loss_named("semi_hard")
    active = functools.partial(active_share, "semi_hard")
    expected = {
        "triplet": sum(float(triplet(identities[part], embeddings[part], margin=0.4)) * share for part, share in parts),
        "active_triplets": sum(float(active(identities[part], embeddings[part], margin=0.4)) * share for part, share in parts),
        "batch_rank1": sum(_batch_rank1(embeddings[part].numpy(), identities[part]) * share for part, share in parts),
    }
    assert logs == pytest.approx(expected | {"loss": expected["triplet"]}, rel=1e-5)


def test_sample_weights_are_refused_in_training():
    images, targets = make_batch(0)
    distiller = _compiled(VerificationDistiller(make_network(1)))
    with pytest.raises(ValueError, match=r"sample weights do not apply to triplet, which compares images .*: give \(images, targets\)"):
        distiller.fit(images, targets, sample_weight=np.ones(8), verbose=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": 0.0}, "--margin=0.0 must be above 0"),
        ({"margin": -0.4}, "--margin=-0.4 must be above 0"),
        ({"identity_weight": -1.0}, "--identity_weight=-1.0 must not be below 0"),
        ({"mining": "easy"}, "--triplet_mining=easy is unknown; known: semi_hard, hard, all"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        VerificationDistiller(make_network(1), **options)
