import dataclasses

import pytest

from kd_tf.data.split import SplitConfig
from kd_tf.errors import InputError
from kd_tf.training.batches import _without_empty_parts, plan_batches
from kd_tf.training.config import DistillationConfig, VerificationConfig
from kd_tf.training.prepared import open_run_data
from tests.images import smooth_image, write_image, write_people
from tests.runs import SOURCE, small_run

DISJOINT = SplitConfig("identity_disjoint")
JOINT = VerificationConfig(identity_weight=1.0)
TAUGHT = DistillationConfig(teacher="/runs/teacher", beta=1.0)
TEN_PEOPLE = dataclasses.replace(SOURCE, identities=10)


def _plan(**changes):
    config = small_run("runs/x", source=changes.pop("source", TEN_PEOPLE), **changes)
    return plan_batches(config, open_run_data(config), 1)


@pytest.mark.parametrize(
    ("task", "verification", "split", "protocols", "tests"),
    [
        ("classification", VerificationConfig(), SplitConfig(), ("classification", "retrieval"), True),
        ("classification", VerificationConfig(), DISJOINT, ("retrieval",), False),
        ("verification", VerificationConfig(), SplitConfig(), ("retrieval",), True),
        ("verification", VerificationConfig(), DISJOINT, ("retrieval",), True),
        ("verification", JOINT, SplitConfig(), ("retrieval",), True),
        ("verification", JOINT, DISJOINT, ("retrieval",), False),
        ("alignment", VerificationConfig(), DISJOINT, ("landmarks",), True),
        ("embedding", VerificationConfig(), SplitConfig(), ("retrieval",), True),
        ("embedding", VerificationConfig(), DISJOINT, ("retrieval",), True),
    ],
)
def test_strangers_are_scored_by_what_needs_no_label(task, verification, split, protocols, tests):
    """The loss of a batch of strangers cannot be had where it reads labels."""
    distillation = TAUGHT if task == "embedding" else DistillationConfig()
    plan = _plan(task=task, verification=verification, split=split, training={"identities_per_batch": 3}, distillation=distillation)
    assert (plan.protocols, plan.tests) == (protocols, tests)


def test_steps_are_counted_from_the_training_images():
    # 80 of 100 images: 20 steps of 8 are two epochs; of the 64 that validation leaves, 16.
    assert _plan(training={"epochs": 2, "steps": None}).steps == 20
    assert _plan(training={"epochs": 2, "steps": None}, split=SplitConfig(validation=True)).steps == 16


def test_strangers_with_one_picture_each_score_nothing(tmp_path):
    root = write_people(tmp_path, {f"person{person}": 1 for person in range(10)})
    message = "^the 2 test images are of people that are not trained on, and none of them has a second image$"
    with pytest.raises(InputError, match=message):
        _plan(source=dataclasses.replace(SOURCE, data=f"folder:{root}"), split=DISJOINT)


@pytest.fixture
def unlabelled(tmp_path):
    """Ten photographs of nobody knows whom."""
    for number in range(10):
        write_image(tmp_path / f"{number}.png", smooth_image(number))
    return dataclasses.replace(SOURCE, data=f"folder:{tmp_path}")


def test_photographs_without_labels_are_not_scored_by_retrieval(unlabelled):
    plan = _plan(source=unlabelled, task="embedding", distillation=TAUGHT)
    assert (plan.protocols, plan.tests, plan.batch_size) == ((), True, 8)


@pytest.mark.parametrize("task", ["classification", "verification"])
def test_tasks_that_need_labels(unlabelled, task):
    with pytest.raises(InputError) as error:
        _plan(source=unlabelled, task=task)
    assert str(error.value) == (
        f"{unlabelled.data} has no labels, which --task={task} needs: give --data that has them; kd-distill --task=embedding learns from a "
        "teacher without them"
    )


@pytest.mark.parametrize(
    ("batch_size", "images", "replicas", "expected"),
    # In the last three one image would be left over.
    [(8, 9, 1, 8), (8, 12, 2, 8), (8, 16, 2, 8), (8, 9, 2, 10), (6, 13, 2, 8), (4, 9, 4, 12)],
)
def test_no_replica_is_without_an_image_of_the_last_test_batch(batch_size, images, replicas, expected):
    assert _without_empty_parts(batch_size, images, replicas) == expected
