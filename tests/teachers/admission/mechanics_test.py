import numpy as np
import pytest

from kd_tf.errors import InputError
from kd_tf.teachers.admission.mechanics import check_mechanics
from tests.teachers.admission.toy_teachers import SIDE, knows_reds, make_teacher

IMAGES = np.random.default_rng(0).uniform(0, 255, [5, SIDE, SIDE, 3]).astype(np.float32)
NAMES = [f"picture {number}" for number in range(5)]


def means(images):
    return np.asarray(images).mean(axis=(1, 2))


def check(call, **view):
    return check_mechanics(make_teacher(call, **view), IMAGES, NAMES)


def refusal(call, **view):
    with pytest.raises(InputError) as error:
        check(call, **view)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_seen_of_a_good_one():
    found = check(means, width=3)
    lengths = np.linalg.norm(IMAGES.mean(axis=(1, 2), dtype=np.float64), axis=1)
    assert (found.images, found.width) == (5, 3) and found.difference < 1e-6
    np.testing.assert_allclose(found.norms, [lengths.mean(), lengths.min(), lengths.max()], rtol=1e-5)
    assert found.words.startswith(f"5 images: answers of width 3, of length {lengths.mean():.4g} on average, from ")


def test_unit_vectors_are_called_so():
    found = check(lambda images: knows_reds(images) / np.linalg.norm(knows_reds(images), axis=1, keepdims=True))
    assert "answers of width 32, unit vectors; asked again" in found.words


def test_half_precision_and_sums_in_another_order_are_no_fault():
    assert check(lambda images: (knows_reds(images) * (1 + 1e-4 * len(images))).astype(np.float16)).difference < 1e-3


def test_another_width():
    assert refusal(means, width=128) == "--teacher=toy answers to 5 images with [5, 3]; wanted is [5, 128]"


def test_no_row_an_image():
    assert refusal(lambda images: means(images)[:1]) == "--teacher=toy answers to 5 images with [1, 3]; wanted is [5, 'width']"


def test_failing():
    assert refusal(lambda images: images @ np.ones(7)).startswith("--teacher=toy fails on images [5, 16, 16, 3]: ValueError: ")


def test_not_finite():
    def call(images):
        rows = means(images)
        rows[images[:, 0, 0, 0] == IMAGES[2, 0, 0, 0], 1] = np.nan
        rows[images[:, 0, 0, 0] == IMAGES[4, 0, 0, 0], :2] = np.inf
        return rows

    assert refusal(call) == (
        "--teacher=toy answers with 1 of 3 values that are not finite to picture 2, and likewise to 1 of 4 other images: check scaling, "
        "mean and std of its view, and its output"
    )


def test_zeros():
    found = refusal(lambda images: np.maximum(means(images) - 1e4, 0))
    assert found.startswith("--teacher=toy answers with 3 zeros to picture 0, and likewise to 4 of 4 other images: check scaling")


def test_not_the_same_again():
    random = np.random.default_rng(0)
    found = refusal(lambda images: means(images) * random.choice([0, 2], [len(images), 3], p=[0.1, 0.9]))
    assert found.startswith("--teacher=toy answers otherwise when asked again about the same 5 images: by ")
    assert found.endswith("(allowed: 0.001); it must be in inference mode, without dropout or noise")


def test_not_the_same_alone():
    """Twice its length of an image in a batch of 5 is what it is of one alone: half of it is the difference."""
    found = refusal(lambda images: means(images) * (2 if len(images) == 5 else 1))
    assert found == (
        "--teacher=toy answers otherwise about an image alone than in a batch of 5: by 0.5 of its length to picture 0 (allowed: 0.001); it "
        "must be in inference mode, with the moving statistics of batch normalization"
    )


def test_normalized_over_the_batch():
    def call(images):
        return np.append(means(images) - means(images).mean(axis=0), np.ones([len(images), 1]), axis=1)

    assert "answers otherwise about an image alone than in a batch of 5" in refusal(call)


def test_not_a_number_alone():
    found = refusal(lambda images: means(images) * (np.nan if len(images) == 1 else 1))
    assert "about an image alone than in a batch of 5: by nan of its length to picture 0" in found


def test_always_the_same():
    found = refusal(lambda images: np.ones([len(images), 4]) + 1e-6 * means(images)[:, :1])
    assert found.startswith("--teacher=toy answers alike to 5 different images: by ")
    assert found.endswith("of their length at most (wanted: above 0.001); check scaling, layout and output of its view")


def test_one_image_says_nothing_of_others():
    found = check_mechanics(make_teacher(lambda images: np.ones([len(images), 4])), IMAGES[:1], NAMES[:1])
    assert found.norms == pytest.approx((2, 2, 2))
