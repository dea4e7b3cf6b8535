"""What each field of `TeacherTargets` does to the loss and to the step."""

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.distillers import AlignmentDistiller, ClassificationDistiller, TeacherTargets, VerificationDistiller
from kd_tf.distillers.terms import WEIGHTS as FIELDS
from kd_tf.distillers.terms import Term
from kd_tf.errors import InputError
from kd_tf.losses.classification import logits_loss, soft_target_loss
from kd_tf.losses.hidden import cosine_loss, hidden_loss
from kd_tf.losses.relational import angle_loss, distance_loss
from kd_tf.losses.similarity import similarity_loss
from kd_tf.teachers.live import LiveTeacher
from tests.distillers.logs import without_gradients
from tests.networks_for_tests import make_batch, make_network

WEIGHTS = {
    "alpha": 0.5, "logits_weight": 0.25, "beta": 2.0, "cosine_weight": 0.75, "similarity_weight": 0.125, "distance_weight": 5.0,
    "angle_weight": 3.0,
}  # fmt: skip
LEARNING_RATE = 0.05
DISTILLERS = [ClassificationDistiller, AlignmentDistiller, VerificationDistiller]


def _outputs(seed, width=6):
    network = make_network(seed, width=width)
    return network(make_batch(0)[0])


def _step(make, **teacher_targets):
    """The logged values of one step of plain gradient descent, and by how much it changed the kernel of the hidden layer."""
    tf.keras.utils.set_random_seed(3)
    student, teacher = make_network(1), make_network(2)
    distiller = make(student, teacher, **teacher_targets)
    # Without a trace a step of these small networks takes a tenth of the time.
    distiller.compile(optimizer=tf.keras.optimizers.SGD(LEARNING_RATE), run_eagerly=True)
    before = student.get_layer("dense").kernel.numpy()
    images, targets = make_batch(0)
    logs = without_gradients(distiller.fit(images, targets, batch_size=len(images), verbose=0).history)
    return logs, (before - student.get_layer("dense").kernel.numpy()) / LEARNING_RATE


def test_terms_are_the_losses_with_their_weights_in_the_order_of_the_log():
    teacher_outputs, outputs = _outputs(2), _outputs(1)
    terms = TeacherTargets(**WEIGHTS, temperature=2.0).terms(teacher_outputs, outputs, None)
    assert [type(term) for term in terms] == [Term] * 7
    assert [(term.name, term.weight) for term in terms] == [
        ("soft", 0.5), ("logits", 0.25), ("hidden", 2.0), ("cosine", 0.75), ("similarity", 0.125), ("distance", 5.0), ("angle", 3.0),
    ]  # fmt: skip
    expected = [
        soft_target_loss(teacher_outputs["logits"], outputs["logits"], temperature=2.0),
        logits_loss(teacher_outputs["logits"], outputs["logits"]),
        hidden_loss(teacher_outputs["hidden"], outputs["hidden"]),
        cosine_loss(teacher_outputs["hidden"], outputs["hidden"]),
        similarity_loss(teacher_outputs["hidden"], outputs["hidden"]),
        distance_loss(teacher_outputs["hidden"], outputs["hidden"]),
        angle_loss(teacher_outputs["hidden"], outputs["hidden"]),
    ]
    for term, value in zip(terms, expected, strict=True):
        np.testing.assert_array_equal(term.value, value)


@pytest.mark.parametrize(
    ("options", "name", "expected"),
    [
        (
            {"alpha": 1.0, "temperature": 2.0, "scale_by_temperature_squared": True},
            "soft",
            lambda teacher, student: 4 * soft_target_loss(teacher["logits"], student["logits"], temperature=2.0),
        ),
        (
            {"beta": 1.0, "hidden_reduction": "sum"},
            "hidden",
            lambda teacher, student: 6 * hidden_loss(teacher["hidden"], student["hidden"]),
        ),
        (
            {"beta": 1.0, "normalize_hidden": True},
            "hidden",
            lambda teacher, student: hidden_loss(teacher["embedding"], student["embedding"]),
        ),
    ],
)
def test_options_reach_their_loss(options, name, expected):
    teacher_outputs, outputs = _outputs(2), _outputs(1)
    (term,) = TeacherTargets(**options).terms(teacher_outputs, outputs, None)
    assert term.name == name
    np.testing.assert_allclose(term.value, expected(teacher_outputs, outputs), rtol=1e-5)


def test_what_compares_the_hidden_layer_is_projected_and_relations_are_not():
    teacher_outputs, outputs = _outputs(2, width=9), _outputs(1)
    targets = TeacherTargets(beta=1.0, cosine_weight=1.0, similarity_weight=1.0, distance_weight=1.0, angle_weight=1.0)
    projection = targets.make_projection(make_network(1), LiveTeacher(make_network(2, width=9)))
    found = {term.name: term.value for term in targets.terms(teacher_outputs, outputs, projection)}
    known, projected = teacher_outputs["hidden"].numpy(), outputs["hidden"].numpy() @ projection.kernel.numpy() + projection.bias.numpy()
    np.testing.assert_allclose(found["hidden"], np.mean((known - projected) ** 2, axis=1), rtol=1e-5)
    cosines = np.sum(known * projected, axis=1) / np.linalg.norm(known, axis=1) / np.linalg.norm(projected, axis=1)
    np.testing.assert_allclose(found["cosine"], 1 - cosines, rtol=1e-5)
    assert float(found["similarity"]) == pytest.approx(float(similarity_loss(known, projected)), rel=1e-4)
    assert found["similarity"] > 1e-3
    for name, loss in (("distance", distance_loss), ("angle", angle_loss)):
        assert float(found[name]) == float(loss(known, outputs["hidden"])) > 1e-3


@pytest.mark.parametrize(
    ("weights", "names", "outputs"),
    [
        ({}, [], ()),
        ({"alpha": 1.0}, ["soft"], ("logits",)),
        ({"logits_weight": 1.0}, ["logits"], ("logits",)),
        ({"beta": 1.0}, ["hidden"], ("hidden",)),
        ({"cosine_weight": 1.0}, ["cosine"], ("hidden",)),
        ({"similarity_weight": 1.0}, ["similarity"], ("hidden",)),
        ({"distance_weight": 1.0}, ["distance"], ("hidden",)),
        ({"angle_weight": 1.0, "alpha": 1.0}, ["soft", "angle"], ("logits", "hidden")),
        ({"beta": 1.0, "logits_weight": 2.0, "alpha": 3.0}, ["soft", "logits", "hidden"], ("logits", "hidden")),
    ],
)
def test_a_weight_of_zero_leaves_a_term_out(weights, names, outputs):
    targets = TeacherTargets(**weights)
    assert list(targets.weights) == names
    assert targets.outputs == outputs


@pytest.mark.parametrize("make", DISTILLERS)
def test_each_weight_adds_its_term_to_the_loss_and_to_the_step(make):
    alone, without_teacher = _step(make)
    steps = {name: _step(make, **{name: weight}) for name, weight in WEIGHTS.items()}
    terms = {name: term for term, name in FIELDS.items()}
    for name, (logs, change) in steps.items():
        assert logs.keys() == alone.keys() | {terms[name]}
        assert logs["loss"] == pytest.approx(alone["loss"] + WEIGHTS[name] * logs[terms[name]], rel=1e-5)
        assert np.abs(change - without_teacher).max() > 1e-3
        # Twice the weight adds twice as much to the gradient.
        _, twice = _step(make, **{name: 2 * WEIGHTS[name]})
        np.testing.assert_allclose(twice - without_teacher, 2 * (change - without_teacher), atol=1e-5)
    logs, change = _step(make, **WEIGHTS)
    assert logs["loss"] == pytest.approx(alone["loss"] + sum(WEIGHTS[name] * logs[terms[name]] for name in WEIGHTS), rel=1e-5)
    np.testing.assert_allclose(change - without_teacher, sum(part - without_teacher for _, part in steps.values()), atol=1e-5)


@pytest.mark.parametrize("compared", ["beta", "cosine_weight", "similarity_weight"])
@pytest.mark.parametrize(
    "weights", [{"alpha": 1.0}, {"logits_weight": 1.0}, {"alpha": 1.0, "logits_weight": 1.0}, {"distance_weight": 1.0, "angle_weight": 1.0}]
)
def test_only_comparing_the_hidden_layer_makes_a_projection(weights, compared):
    student, teacher = make_network(1), LiveTeacher(make_network(2, width=9))
    assert TeacherTargets(**weights).make_projection(student, teacher) is None
    assert TeacherTargets(**{compared: 1.0}, **weights).make_projection(student, teacher).kernel.shape == (6, 9)
    assert TeacherTargets(**{compared: 1.0}, **weights).make_projection(make_network(1, width=9), teacher) is None


@pytest.mark.parametrize("weight", ["similarity_weight", "distance_weight", "angle_weight"])
def test_sample_weights_of_images_that_are_compared_with_each_other_are_refused(weight):
    images, targets = make_batch(0)
    distiller = AlignmentDistiller(make_network(1), make_network(2), **{weight: 1.0})
    distiller.compile(optimizer="sgd", run_eagerly=True)
    message = f"sample weights do not apply to {weight.removesuffix('_weight')}, which compares images .*: give"
    for use in (distiller.fit, distiller.evaluate):
        with pytest.raises(InputError, match=message):
            use(images, targets, sample_weight=np.ones(8), verbose=0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"alpha": -1.0}, "--alpha=-1.0 must not be below 0"),
        ({"beta": -0.5}, "--beta=-0.5 must not be below 0"),
        ({"logits_weight": -0.1}, "--logits_weight=-0.1 must not be below 0"),
        ({"cosine_weight": -0.1}, "--cosine_weight=-0.1 must not be below 0"),
        ({"similarity_weight": -0.1}, "--similarity_weight=-0.1 must not be below 0"),
        ({"distance_weight": float("nan")}, "--distance_weight=nan must not be below 0"),
        ({"angle_weight": -2.0}, "--angle_weight=-2.0 must not be below 0"),
        ({"beta": float("nan")}, "--beta=nan must not be below 0"),
        ({"temperature": 0.0}, "--temperature=0.0 must be above 0"),
        ({"hidden_reduction": "median"}, "--hidden_reduction=median is unknown; known: mean, sum"),
    ],
)
def test_values_that_cannot_be_meant(values, message):
    with pytest.raises(InputError) as error:
        TeacherTargets(**values)
    assert str(error.value) == message


@pytest.mark.parametrize("weight", WEIGHTS)
def test_a_weight_without_a_teacher(weight):
    targets = TeacherTargets(**{weight: 0.5})
    targets.check_teacher(True)
    with pytest.raises(InputError) as error:
        targets.check_teacher(False)
    assert str(error.value) == f"--{weight}=0.5 needs a teacher: give --teacher or --teacher_cache, or --{weight}=0"


def test_networks_that_fit_are_accepted_and_what_is_not_compared_may_differ():
    student, teacher = make_network(1, identities=5), LiveTeacher(make_network(2, width=9, identities=7))
    for weight in ("beta", "cosine_weight", "distance_weight", "angle_weight", "similarity_weight"):
        TeacherTargets(**{weight: 1.0}).check_networks(student, teacher)
    TeacherTargets().check_networks(student, None)
    TeacherTargets(alpha=1.0).check_networks(make_network(1, identities=7, without=("hidden",)), teacher)


@pytest.mark.parametrize(
    ("weight", "student", "teacher", "message"),
    [
        ("alpha", {"without": ("logits",)}, {}, "the student 'tiny_1' lacks the output 'logits' (it has: embedding, hidden, landmarks)"),
        (
            "logits_weight",
            {},
            {"without": ("logits",)},
            "the teacher 'tiny_2' lacks the output 'logits' (it has: embedding, hidden, landmarks)",
        ),
        ("beta", {}, {"without": ("hidden",)}, "the teacher 'tiny_2' lacks the output 'hidden' (it has: embedding, landmarks, logits)"),
        (
            "angle_weight",
            {"without": ("hidden",)},
            {},
            "the student 'tiny_1' lacks the output 'hidden' (it has: embedding, landmarks, logits)",
        ),
        (
            "logits_weight",
            {"identities": 4},
            {"identities": 7},
            "the student has 4 identities and the teacher 7: soft targets and logits need the same identities; train both on the same "
            "--data, or use --logits_weight=0",
        ),
    ],
)
def test_networks_that_do_not_fit(weight, student, teacher, message):
    targets = TeacherTargets(**{weight: 1.0})
    with pytest.raises(InputError) as error:
        targets.check_networks(make_network(1, **student), LiveTeacher(make_network(2, **teacher)))
    assert str(error.value) == message
