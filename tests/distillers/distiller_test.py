"""What all distillers share, shown with the classification distiller unless the task matters."""

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.distillers import AlignmentDistiller, ClassificationDistiller, Distiller, VerificationDistiller
from kd_tf.errors import InputError
from kd_tf.losses.classification import identity_loss, soft_target_loss
from kd_tf.losses.hidden import hidden_loss
from kd_tf.teachers.live import LiveTeacher
from kd_tf.training.strategy import precision_policy
from tests.networks_for_tests import assert_same_bits, make_batch, make_network, snapshot

LEARNING_RATE = 0.05


def _compiled(distiller):
    distiller.compile(optimizer=tf.keras.optimizers.SGD(LEARNING_RATE))
    return distiller


def _fit(distiller, images, targets, epochs=1, **options):
    """One step an epoch; the logged values of the last."""
    history = _compiled(distiller).fit(images, targets, batch_size=len(images), epochs=epochs, shuffle=False, verbose=0, **options)
    return {name: values[-1] for name, values in history.history.items()}


def _classification_loss(student, teacher, projection, images, targets, *, alpha, beta, temperature):
    outputs, teacher_outputs = student(images, training=True), teacher(images, training=False)
    loss = tf.reduce_mean(identity_loss(targets["identity"], outputs["logits"]))
    loss += alpha * tf.reduce_mean(soft_target_loss(teacher_outputs["logits"], outputs["logits"], temperature=temperature))
    return loss + beta * tf.reduce_mean(hidden_loss(teacher_outputs["hidden"], projection(outputs["hidden"])))


def test_projection_is_there_for_unequal_widths_only():
    equal = ClassificationDistiller(make_network(1, width=6), make_network(2, width=6), beta=1.0)
    unequal = ClassificationDistiller(make_network(1, width=6), make_network(2, width=9), beta=1.0)
    unused = ClassificationDistiller(make_network(1, width=6), make_network(2, width=9), alpha=1.0)
    assert equal.projection is None and unused.projection is None
    assert unequal.projection.kernel.shape == (6, 9) and unequal.projection.dtype == "float32"


def test_hidden_layers_of_equal_width_are_compared_as_they_are():
    student, teacher = make_network(1), make_network(2)
    images, targets = make_batch(0)
    expected = np.mean((student(images)["hidden"].numpy() - teacher(images)["hidden"].numpy()) ** 2)
    logs = _fit(ClassificationDistiller(student, teacher, beta=0.5), images, targets)
    assert logs["hidden"] == pytest.approx(expected, rel=1e-5)
    assert logs["loss"] == pytest.approx(logs["identity"] + 0.5 * logs["hidden"], rel=1e-5)


def test_one_step_equals_a_step_made_by_hand():
    student, teacher = make_network(1, batch_norm=True, l2=0.01), make_network(2, width=9, batch_norm=True)
    images, targets = make_batch(0)
    distiller = ClassificationDistiller(student, teacher, alpha=0.5, beta=2.0, temperature=4.0)
    copy = tf.keras.models.clone_model(student)
    copy.set_weights(student.get_weights())
    projection = tf.keras.layers.Dense(9)
    projection.build([None, 6])
    projection.set_weights(distiller.projection.get_weights())
    variables = copy.trainable_variables + projection.trainable_variables
    with tf.GradientTape() as tape:
        loss = _classification_loss(copy, teacher, projection, images, targets, alpha=0.5, beta=2.0, temperature=4.0)
        loss += 0.01 * tf.reduce_sum(copy.get_layer("dense").kernel ** 2)
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        if gradient is not None:
            variable.assign_sub(LEARNING_RATE * gradient)
    before = snapshot(distiller.projection)
    logs = _fit(distiller, images, targets)
    assert logs["loss"] == pytest.approx(float(loss), rel=1e-5)
    assert np.abs(distiller.projection.kernel - before[0]).max() > 1e-4
    # The batch statistics too: norm's moving mean and variance are among the variables.
    for now, expected in zip(snapshot(student, distiller.projection), snapshot(copy, projection), strict=True):
        np.testing.assert_allclose(now, expected, atol=1e-6)


def test_regularizers_of_the_student_are_in_the_loss():
    student = make_network(1, l2=0.1)
    images, targets = make_batch(0)
    penalty = 0.1 * np.sum(student.get_layer("dense").kernel.numpy() ** 2)
    logs = _fit(ClassificationDistiller(student), images, targets)
    assert penalty > 0.1
    assert logs["loss"] == pytest.approx(logs["identity"] + penalty, rel=1e-5)


@pytest.mark.parametrize("make", [ClassificationDistiller, AlignmentDistiller, VerificationDistiller])
def test_the_teacher_is_not_changed(make):
    teacher = make_network(2, width=9, batch_norm=True)
    distiller = make(make_network(1), teacher, alpha=1.0, beta=1.0)
    before = snapshot(teacher)
    _fit(distiller, *make_batch(0), epochs=3)
    assert_same_bits(before, snapshot(teacher))
    assert not {id(variable) for variable in teacher.variables} & {id(variable) for variable in distiller.variables}


def test_evaluate_changes_no_variable():
    student, teacher = make_network(1, batch_norm=True), make_network(2, width=9, batch_norm=True)
    images, targets = make_batch(0)
    distiller = ClassificationDistiller(student, teacher, alpha=1.0, beta=1.0)
    _fit(distiller, images, targets)
    before = snapshot(student, teacher, distiller.projection, distiller.optimizer)
    distiller.evaluate(images, targets, batch_size=3, verbose=0)
    assert_same_bits(before, snapshot(student, teacher, distiller.projection, distiller.optimizer))


def test_evaluate_logs_means_over_images_in_inference_mode():
    student, teacher = make_network(1, batch_norm=True), make_network(2, width=9, batch_norm=True)
    student.get_layer("norm").moving_mean.assign([0.5, -0.5, 0.2, 0.1])
    images, targets = make_batch(0)
    distiller = _compiled(ClassificationDistiller(student, teacher, alpha=0.5, beta=2.0))
    outputs, teacher_outputs = student(images, training=False), teacher(images, training=False)
    identity = np.mean(identity_loss(targets["identity"], outputs["logits"]))
    soft = np.mean(soft_target_loss(teacher_outputs["logits"], outputs["logits"], temperature=3.0))
    hidden = np.mean(hidden_loss(teacher_outputs["hidden"], distiller.projection(outputs["hidden"])))
    top1 = 100 * np.mean(np.argmax(outputs["logits"], axis=1) == targets["identity"])
    expected = {"loss": identity + 0.5 * soft + 2 * hidden, "identity": identity, "soft": soft, "hidden": hidden, "top1": top1}
    # Eight images in batches of 3, 3 and 2.
    logs = distiller.evaluate(images, targets, batch_size=3, verbose=0, return_dict=True)
    assert {name: logs[name] for name in expected} == pytest.approx(expected, rel=1e-5)


def test_scaling_by_temperature_squared():
    student, teacher = make_network(1), make_network(2)
    images, targets = make_batch(0)
    logs = {}
    for scale in (False, True):
        distiller = ClassificationDistiller(student, teacher, alpha=1.0, temperature=2.0, scale_by_temperature_squared=scale)
        logs[scale] = _compiled(distiller).evaluate(images, targets, verbose=0, return_dict=True)
    assert logs[True]["soft"] == pytest.approx(4 * logs[False]["soft"], rel=1e-6)
    assert logs[True]["loss"] == pytest.approx(logs[True]["identity"] + logs[True]["soft"], rel=1e-6)


def test_a_teacher_without_weight_is_not_asked():
    student = make_network(1)
    images, targets = make_batch(0)
    logs = _fit(ClassificationDistiller(student, make_network(2, identities=9, without=("hidden",))), images, targets)
    assert logs.keys() == {"loss", "identity", "top1", "identity_gradient"}
    assert logs["loss"] == logs["identity"]


def test_a_live_teacher_is_as_good_as_its_network():
    student, teacher = make_network(1), make_network(2)
    images, targets = make_batch(0)
    by_network, by_teacher = (
        _compiled(ClassificationDistiller(student, given, alpha=1.0)).evaluate(images, targets, verbose=0, return_dict=True)
        for given in (teacher, LiveTeacher(teacher))
    )
    assert by_network == by_teacher


@pytest.mark.parametrize(
    ("make", "options", "unused"),
    [
        (ClassificationDistiller, {}, "coordinates"),
        (AlignmentDistiller, {}, "logits"),
        (VerificationDistiller, {"identity_weight": 1.0}, "coordinates"),
    ],
)
def test_heads_of_other_tasks_are_not_changed(make, options, unused):
    student = make_network(1)
    head, trunk = snapshot(student.get_layer(unused)), snapshot(student.get_layer("conv"))
    _fit(make(student, **options), *make_batch(0), epochs=2)
    assert_same_bits(head, snapshot(student.get_layer(unused)))
    assert np.abs(student.get_layer("conv").kernel - trunk[0]).max() > 1e-5


def test_frozen_layers_are_not_changed():
    student = make_network(1)
    student.get_layer("conv").trainable = False
    conv, dense = snapshot(student.get_layer("conv")), snapshot(student.get_layer("dense"))
    _fit(ClassificationDistiller(student), *make_batch(0))
    assert_same_bits(conv, snapshot(student.get_layer("conv")))
    assert np.abs(student.get_layer("dense").kernel - dense[0]).max() > 1e-5


@pytest.mark.parametrize("make", [ClassificationDistiller, AlignmentDistiller, VerificationDistiller])
def test_a_mixed_precision_student_of_a_float32_teacher(make):
    student, teacher = make_network(1), make_network(2, width=9)
    with precision_policy("mixed_bfloat16"):
        mixed = make_network(1)
    mixed.set_weights(student.get_weights())
    images, targets = make_batch(0)
    logs = {}
    for network in (student, mixed):
        tf.keras.utils.set_random_seed(3)
        logs[network] = _fit(make(network, teacher, alpha=0.5, beta=0.5), images, targets)
    assert mixed.output["logits"].dtype == tf.bfloat16
    assert np.isfinite(logs[mixed]["loss"])
    assert logs[mixed]["loss"] == pytest.approx(logs[student]["loss"], rel=0.05)
    for now, expected in zip(snapshot(mixed), snapshot(student), strict=True):
        np.testing.assert_allclose(now, expected, atol=0.02)


def test_works_with_a_users_model_and_arrays():
    images = tf.keras.Input([8, 8, 3])
    trunk = tf.keras.Sequential([tf.keras.layers.Flatten(), tf.keras.layers.Dense(16, activation="tanh")])
    logits = tf.keras.layers.Dense(4)(trunk(images))
    distiller = ClassificationDistiller(tf.keras.Model(images, {"logits": logits}), make_network(2, identities=4), alpha=0.1)
    pictures, targets = make_batch(0)
    distiller.compile(optimizer="adam")
    first = distiller.evaluate(pictures, targets, verbose=0, return_dict=True)
    distiller.fit(pictures, targets, epochs=40, verbose=0)
    last = distiller.evaluate(pictures, targets, verbose=0, return_dict=True)
    assert last["loss"] < 0.7 * first["loss"] and last["top1"] > first["top1"]
    np.testing.assert_allclose(distiller.predict(pictures, verbose=0)["logits"], distiller.student(pictures)["logits"], atol=1e-6)


def test_works_with_a_subclassed_student_that_was_called():
    class Subclassed(tf.keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = tf.keras.layers.Dense(5)

        def call(self, images):
            hidden = tf.reshape(images, [-1, 8 * 8 * 3])
            return {"hidden": hidden, "logits": self.dense(hidden)}

    student, teacher = Subclassed(), make_network(2)
    images, targets = make_batch(0)
    outputs, teacher_outputs = student(images), teacher(images)
    distiller = ClassificationDistiller(student, teacher, alpha=1.0, beta=1.0)
    expected = np.mean(soft_target_loss(teacher_outputs["logits"], outputs["logits"], temperature=3.0))
    logs = _fit(distiller, images, targets)
    assert logs["soft"] == pytest.approx(expected, rel=1e-5)
    assert distiller.projection.kernel.shape == (192, 6)


def test_metrics_start_again_each_epoch():
    images, targets = make_batch(0)
    distiller = _compiled(ClassificationDistiller(make_network(1)))
    first, second = (distiller.evaluate(images, targets, verbose=0) for _ in range(2))
    assert first == second
    assert [metric.name for metric in distiller.metrics] == ["loss", "identity", "top1", "identity_gradient"]


def test_a_task_must_be_defined():
    with pytest.raises(NotImplementedError):
        Distiller(make_network(1)).task_terms({}, {})
    with pytest.raises(NotImplementedError):
        Distiller(make_network(1)).measures({}, {})


@pytest.mark.parametrize("weight", ["alpha", "beta", "logits_weight"])
def test_a_weight_needs_a_teacher(weight):
    with pytest.raises(InputError, match=rf"--{weight}=0.5 needs a teacher: give --teacher or --teacher_cache, or --{weight}=0") as caught:
        ClassificationDistiller(make_network(1), **{weight: 0.5})
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": -1.0}, "--alpha=-1.0 must not be below 0"),
        ({"alpha": float("nan")}, "--alpha=nan must not be below 0"),
        ({"logits_weight": -2.0}, "--logits_weight=-2.0 must not be below 0"),
        ({"hidden_reduction": "max"}, "--hidden_reduction=max is unknown; known: mean, sum"),
        ({"beta": -0.5}, "--beta=-0.5 must not be below 0"),
        ({"temperature": 0.0}, "--temperature=0.0 must be above 0"),
        ({"temperature": -3.0}, "--temperature=-3.0 must be above 0"),
    ],
)
def test_bad_numbers(options, message):
    with pytest.raises(InputError, match=message):
        ClassificationDistiller(make_network(1), make_network(2), **options)


@pytest.mark.parametrize(
    ("make", "missing", "options"),
    [
        (ClassificationDistiller, "logits", {}),
        (AlignmentDistiller, "landmarks", {}),
        (AlignmentDistiller, "logits", {"alpha": 1.0}),
        (AlignmentDistiller, "logits", {"logits_weight": 1.0}),
        (AlignmentDistiller, "hidden", {"beta": 1.0}),
        (VerificationDistiller, "embedding", {}),
        (VerificationDistiller, "logits", {"identity_weight": 1.0}),
    ],
)
def test_outputs_that_the_student_lacks(make, missing, options):
    with pytest.raises(InputError, match=f"the student 'tiny_1' lacks the output '{missing}'"):
        make(make_network(1, without=(missing,)), make_network(2), **options)


@pytest.mark.parametrize(("weight", "missing"), [("alpha", "logits"), ("logits_weight", "logits"), ("beta", "hidden")])
def test_outputs_that_the_teacher_lacks(weight, missing):
    with pytest.raises(InputError, match=f"the teacher 'tiny_2' lacks the output '{missing}'"):
        ClassificationDistiller(make_network(1), make_network(2, without=(missing,)), **{weight: 1.0})


@pytest.mark.parametrize("weight", ["alpha", "logits_weight"])
def test_other_identities_than_the_teachers(weight):
    student, teacher = make_network(1, identities=5), make_network(2, identities=7)
    with pytest.raises(InputError, match=f"the student has 5 identities and the teacher 7: .* or use --{weight}=0"):
        ClassificationDistiller(student, teacher, **{weight: 1.0})
    assert ClassificationDistiller(student, teacher, beta=1.0).projection is None


def test_an_optimizer_of_tensorflow_addons_trains_it():
    """They are legacy optimizers, which lack `compute_gradients`."""
    optimizers = pytest.importorskip("tensorflow_addons", reason="this Python has no TensorFlow Addons").optimizers
    student = make_network(0)
    before = student.get_weights()
    distiller = ClassificationDistiller(student)
    distiller.compile(optimizers.LAMB(0.01))
    distiller.fit(*make_batch(0), verbose=0)
    assert any(np.abs(old - new).max() > 1e-4 for old, new in zip(before, student.get_weights(), strict=True))
