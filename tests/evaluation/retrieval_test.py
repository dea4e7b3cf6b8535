import subprocess
import sys

import numpy as np
import pytest

from kd_tf.errors import InputError
from kd_tf.evaluation.retrieval import nearest_others, nearest_rows, rank1_retrieval


def _reference(embeddings, identities):
    """The nearest other image by two plain loops in float64; the first of several that are equally near."""
    points = np.asarray(embeddings, np.float64)
    right, queries = 0, 0
    for query in range(len(points)):
        if sum(identity == identities[query] for identity in identities) < 2:
            continue
        nearest, least = None, np.inf
        for other in range(len(points)):
            distance = np.sum((points[query] - points[other]) ** 2)
            if other != query and distance < least:
                nearest, least = other, distance
        queries += 1
        right += identities[nearest] == identities[query]
    return 100.0 * right / queries, queries


def _unit(values):
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def test_by_hand():
    # Nearest others: 0 to 1 (right), 1 to 0 (right), 2 to 3 (right), 3 to 4 (wrong); 4 is of an identity with one image.
    embeddings, identities = np.array([[0.0], [1.0], [5.0], [7.0], [7.5]]), np.array([8, 8, 3, 3, 1])
    assert rank1_retrieval(embeddings, identities) == (75.0, 4)
    assert [places.tolist() for places in nearest_others(embeddings, identities)] == [[0, 1, 2, 3], [1, 0, 3, 4]]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("block", [1, 7, 1024])
def test_random_embeddings_equal_loops(seed, block):
    random = np.random.RandomState(seed)
    embeddings, identities = _unit(random.normal(size=[40, 6])), random.randint(0, 12, size=40)
    assert rank1_retrieval(embeddings, identities, block=block) == pytest.approx(_reference(embeddings, identities))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("block", [1, 7, 1024])
def test_ties_go_to_the_lower_index(seed, block):
    # Points of a small grid: most nearest distances are shared, and exact.
    random = np.random.RandomState(seed)
    embeddings, identities = random.randint(0, 3, size=[40, 2]).astype(np.float32), random.randint(0, 5, size=40)
    assert rank1_retrieval(embeddings, identities, block=block) == pytest.approx(_reference(embeddings, identities))


def test_an_identity_with_one_image_is_in_the_gallery_and_no_query():
    # The lone image at 0.1 is nearest to both others, which are 1 apart.
    assert rank1_retrieval(np.array([[0.0], [1.0], [0.1]]), np.array([0, 0, 1])) == (0.0, 2)


@pytest.mark.parametrize(("size", "width", "block"), [(7, 1, 1024), (33, 64, 5), (50, 256, 16)])
def test_a_network_that_collapsed_finds_the_first_image(size, width, block):
    embeddings = np.repeat(_unit(np.random.RandomState(0).normal(size=[1, width])), size, axis=0)
    identities = np.arange(size) % 2
    # All are at distance 0: image 0 finds image 1 (of the other identity), all others find image 0.
    expected = 100.0 * (np.sum(identities == 0) - 1) / size
    assert rank1_retrieval(embeddings, identities, block=block) == pytest.approx((expected, size))


def test_copies_of_an_image_are_found():
    embeddings = _unit(np.random.RandomState(1).normal(size=[20, 128]))
    copies = np.concatenate([embeddings, embeddings])
    assert rank1_retrieval(copies, np.tile(np.arange(20), 2), block=8) == (100.0, 40)


def test_near_embeddings_are_told_apart():
    # Unit vectors 1e-4 and 2e-4 from the query: squared distances of 1e-8 and 4e-8 drown in the rounding of float32's 1.
    angles = np.array([0.0, 1e-4, -2e-4, 1.0, 1.0 + 2e-4, 1.0 - 1e-4])
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    identities = np.array([0, 0, 1, 1, 2, 1])
    assert rank1_retrieval(embeddings, identities) == pytest.approx(_reference(embeddings, identities))


def test_no_identity_has_two_images():
    with pytest.raises(InputError, match="retrieval needs an identity with two images; the 3 images are of as many identities"):
        rank1_retrieval(np.eye(3), np.array([5, 6, 7]))


def _neighbours(queries, gallery, excluded):
    """By plain NumPy over whole arrays of differences."""
    distances = np.sum((queries[:, np.newaxis].astype(np.float64) - gallery.astype(np.float64)) ** 2, axis=2)
    if excluded is not None:
        distances[np.arange(len(queries)), excluded] = np.inf
    return distances.argmin(axis=1)


@pytest.mark.parametrize("grid", [False, True])
@pytest.mark.parametrize("exclude", [False, True])
@pytest.mark.parametrize("block", [1, 2, 7, 30, 45, 1024])
def test_nearest_rows_equal_a_search(block, exclude, grid):
    random = np.random.default_rng(block)
    # On a grid of 27 points most distances are shared, within blocks and over their borders.
    gallery = random.integers(0, 3, [45, 3]) if grid else random.normal(size=[45, 3])
    queries = (random.integers(0, 3, [30, 3]) if grid else random.normal(size=[30, 3])).astype(np.float32)
    excluded = random.integers(0, 45, 30) if exclude else None
    np.testing.assert_array_equal(nearest_rows(queries, gallery, excluded=excluded, block=block), _neighbours(queries, gallery, excluded))


@pytest.mark.parametrize("block", [1, 3, 1024])
def test_of_rows_that_are_equal_but_for_rounding_the_first(block):
    # Squared distances 1 and up to 8e-13 more: all within the rounding of 1e-12 of the least, which is the last.
    gallery = np.sqrt(1 + np.linspace(8e-13, 0, 9))[:, np.newaxis]
    assert nearest_rows(np.zeros([2, 1]), gallery, block=block).tolist() == [0, 0]
    # From 16e-13 on, the first four are not.
    gallery = np.sqrt(1 + np.linspace(16e-13, 0, 9))[:, np.newaxis]
    assert nearest_rows(np.zeros([2, 1]), gallery, block=block).tolist() == [3, 3]


@pytest.mark.parametrize("block", [1, 2, 3, 4, 7])
def test_the_only_other_row_is_found_wherever_it_is(block):
    far = np.array([[0.0], [1e6]])
    assert nearest_rows(far, far, excluded=np.array([0, 1]), block=block).tolist() == [1, 0]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_embeddings_that_are_not_finite(bad):
    embeddings = np.ones([6, 2], np.float32)
    embeddings[4, 1] = bad
    with pytest.raises(InputError, match="the embedding of image 4 of 6 is not finite: it has no nearest other"):
        rank1_retrieval(embeddings, np.zeros(6, int), block=2)
    with pytest.raises(InputError, match="the embedding of image 4 of 6 is not finite"):
        nearest_rows(embeddings, np.ones([3, 2]), block=2)


LARGE = """
import resource, time
import numpy as np
from kd_tf.evaluation.retrieval import rank1_retrieval

embeddings = np.random.default_rng(0).standard_normal([100_000, 2048], np.float32)
identities = np.arange(100_000)
# Every second image of 1,000 is a neighbour of the one before it; the last ten of these are of other identities.
embeddings[1:1000:2] = embeddings[0:1000:2] + 0.1 * embeddings[1:1000:2]
identities[1:1000:2] = identities[0:1000:2]
identities[980:1000] = np.roll(identities[980:1000], 1)
started = time.monotonic()
score = rank1_retrieval(embeddings, identities)
print(score.rank1, score.queries, time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_a_hundred_thousand_wide_embeddings_fit_in_4_gib():
    done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True)
    rank1, queries, seconds, kibibytes = (float(value) for value in done.stdout.split())
    print(f"{seconds:.0f} s, {kibibytes / 2**20:.2f} GiB")
    assert (rank1, queries) == (98.0, 1000)
    # The promise is 4. The input takes 0.8, a float64 copy of it would take 1.5 more.
    assert kibibytes < 2 * 2**20
