import numpy as np
import pytest
import tensorflow as tf

from kd_tf.distillers import EmbeddingDistiller
from kd_tf.errors import InputError
from kd_tf.networks.face_network import require_outputs
from kd_tf.networks.projection import project_network, projection_of
from tests.networks_for_tests import assert_same_bits, make_batch, make_network, snapshot

BARE = ("embedding", "logits", "landmarks")


def _distiller(*, width=9, student_without=(), **options):
    """From a student of width 6 to a teacher that has no identities."""
    student, teacher = make_network(1, without=student_without), make_network(2, width=width, without=BARE)
    tf.keras.utils.set_random_seed(3)
    distiller = EmbeddingDistiller(student, teacher, **options)
    distiller.compile(optimizer=tf.keras.optimizers.SGD(0.05))
    return student, teacher, distiller


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.mark.parametrize(
    ("options", "factor", "normalized"),
    [({}, 1, False), ({"hidden_reduction": "sum"}, 9, False), ({"normalize_hidden": True}, 1, True)],
)
def test_the_loss_is_the_teachers_alone(options, factor, normalized):
    student, teacher, distiller = _distiller(beta=0.5, **options)
    images, targets = make_batch(0)
    kernel, bias = (weight.astype(np.float64) for weight in distiller.projection.get_weights())
    assert kernel.shape == (6, 9)
    projected, wanted = student(images)["hidden"].numpy() @ kernel + bias, teacher(images)["hidden"].numpy().astype(np.float64)
    cosine = np.mean(np.sum(_unit(projected) * _unit(wanted), axis=1))
    if normalized:
        projected, wanted = _unit(projected), _unit(wanted)
    expected = factor * np.mean((projected - wanted) ** 2)
    logs = distiller.evaluate(images, targets, batch_size=3, verbose=0, return_dict=True)
    assert logs == pytest.approx({"loss": 0.5 * expected, "hidden": expected, "cosine_agreement": cosine}, rel=1e-4)


def test_labels_are_not_looked_at():
    images, targets = make_batch(0)
    logs = [_distiller(beta=1.0)[2].fit(images, given, verbose=0).history for given in (targets, {"identity": np.zeros(8, np.int32)})]
    assert logs[0] == logs[1]


def test_trains_what_leads_to_the_hidden_layer_and_the_projection_alone():
    student, teacher, distiller = _distiller(beta=1.0)
    heads = [student.get_layer(name) for name in ("logits", "coordinates")]
    still, moving = snapshot(*heads, teacher), snapshot(student.get_layer("conv"), student.get_layer("dense"), distiller.projection)
    images, targets = make_batch(0)
    history = distiller.fit(images, targets, epochs=3, verbose=0).history
    assert history["hidden"][2] < history["hidden"][0] == history["loss"][0]
    assert_same_bits(still, snapshot(*heads, teacher))
    now = snapshot(student.get_layer("conv"), student.get_layer("dense"), distiller.projection)
    assert all(np.abs(before - after).max() > 1e-6 for before, after in zip(moving, now, strict=True))


def test_the_projected_student_answers_in_the_teachers_space():
    student, teacher, distiller = _distiller(beta=1.0, student_without=("logits", "landmarks"))
    images, targets = make_batch(0)
    distiller.fit(images, targets, epochs=3, verbose=0)
    delivered = project_network(student, projection_of(distiller.projection))
    require_outputs(delivered, ("hidden", "embedding"), "the student")
    cosines = np.sum(delivered(images)["embedding"].numpy() * _unit(teacher(images)["hidden"].numpy()), axis=1)
    logged = distiller.evaluate(images, targets, verbose=0, return_dict=True)["cosine_agreement"]
    assert logged == pytest.approx(np.mean(cosines), abs=1e-5)


@pytest.mark.parametrize(
    ("options", "terms"),
    [({}, "nothing"), ({"alpha": 1.0}, "soft"), ({"alpha": 0.5, "logits_weight": 1.0, "beta": 2.0}, "soft, logits, hidden")],
)
def test_what_an_embedding_does_not_learn(options, terms):
    with pytest.raises(InputError) as error:
        EmbeddingDistiller(make_network(1), make_network(2), **options)
    assert str(error.value) == (
        f"the teacher's hidden layer is all that an embedding learns: give --alpha=0 --beta=1; the loss has {terms}"
    )


def test_without_a_teacher():
    with pytest.raises(InputError, match="^--beta=1.0 needs a teacher"):
        EmbeddingDistiller(make_network(1), beta=1.0)
