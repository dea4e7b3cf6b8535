import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data import views
from kd_tf.data.folder import open_folder
from kd_tf.data.order import epoch_order
from kd_tf.data.pipeline import Share, evaluation_batches, training_batches
from kd_tf.data.source import decode_image
from kd_tf.data.split import Split, SplitConfig, train_and_test
from kd_tf.data.synthetic.source import SyntheticSource
from kd_tf.data.views import ViewConfig
from tests.images import write_people

VIEW = ViewConfig(image_size=28, seed=2)
RECORDS = np.array([0, 2, 3, 5, 8, 9, 11])


@pytest.fixture(name="split", scope="module")
def make_split():
    return Split(SyntheticSource(identities=4, pictures=3, picture_size=32), RECORDS)


def train(split, **arguments):
    return list(training_batches(split, epoch_order(len(split), seed=1), VIEW, batch_size=4, **arguments).as_numpy_iterator())


def evaluate(split, **arguments):
    return list(evaluation_batches(split, VIEW, batch_size=3, **arguments).as_numpy_iterator())


def join(batches, key):
    return np.concatenate([targets[key] for _, targets in batches])


def canvas_and_landmarks(source, record):
    canvas = views.make_canvas(decode_image(source.read([record])[0]), VIEW)
    return canvas, tf.constant(source.landmarks[record])


def test_training_resumed_is_the_tail_of_the_stream(split):
    whole, tail = train(split, steps=6), train(split, first_step=3, steps=6)
    assert len(whole) == 6 and len(tail) == 3
    tf.nest.map_structure(np.testing.assert_array_equal, whole[3:], tail)


def test_training_has_no_end_without_steps(split):
    batches = training_batches(split, epoch_order(len(split), seed=1), VIEW, batch_size=4, first_step=1_000_000)
    _, targets = next(batches.as_numpy_iterator())
    # Position 4,000,000 of epochs of 7.
    assert targets["view"][0] == 4_000_000 // 7


def test_training_passes_every_record_once_an_epoch(split):
    """Seven steps of four are four epochs of seven."""
    batches = train(split, steps=7)
    np.testing.assert_array_equal(np.sort(join(batches, "record").reshape(4, 7), axis=1), np.tile(RECORDS, (4, 1)))
    np.testing.assert_array_equal(join(batches, "view"), np.repeat([0, 1, 2, 3], 7))


def test_training_images_are_those_of_their_record_and_view(split):
    (images, targets), *_ = train(split, first_step=2, steps=3)
    for index, image in enumerate(images):
        record, view = targets["record"][index], targets["view"][index]
        seen, landmarks = views.training_view(*canvas_and_landmarks(split.source, record), tf.constant(record), tf.constant(view), VIEW)
        np.testing.assert_allclose(image, seen, atol=1e-3)
        np.testing.assert_allclose(targets["landmarks"][index], landmarks, atol=1e-6)
        assert targets["identity"][index] == record // 3


def test_evaluation_has_every_record_once_in_order(split):
    batches = evaluate(split)
    assert [len(images) for images, _ in batches] == [3, 3, 1]
    np.testing.assert_array_equal(join(batches, "record"), RECORDS)
    np.testing.assert_array_equal(join(batches, "identity"), RECORDS // 3)
    np.testing.assert_array_equal(join(batches, "view"), [-1] * 7)


def test_evaluation_sees_the_middle(split):
    (images, targets), *_ = evaluate(split)
    for index, record in enumerate(RECORDS[:3]):
        canvas, _ = canvas_and_landmarks(split.source, record)
        np.testing.assert_array_equal(images[index], canvas[2:30, 2:30])
        np.testing.assert_allclose(targets["landmarks"][index], views.evaluation_landmarks(split.source.landmarks[record], VIEW), atol=1e-6)


def test_evaluation_in_a_given_order(split):
    batches = evaluate(split, order=lambda position: (6 - position, position))
    np.testing.assert_array_equal(join(batches, "record"), RECORDS[::-1])
    np.testing.assert_array_equal(join(batches, "view"), [-1] * 7)


def test_targets_with_landmarks(split):
    assert set(train(split, steps=1)[0][1]) == {"identity", "record", "view", "landmarks"}


def test_targets_without_landmarks(tmp_path):
    """Images of another size than the canvas, in two classes."""
    source = open_folder(str(write_people(tmp_path, {"ann": 3, "bob": 3})))
    training, test = train_and_test(source, SplitConfig(split_seed=1))
    for _, targets in train(training, steps=2) + evaluate(test):
        assert set(targets) == {"identity", "record", "view"}
        np.testing.assert_array_equal(targets["identity"], targets["record"] // 3)


@pytest.mark.parametrize(("count", "pieces"), [(2, 1), (4, 1), (2, 2), (1, 4)])
def test_the_shares_of_all_processes_are_the_global_batches(split, count, pieces):
    """In each step the pieces of the first process, then those of the next; nothing is read twice."""
    whole = train(split, first_step=2, steps=5)
    shares = [train(split, first_step=2, steps=5, share=Share(index, count, pieces)) for index in range(count)]
    assert [len(share) for share in shares] == [3 * pieces] * count
    for step, batch in enumerate(whole):
        parts = [part for share in shares for part in share[step * pieces : (step + 1) * pieces]]
        assert {len(images) for images, _ in parts} == {4 // count // pieces}
        tf.nest.map_structure(np.testing.assert_array_equal, batch, tf.nest.map_structure(lambda *each: np.concatenate(each), *parts))


def test_shares_of_an_evaluation_divide_what_is_left_over(split):
    """Seven images in batches of four: two each, then one and two."""
    batches = [list(evaluation_batches(split, VIEW, batch_size=4, share=Share(index, 2)).as_numpy_iterator()) for index in range(2)]
    assert [[targets["record"].tolist() for _, targets in share] for share in batches] == [[[0, 2], [8]], [[3, 5], [9, 11]]]
    assert [evaluation_batches(split, VIEW, batch_size=4, share=Share(index, 2)).cardinality() for index in range(2)] == [2, 2]
