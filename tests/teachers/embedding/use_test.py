"""Teachers from elsewhere cached, live and scored: they see the record and view that their student sees, as they want to."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.pipeline import batches_of_view
from kd_tf.data.sources import open_source
from kd_tf.data.split import Split
from kd_tf.data.views import EVALUATION_VIEW, ViewConfig
from kd_tf.distillers import ClassificationDistiller
from kd_tf.errors import InputError
from kd_tf.evaluation.evaluate import EvaluationConfig, evaluate
from kd_tf.evaluation.models import open_model
from kd_tf.teachers.cache.store import TEACHER_HIDDEN, TeacherCache
from kd_tf.teachers.embedding.images import TEACHER_IMAGES, teacher_images
from kd_tf.teachers.embedding.live import LiveEmbeddingTeacher
from kd_tf.teachers.embedding.teacher import open_embedding_teacher
from kd_tf.teachers.embedding.teacher_view import TeacherView
from kd_tf.training.caching import CacheConfig, cache_teacher
from kd_tf.training.config import DistillationConfig
from kd_tf.training.run import run
from tests.networks_for_tests import make_batch, make_network, snapshot
from tests.runs import SOURCE, VIEW, small_run
from tests.teachers.embedding import teachers
from tests.teachers.embedding.teachers import SIZE, quarters

OWN = {"central_fraction": 0.8, "channel_order": "bgr"}
RECORDS = np.array([3, 7, 11, 40])


def _seen(view: ViewConfig, number: int) -> np.ndarray:
    """The records under a view."""
    ((images, _),) = batches_of_view(Split(open_source(SOURCE), RECORDS), view, number, batch_size=len(RECORDS))
    return images.numpy()


def _cache(teacher, output, **changes) -> TeacherCache:
    view = dataclasses.replace(VIEW, views=2)
    cache_teacher(CacheConfig(teacher=teacher, output=str(output), source=SOURCE, view=view, dtype="float32", batch_size=7, **changes))
    return TeacherCache(str(output))


def _student(model_dir, **distillation):
    options = {"beta": 1.0, "normalize_hidden": True} | distillation
    view = dataclasses.replace(VIEW, views=2)
    return small_run(model_dir, view=view, distillation=DistillationConfig(**options))


@pytest.mark.parametrize("number", [EVALUATION_VIEW, 0, 1])
def test_the_teacher_sees_the_crop_and_flip_of_the_student(number):
    """At twice the size, from which the student's own image is but a mean of four pixels."""
    view = dataclasses.replace(VIEW, jitter=False)
    look_up = teacher_images(open_source(SOURCE), view, TeacherView(32))
    large = look_up(tf.constant(RECORDS), tf.fill([len(RECORDS)], tf.constant(number, tf.int64)))[TEACHER_IMAGES].numpy()
    assert large.shape == (4, 32, 32, 3)
    small = large.reshape(4, 16, 2, 16, 2, 3).mean(axis=(2, 4))
    seen = _seen(view, number)
    # Another crop or flip is off by far more than rounding and interpolation are.
    assert np.abs(small - seen).mean() < 0.25 * np.abs(small[:, :, ::-1] - seen).mean()
    assert [np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.97 for one, other in zip(small, seen, strict=True)] == [True] * 4


def test_rows_of_a_cache_are_the_teachers_of_its_own_view(tmp_path):
    cache = _cache(teachers.python_teacher(tmp_path, **OWN), tmp_path / "cache")
    assert cache.coverage() == (2 * 48 + 12, 2 * 48 + 12) and cache.manifest.width == 12
    record = cache.records[5]
    for number in (0, 1):
        own = dataclasses.replace(VIEW, image_size=SIZE, central_fraction=0.8, views=2)
        ((images, _),) = batches_of_view(Split(open_source(SOURCE), np.array([record])), own, number, batch_size=1)
        expected = quarters(np.round(images.numpy())[..., ::-1])
        found = cache.look_up(tf.constant([record]), tf.constant([number], tf.int64))[TEACHER_HIDDEN]
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("make", [teachers.keras_teacher, teachers.saved_model_teacher])
def test_live_and_cached_teach_the_same(make, tmp_path):
    """In the second run, which starts from the same weights and sees the same batches, the teacher's outputs are stored."""
    teacher = make(tmp_path, **OWN)
    live = run(_student(tmp_path / "live", teacher=teacher))
    cache = _cache(teacher, tmp_path / "cache")
    cached = run(_student(tmp_path / "cached", teacher=teacher, teacher_cache=cache.path))
    weights = [tf.keras.models.load_model(tmp_path / name / "student.keras", compile=False).get_weights() for name in ("live", "cached")]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert live["top1"] == cached["top1"]
    untried = f"whether --teacher={teacher} sees faces as it should is not tried here"
    assert [untried in (tmp_path / name / "log.txt").read_text(encoding="utf-8") for name in ("live", "cached")] == [True, False]


@pytest.mark.parametrize(("view", "message"), [({"width": 8}, "to 1 images with [1, 12]"), ({"image_size": 32}, "takes images [20, 20")])
def test_a_live_one_is_asked_before_the_first_step(tmp_path, view, message):
    with pytest.raises(InputError) as error:
        run(_student(tmp_path / "run", teacher=teachers.keras_teacher(tmp_path, **view)))
    assert message in str(error.value) and not (tmp_path / "run").exists()


def test_one_cache_teaches_students_of_every_size(tmp_path):
    """Aligned or not: what the teacher saw does not depend on theirs; which crops it saw, on the seed."""
    cache = _cache(teachers.python_teacher(tmp_path, **OWN), tmp_path / "cache")
    student = _student(tmp_path / "run", teacher_cache=cache.path)
    run(dataclasses.replace(student, view=dataclasses.replace(student.view, image_size=24, central_fraction=0.9)))
    aligned = _student(tmp_path / "aligned", teacher_cache=cache.path)
    run(dataclasses.replace(aligned, view=dataclasses.replace(aligned.view, align=True)))
    other = _student(tmp_path / "other", teacher_cache=cache.path)
    with pytest.raises(InputError, match="is of views with seed 0; this run has seed 1"):
        run(dataclasses.replace(other, training=dataclasses.replace(other.training, seed=1)))


def test_a_cache_of_another_view_is_refused(tmp_path):
    teacher = teachers.keras_teacher(tmp_path, **OWN)
    cache = _cache(teacher, tmp_path / "cache")
    teachers.declare(teacher, central_fraction=0.8)
    with pytest.raises(InputError, match="is of a teacher with the weights"):
        run(_student(tmp_path / "run", teacher=teacher, teacher_cache=cache.path))


def test_what_a_teacher_from_elsewhere_cannot_do(tmp_path):
    function, network = teachers.python_teacher(tmp_path), teachers.keras_teacher(tmp_path)
    for changes, message in (
        ({"teacher": function}, "does not run in TensorFlow: store what it says with kd-cache"),
        ({"teacher": function, "alpha": 1.0}, "gives embeddings alone, and soft targets and logits need identities"),
        ({"teacher": network, "alpha": 1.0}, "gives embeddings alone, and soft targets and logits need identities: give --targets=hidden"),
        ({"teacher": network, "teacher_precision": "mixed_bfloat16"}, "--teacher_precision has no effect on --teacher="),
    ):
        with pytest.raises(InputError, match=message):
            run(_student(tmp_path / "run", **changes))
    with pytest.raises(InputError, match="--task=hint learns a stage of the teacher, and --teacher=.* gives embeddings alone"):
        run(dataclasses.replace(_student(tmp_path / "run", teacher=network), task="hint"))
    for changes, message in (
        ({"precision": "mixed_bfloat16"}, "--precision=mixed_bfloat16 has no effect on --teacher="),
        ({"image_cache": str(tmp_path / "images")}, "--image_cache=.* has no effect on --teacher="),
        ({"strategy": "mirrored"}, "--strategy=mirrored has no effect on --teacher="),
    ):
        with pytest.raises(InputError, match=message):
            _cache(function, tmp_path / "cache", **changes)
    assert not (tmp_path / "run").exists() and not (tmp_path / "cache").exists()


def test_scored_like_any_model(tmp_path):
    """The rows of the retrieval protocol are the teacher's under its own view, whatever the size of the student's."""
    path = teachers.python_teacher(tmp_path, **OWN)
    split = Split(open_source(SOURCE), RECORDS)
    answers = open_model(path, VIEW).answers(split, ("hidden", "embedding"))
    images = np.round(_seen(ViewConfig(image_size=SIZE, central_fraction=0.8), EVALUATION_VIEW))[..., ::-1]
    np.testing.assert_allclose(answers.hidden, quarters(images), rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(answers.embedding, axis=1), 1, rtol=1e-5)
    assert answers.picture(2).shape == (SIZE, SIZE, 3)
    flipped = open_model(path, VIEW).answers(split, ("hidden",), flip=True)
    np.testing.assert_allclose(flipped.hidden, quarters(images) + quarters(images[:, :, ::-1]), rtol=1e-5)
    found = evaluate(EvaluationConfig(path, "retrieval", SOURCE, VIEW))
    assert found["model"] == path and 0 <= found["rank1"] <= 100


def test_a_students_probes_against_the_gallery_of_its_teacher(tmp_path):
    teacher = teachers.keras_teacher(tmp_path, **OWN)
    run(_student(tmp_path / "student", teacher=teacher))
    crossed = evaluate(EvaluationConfig(str(tmp_path / "student"), "retrieval", SOURCE, VIEW, cross=True))
    alone = evaluate(EvaluationConfig(teacher, "retrieval", SOURCE, VIEW))
    assert crossed["teacher_rank1"] == alone["rank1"] and "student_rank1" in crossed


def test_two_replicas_teach_as_one(tmp_path, mirrored):
    """Each sees what belongs to its part of the batch."""
    path = teachers.saved_model_teacher(tmp_path, **OWN)
    images, targets = make_batch(0, size=12)
    seen = np.random.default_rng(1).uniform(0, 255, [12, SIZE, SIZE, 3]).astype(np.float32)

    def outcome(strategy: tf.distribute.Strategy) -> tuple[list[float], list[np.ndarray]]:
        with strategy.scope():
            student, teacher = make_network(1), LiveEmbeddingTeacher(open_embedding_teacher(path))
            tf.keras.utils.set_random_seed(3)
            distiller = ClassificationDistiller(student, teacher, beta=1e-4)
            distiller.compile(optimizer=tf.keras.optimizers.SGD(0.01))
        batches = tf.data.Dataset.from_tensor_slices((images, targets | {TEACHER_IMAGES: seen})).batch(12)
        return distiller.fit(batches, epochs=3, verbose=0).history["hidden"], snapshot(distiller.student, distiller.projection)

    (means, weights), (mirrored_means, mirrored_weights) = outcome(tf.distribute.get_strategy()), outcome(mirrored)
    np.testing.assert_allclose(mirrored_means, means, rtol=1e-5)
    # Of random weights and another teacher's images they would not.
    assert means[0] > means[-1]
    for one, other in zip(weights, mirrored_weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_the_view_is_part_of_what_teaches(tmp_path):
    """The digest in a cache's manifest, with which runs compare."""
    path = teachers.python_teacher(tmp_path, **OWN)
    assert _cache(path, tmp_path / "cache").manifest.teacher == open_embedding_teacher(path).digest
