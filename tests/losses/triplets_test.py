import numpy as np
import pytest
import tensorflow as tf

from kd_tf.errors import InputError
from kd_tf.losses.triplets import (
    TRIPLET_LOSSES,
    active_share,
    squared_distances,
    triplet_loss_named,
)

MARGIN = 0.4
MININGS = ["semi_hard", "hard", "all"]
# On a line at 0, 0.5 (one identity), 0.75 and 2 (the other). Squared distances:
# 01: 0.25, 02: 0.5625, 03: 4, 12: 0.0625, 13: 2.25, 23: 1.5625.
LINE = np.array([[0.0], [0.5], [0.75], [2.0]], np.float32)
LINE_IDENTITIES = np.array([0, 0, 1, 1])
# Nobody has two images; or, where no negative is made up, there is one identity.
WITHOUT_TRIPLETS = [*((mining, people) for mining in MININGS for people in ([0, 1, 2, 3], [5])), ("hard", [3] * 4), ("all", [3] * 4)]


def _loss(mining, identities, embeddings, margin=MARGIN):
    return triplet_loss_named(mining)(tf.constant(identities), tf.convert_to_tensor(embeddings), margin=margin)


def _value_and_gradient(mining, identities, embeddings, margin=MARGIN):
    variable = tf.Variable(embeddings)
    with tf.GradientTape() as tape:
        loss = _loss(mining, identities, variable, margin)
    return float(loss), tape.gradient(loss, variable).numpy()


def _mined(mining, identities, embeddings, margin):
    """`p - n + margin` of the triplets that Eq 8 mines, by plain loops in float64."""
    points = np.asarray(embeddings, np.float64)
    distance = [[float(np.sum((a - b) ** 2)) for b in points] for a in points]
    images = range(len(points))
    losses = []
    for a in images:
        positives = [distance[a][p] for p in images if p != a and identities[p] == identities[a]]
        negatives = [distance[a][n] for n in images if identities[n] != identities[a]]
        if not positives or not negatives:
            continue
        if mining == "hard":
            losses.append(max(positives) - min(negatives) + margin)
        elif mining == "all":
            losses += [p - n + margin for p in positives for n in negatives]
        else:
            losses += [p - min((n for n in negatives if n > p), default=max(negatives)) + margin for p in positives]
    return losses


def _reference(mining, identities, embeddings, margin=MARGIN):
    """The mean of the mined losses, those below 0 as 0; of `all` the mean of those above 0."""
    losses = _mined(mining, identities, embeddings, margin)
    losses = [loss for loss in losses if loss > 0] if mining == "all" else [max(loss, 0) for loss in losses]
    return sum(losses) / len(losses) if losses else 0.0


def _random_batch(seed, identities=4, images=3, width=5):
    random = np.random.RandomState(seed)
    embeddings = random.normal(size=[identities * images, width])
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return random.permutation(np.repeat(np.arange(identities), images)), embeddings.astype(np.float32)


def test_semi_hard_by_hand():
    # (0,1): nearest negative beyond 0.25 is 0.5625: 0.25 - 0.5625 + 0.4 = 0.0875. (1,0): it is 2.25: 0.
    # (2,3): none is beyond 1.5625, the farthest is 0.5625: 1.4. (3,2): 2.25: 0. Mean of four pairs.
    assert float(_loss("semi_hard", LINE_IDENTITIES, LINE)) == pytest.approx((0.0875 + 0 + 1.4 + 0) / 4, rel=1e-6)


def test_hard_by_hand():
    # 0: 0.25 - 0.5625 + 0.4 = 0.0875. 1: 0.25 - 0.0625 + 0.4 = 0.5875. 2: 1.5625 - 0.0625 + 0.4 = 1.9. 3: 1.5625 - 2.25 + 0.4 < 0.
    assert float(_loss("hard", LINE_IDENTITIES, LINE)) == pytest.approx((0.0875 + 0.5875 + 1.9 + 0) / 4, rel=1e-6)


def test_all_by_hand():
    # Above 0 of the eight triplets: (0,1,2) 0.0875, (1,0,2) 0.5875, (2,3,0) 1.5625 - 0.5625 + 0.4 = 1.4, (2,3,1) 1.9.
    assert float(_loss("all", LINE_IDENTITIES, LINE)) == pytest.approx((0.0875 + 0.5875 + 1.4 + 1.9) / 4, rel=1e-6)


@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("margin", [0.1, 0.4, 1.0])
def test_random_batches_equal_loops(mining, seed, margin):
    identities, embeddings = _random_batch(seed)
    expected = _reference(mining, identities, embeddings, margin)
    assert float(_loss(mining, identities, embeddings, margin)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize("seed", range(4))
def test_batches_with_ties_equal_loops(mining, seed):
    # Points of a small grid: distances are small whole numbers, so that many are equal, exactly, and some are 0.
    random = np.random.RandomState(seed)
    embeddings = random.randint(0, 3, size=[12, 2]).astype(np.float32)
    identities = random.permutation(np.repeat([0, 1, 2], 4))
    assert float(_loss(mining, identities, embeddings)) == pytest.approx(_reference(mining, identities, embeddings), rel=1e-6)


@pytest.mark.parametrize("mining", MININGS)
def test_identities_with_one_image_are_negatives_and_no_anchors(mining):
    # 0, 0.5 of one identity; 0.625 and 1.5 of two others.
    embeddings, identities = np.array([[0.0], [0.5], [0.625], [1.5]], np.float32), np.array([7, 7, 8, 9])
    assert float(_loss(mining, identities, embeddings)) == pytest.approx(_reference(mining, identities, embeddings), rel=1e-6)


@pytest.mark.parametrize("mining", MININGS)
def test_equal_embeddings_give_the_margin(mining):
    # All distances are 0: 0 - 0 + 0.4 in every triplet.
    assert float(_loss(mining, [0, 0, 1, 1], np.ones([4, 3], np.float32))) == pytest.approx(MARGIN, rel=1e-6)


@pytest.mark.parametrize("mining", MININGS)
def test_separated_identities_give_zero(mining):
    embeddings = np.array([[1, 0], [1, 0], [-1, 0], [-1, 0]], np.float32)
    value, gradient = _value_and_gradient(mining, [0, 0, 1, 1], embeddings)
    assert value == 0
    np.testing.assert_array_equal(gradient, np.zeros([4, 2]))


@pytest.mark.parametrize(("mining", "identities"), WITHOUT_TRIPLETS)
def test_batches_without_triplets_give_zero_and_a_zero_gradient(mining, identities):
    embeddings = np.random.RandomState(0).normal(size=[len(identities), 3]).astype(np.float32)
    value, gradient = _value_and_gradient(mining, identities, embeddings)
    assert value == 0
    np.testing.assert_array_equal(gradient, np.zeros_like(embeddings))


def test_semi_hard_draws_the_images_of_one_identity_together():
    # Squared distances 1, 9, 4, each of two ordered pairs, and a negative at 0.
    value, gradient = _value_and_gradient("semi_hard", [3, 3, 3], np.array([[0.0], [1.0], [3.0]], np.float32))
    assert value == pytest.approx((1 + 9 + 4) / 3 + MARGIN, rel=1e-6)
    # d/dx of ((x-y)^2 + (x-z)^2 + (y-z)^2) / 3.
    np.testing.assert_allclose(gradient, [[-8 / 3], [-2 / 3], [10 / 3]], rtol=1e-5)


@pytest.mark.parametrize("mining", MININGS)
def test_gradient_equals_finite_differences_of_the_loops(mining):
    identities, embeddings = _random_batch(5, identities=3, images=2, width=3)
    _, gradient = _value_and_gradient(mining, identities, embeddings)
    expected = np.zeros_like(gradient)
    for index in np.ndindex(*embeddings.shape):
        step = np.zeros(embeddings.shape)
        step[index] = 1e-5
        above, below = (_reference(mining, identities, embeddings + sign * step) for sign in (1, -1))
        expected[index] = (above - below) / 2e-5
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(gradient, expected, atol=1e-4)


@pytest.mark.parametrize("mining", MININGS)
def test_extreme_embeddings_have_finite_gradients(mining):
    embeddings = np.array([[1e4, -1e4], [-1e4, 1e4], [1e4, 1e4], [-1e4, -1e4]], np.float32)
    value, gradient = _value_and_gradient(mining, [0, 0, 1, 1], embeddings)
    # Every positive is at 8e8, every negative at 4e8.
    assert value == pytest.approx(4e8, rel=1e-6)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_computes_in_float32(mining, dtype):
    identities, embeddings = _random_batch(6)
    embeddings = tf.cast(embeddings, dtype)
    loss = _loss(mining, identities, embeddings)
    assert loss.dtype == tf.float32
    assert float(loss) == float(_loss(mining, identities, tf.cast(embeddings, tf.float32)))


def test_squared_distances():
    # (0, 0) to (3, 4): 25; (3, 4) to (3, 0): 16; (0, 0) to (3, 0): 9.
    distances = squared_distances(tf.constant([[0.0, 0.0], [3.0, 4.0], [3.0, 0.0]]))
    np.testing.assert_array_equal(distances, [[0, 25, 9], [25, 0, 16], [9, 16, 0]])


def test_squared_distances_of_copies_are_not_below_zero():
    embeddings = np.repeat(np.random.RandomState(7).normal(size=[1, 64]).astype(np.float32), 8, axis=0)
    distances = squared_distances(embeddings).numpy()
    assert distances.min() >= 0 and distances.max() < 1e-3


def test_names():
    assert list(TRIPLET_LOSSES) == MININGS
    with pytest.raises(InputError, match="--triplet_mining=soft is unknown; known: semi_hard, hard, all"):
        triplet_loss_named("soft")


def _value_and_gradient_of_addons(mining, identities, embeddings, margin):
    losses = pytest.importorskip("tensorflow_addons", reason="this Python has no TensorFlow Addons").losses
    loss = {"semi_hard": losses.triplet_semihard_loss, "hard": losses.triplet_hard_loss}[mining]
    variable = tf.Variable(embeddings)
    with tf.GradientTape() as tape:
        value = loss(tf.constant(identities), variable, margin=margin, distance_metric="squared-L2")
    return float(value), tape.gradient(value, variable).numpy()


def _assert_equals_addons(mining, identities, embeddings, margin):
    theirs, their_gradient = _value_and_gradient_of_addons(mining, identities, embeddings, margin)
    ours, our_gradient = _value_and_gradient(mining, identities, embeddings, margin)
    assert theirs > 0.01 and np.abs(their_gradient).max() > 1e-4
    assert ours == pytest.approx(theirs, rel=1e-5)
    np.testing.assert_allclose(our_gradient, their_gradient, atol=1e-6)


@pytest.mark.parametrize("mining", ["semi_hard", "hard"])
@pytest.mark.parametrize(("identities", "images"), [(3, 2), (8, 4), (16, 4)])
@pytest.mark.parametrize("margin", [0.1, 0.4, 1.0])
def test_equals_tensorflow_addons_where_every_image_has_a_positive(mining, identities, images, margin):
    _assert_equals_addons(mining, *_random_batch(identities, identities, images, width=16), margin)


@pytest.mark.parametrize("images", [128, 512])
def test_semi_hard_equals_tensorflow_addons_in_large_batches(images):
    """Coordinates are eighths: distances are exact, so that rounding does not choose between two negatives."""
    random = np.random.RandomState(images)
    embeddings = (random.randint(-3, 4, size=[images, 16]) / 8).astype(np.float32)
    _assert_equals_addons("semi_hard", random.permutation(np.repeat(np.arange(images // 8), 8)), embeddings, MARGIN)


def test_semi_hard_equals_tensorflow_addons_where_identities_have_one_image():
    identities, embeddings = _random_batch(3, identities=20, images=3)
    identities[:20] = np.arange(100, 120)
    _assert_equals_addons("semi_hard", identities, embeddings, MARGIN)


@pytest.mark.parametrize("images", [2, 7, 64])
def test_semi_hard_equals_tensorflow_addons_in_a_batch_of_one_identity(images):
    _assert_equals_addons("semi_hard", *_random_batch(images, identities=1, images=images), MARGIN)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("margin", [0.4, 1.0, 2.0])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_semi_hard_equals_tensorflow_addons_where_distances_are_equal(seed, margin, width):
    """Points of a small grid: distances are small whole numbers, negatives are as far as positives, losses 0 to the bit."""
    random = np.random.RandomState(seed)
    embeddings = random.randint(0, 3, size=[24, width]).astype(np.float32)
    _assert_equals_addons("semi_hard", random.permutation(np.repeat(np.arange(4), 6)), embeddings, margin)


@pytest.mark.parametrize("copies", [3, 5, 7])
def test_semi_hard_takes_no_negative_that_is_as_far_as_the_positive(copies):
    """A mean of copies of 0.1 is not 0.1 to the last bit: which negative is farther goes by the distances themselves."""
    tenth = np.float32(np.sqrt(np.float32(0.1)))
    embeddings = np.array([[0.0], [tenth], *[[-tenth]] * copies, [1.0]], np.float32)
    identities = [0, 0, *range(1, copies + 1), copies + 1]
    # From 0 the positive and all copies are at 0.1, the last one at 1; from the positive the copies are at 0.4.
    expected = [0.1 - 1 + 1, 0.1 - 0.4 + 1]
    assert float(_loss("semi_hard", identities, embeddings, 1.0)) == pytest.approx(np.mean(expected), rel=1e-5)


def test_semi_hard_needs_memory_of_the_square_of_the_batch():
    """No tensor of the graph, gradient included, has more than `[batch, batch]` numbers."""
    batch = 48

    @tf.function
    def gradient(identities, embeddings):
        return tf.gradients(TRIPLET_LOSSES["semi_hard"](identities, embeddings, margin=MARGIN), embeddings)

    graph = gradient.get_concrete_function(tf.TensorSpec([batch], tf.int32), tf.TensorSpec([batch, 8])).graph
    sizes = [output.shape.num_elements() for operation in graph.get_operations() for output in operation.outputs]
    assert len(sizes) > 50 and max(size or 0 for size in sizes) <= batch**2


def _active_reference(mining, identities, embeddings, margin=MARGIN):
    """Percent of the mined triplets above 0; 0 where there is none."""
    losses = _mined(mining, identities, embeddings, margin)
    return 100 * sum(loss > 0 for loss in losses) / len(losses) if losses else 0.0


def _active(mining, identities, embeddings, margin=MARGIN):
    return float(active_share(mining, tf.constant(identities), tf.convert_to_tensor(embeddings), margin=margin))


@pytest.mark.parametrize(("mining", "share"), [("semi_hard", 50.0), ("hard", 75.0), ("all", 50.0)])
def test_active_share_by_hand(mining, share):
    # The triplets above: semi-hard 0.0875, 0, 1.4, 0; hard 0.0875, 0.5875, 1.9, 0; all: four of eight.
    assert _active(mining, LINE_IDENTITIES, LINE) == share


def _gathered_batch(seed, ties):
    """Twelve images, each near its identity's place; identities 3 and 4 have one. With `ties` all distances are whole numbers."""
    random = np.random.RandomState(seed)
    identities = random.permutation([0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 4])
    offsets = random.randint(0, 2, size=[12, 2]) if ties else random.uniform(0, 2, size=[12, 2])
    return identities, (2 * np.stack([identities % 3, identities // 3], axis=1) + offsets).astype(np.float32)


@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("ties", "margin"), [(False, 1.0), (True, 1.5), (True, 2.0)])
def test_active_share_equals_loops(mining, seed, ties, margin):
    """With ties and a margin of 2 many losses are exactly 0, and those are not active."""
    identities, embeddings = _gathered_batch(seed, ties)
    expected = _active_reference(mining, identities, embeddings, margin)
    assert 0 < expected < 100
    assert _active(mining, identities, embeddings, margin) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("mining", "identities"), WITHOUT_TRIPLETS)
def test_active_share_is_zero_without_triplets(mining, identities):
    embeddings = np.random.RandomState(0).normal(size=[len(identities), 3]).astype(np.float32)
    assert _active_reference(mining, identities, embeddings) == 0
    assert _active(mining, identities, embeddings) == 0


@pytest.mark.parametrize("mining", MININGS)
def test_active_share_of_equal_embeddings_is_whole_and_of_separated_identities_zero(mining):
    assert _active(mining, [0, 0, 1, 1], np.ones([4, 3], np.float32)) == 100
    assert _active(mining, [0, 0, 1, 1], np.array([[1, 0], [1, 0], [-1, 0], [-1, 0]], np.float32)) == 0


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_active_share_computes_in_float32(dtype):
    identities, embeddings = _random_batch(6)
    embeddings = tf.cast(embeddings, dtype)
    share = active_share("all", tf.constant(identities), embeddings, margin=MARGIN)
    assert share.dtype == tf.float32 and 0 < float(share) < 100
    assert float(share) == _active("all", identities, tf.cast(embeddings, tf.float32))
