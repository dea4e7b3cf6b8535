import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.order import IdentityBatches, epoch_order, identity_order, shuffled
from kd_tf.errors import InputError


def run(order, first, end):
    """The places and the views of positions `first .. end - 1`, as two arrays."""
    pairs = list(tf.data.Dataset.range(first, end).map(order).as_numpy_iterator())
    return np.array([place for place, _ in pairs]), np.array([view for _, view in pairs])


def permutations(count, keys):
    """One row a key: where `shuffled` sends `0 .. count - 1`."""
    grid = [(index, key) for key in range(keys) for index in range(count)]
    sent = tf.data.Dataset.from_tensor_slices(np.array(grid, np.int64)).map(lambda row: shuffled(row[0], count, 1, row[1]))
    return np.array(list(sent.as_numpy_iterator())).reshape(keys, count)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 16, 17, 31, 100, 257])
def test_shuffled_is_a_permutation(count):
    np.testing.assert_array_equal(np.sort(permutations(count, 3), axis=1), np.tile(np.arange(count), (3, 1)))


def test_shuffled_reaches_every_permutation_of_three():
    """With 120 keys each of the six is expected 20 times; fewer than 6 is a chance of about one in 10,000."""
    found, times = np.unique(permutations(3, 120), axis=0, return_counts=True)
    assert len(found) == 6 and times.min() >= 6


def test_shuffled_depends_on_every_word_of_the_key():
    index = tf.range(40, dtype=tf.int64)
    first, *others = (tf.map_fn(lambda i, key=key: shuffled(i, 40, *key), index) for key in ((1, 2, 3), (2, 2, 3), (1, 3, 3), (1, 2, 4)))
    assert all(not np.array_equal(first, other) for other in others)


@pytest.mark.parametrize("count", [1, 2, 3, 10, 37])
def test_epoch_order_covers_every_place_once_an_epoch(count):
    places, views = run(epoch_order(count, seed=4), 0, 3 * count)
    np.testing.assert_array_equal(np.sort(places.reshape(3, count), axis=1), np.tile(np.arange(count), (3, 1)))
    np.testing.assert_array_equal(views, np.repeat([0, 1, 2], count))


def test_epochs_and_seeds_differ():
    places, _ = run(epoch_order(37, seed=4), 0, 74)
    others, _ = run(epoch_order(37, seed=5), 0, 74)
    assert not np.array_equal(places[:37], places[37:])
    assert not np.array_equal(places, others)


def test_epoch_order_started_later_is_the_rest_of_the_stream():
    order = epoch_order(10, seed=2)
    places, views = run(order, 0, 35)
    later_places, later_views = run(epoch_order(10, seed=2), 13, 35)
    np.testing.assert_array_equal(later_places, places[13:])
    np.testing.assert_array_equal(later_views, views[13:])


def test_epoch_order_stays_what_it_was():
    """Another list here breaks the resumption of every stored run."""
    places, _ = run(epoch_order(10, seed=1), 0, 20)
    assert places.tolist() == [7, 1, 2, 3, 5, 4, 0, 9, 6, 8, 6, 5, 2, 4, 1, 3, 7, 0, 9, 8]


# Eight people with 1 to 8 pictures, in mixed order; person 0 has a single one.
LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(8), np.arange(1, 9)))


def identity_batches(batches, steps, seed=3):
    places, views = run(identity_order(LABELS, batches, seed=seed), 0, steps * batches.batch_size)
    return places.reshape(steps, batches.identities, batches.images), views.reshape(steps, batches.identities, batches.images)


@pytest.mark.parametrize("identities", [2, 3, 6])
def test_a_batch_holds_distinct_identities_in_runs(identities):
    labels = np.tile(np.arange(6), 4)
    places, _ = run(identity_order(labels, IdentityBatches(identities, 3), seed=3), 0, 20 * identities * 3)
    batches = labels[places].reshape(20, identities, 3)
    np.testing.assert_array_equal(batches, np.repeat(batches[:, :, :1], 3, axis=2))
    assert [len(set(batch)) for batch in batches[:, :, 0].tolist()] == [identities] * 20


def test_every_identity_comes_once_an_epoch_in_another_order():
    places, _ = identity_batches(IdentityBatches(7, 2), steps=10)
    epochs = LABELS[places[..., 0]]
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(1, 8), (10, 1)))
    assert len(np.unique(epochs, axis=0)) == 10


def test_identities_with_one_image_never_appear():
    places, _ = identity_batches(IdentityBatches(4, 3), steps=28)
    assert set(LABELS[places].ravel()) == set(range(1, 8))


def test_each_image_of_an_identity_is_used_equally_often():
    """840 divides by 2 to 8, so that 840 turns are whole cycles for everyone: 420 visits of two images."""
    places, views = identity_batches(IdentityBatches(7, 2), steps=420)
    used = np.bincount(places.ravel(), minlength=len(LABELS))
    counts = np.bincount(LABELS)[LABELS]
    expected = np.where(counts == 1, 0, 840 // counts)
    # Where two visits make whole cycles the rate is exact; the last of an odd number of images sits a cycle out, in turn.
    even = counts % 2 == 0
    np.testing.assert_array_equal(used[even], expected[even])
    np.testing.assert_allclose(used[~even], expected[~even], rtol=0.15)
    # The view is the cycle: an image's views are 0, 1, 2 and on.
    place = np.flatnonzero(LABELS == np.flatnonzero(np.bincount(LABELS) == 4)[0])[0]
    assert views[places == place].tolist() == list(range(210))


@pytest.mark.parametrize("identities", [3, 4, 5])
def test_no_batch_has_an_identity_twice_and_no_visit_an_image_twice(identities):
    """Also where the identities are no multiple of P and their images none of K."""
    places, views = identity_batches(IdentityBatches(identities, 3), steps=200)
    for batch, seen in zip(places.reshape(200, identities, 3), views.reshape(200, identities, 3), strict=True):
        people = LABELS[batch]
        assert (people == people[:, :1]).all()
        assert len(set(people[:, 0])) == identities
        for visit, numbers in zip(batch, seen, strict=True):
            images_of_person = np.count_nonzero(LABELS == LABELS[visit[0]])
            assert len(set(visit)) == min(3, images_of_person)
            assert len(set(zip(visit, numbers, strict=True))) == 3


def test_identity_order_started_later_is_the_rest_of_the_stream():
    order = identity_order(LABELS, IdentityBatches(3, 2), seed=3)
    np.testing.assert_array_equal(run(order, 20, 60), np.array(run(order, 0, 60))[:, 20:])


def test_identity_order_differs_between_seeds():
    batches = IdentityBatches(7, 2)
    assert not np.array_equal(identity_batches(batches, 3, seed=3)[0], identity_batches(batches, 3, seed=4)[0])


def test_too_few_identities():
    with pytest.raises(InputError) as error:
        identity_order(LABELS, IdentityBatches(8, 2), seed=1)
    assert str(error.value) == "--identities_per_batch=8 needs as many identities with two images or more; the split has 7"


@pytest.mark.parametrize(("identities", "images"), [(1, 2), (2, 1)])
def test_batches_without_pairs(identities, images):
    with pytest.raises(InputError) as error:
        IdentityBatches(identities, images)
    expected = f"--identities_per_batch={identities} and --images_per_identity={images} must both be at least 2"
    assert str(error.value) == expected
