import numpy as np
import pytest

from kd_tf.errors import InputError
from kd_tf.evaluation.retrieval import rank1_retrieval


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
