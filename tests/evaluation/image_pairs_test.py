import numpy as np
import pytest

from kd_tf.evaluation import image_pairs
from kd_tf.evaluation.image_pairs import ImagePairs, first_pairs

IDENTITIES = np.array([0, 1, 0, 1, 2, 0])


def as_set(pairs):
    return {(int(first), int(second)) for first, second in zip(pairs.first, pairs.second, strict=True)}


def test_all_pairs_each_once():
    pairs = ImagePairs.of(IDENTITIES)
    assert len(pairs.first) == len(as_set(pairs)) == pairs.total == 15
    assert as_set(pairs) == {(first, second) for second in range(6) for first in range(second)}
    same = {(int(first), int(second)) for first, second in zip(pairs.first[pairs.same], pairs.second[pairs.same], strict=True)}
    assert same == {(0, 2), (0, 5), (2, 5), (1, 3)}
    assert pairs.words == "4 pairs of one person and 11 of two"


def test_of_too_many_a_sample_that_is_always_the_same():
    identities = np.arange(300) % 60
    pairs = ImagePairs.of(identities, limit=2000)
    assert pairs.total == 300 * 299 // 2
    # 60 people of 5 images: all their pairs, and no more than half of the limit of others.
    assert pairs.same.sum() == 60 * 10
    assert 900 < (~pairs.same).sum() <= 1000
    assert len(as_set(pairs)) == len(pairs.first)
    np.testing.assert_array_equal(pairs.same, identities[pairs.first] == identities[pairs.second])
    assert as_set(ImagePairs.of(identities, limit=2000)) == as_set(pairs)
    assert pairs.words.startswith("600 pairs of one person and ") and pairs.words.endswith(" of two, a sample of 44,850")


def test_of_too_many_pairs_of_one_person_half_of_the_limit():
    pairs = ImagePairs.of(np.arange(100) % 2, limit=400)
    assert pairs.same.sum() == 200
    assert len(as_set(pairs)) == len(pairs.first)


def test_a_sample_leaves_accept_rates_as_they_are():
    """Distances of a sample are spread as those of all pairs."""
    identities = np.arange(400) % 80
    embeddings = np.random.default_rng(1).normal(size=[400, 3])
    all_pairs, sample = ImagePairs.of(identities), ImagePairs.of(identities, limit=20_000)
    for kind in (True, False):
        medians = [np.median(pairs.distances(embeddings)[pairs.same == kind]) for pairs in (all_pairs, sample)]
        assert medians[1] == pytest.approx(medians[0], rel=0.05)


def test_distances_are_of_unit_vectors_whatever_the_block(monkeypatch):
    embeddings = np.array([[2.0, 0], [0, 3], [1, 0], [-1, 0], [1, 1], [4, 0]])
    pairs = ImagePairs.of(IDENTITIES)
    expected = {(0, 2): 0, (0, 1): 2, (0, 3): 4, (0, 4): 2 - np.sqrt(2), (0, 5): 0}
    whole = pairs.distances(embeddings)
    found = {pair: whole[place] for place, pair in enumerate(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))}
    for pair, distance in expected.items():
        assert found[pair] == pytest.approx(distance, abs=1e-12)
    monkeypatch.setattr(image_pairs, "BLOCK", 4)
    np.testing.assert_array_equal(pairs.distances(embeddings), whole)


def test_the_first_pairs_have_no_image_twice():
    pairs = ImagePairs.of(IDENTITIES)
    order = [(0, 2), (2, 5), (1, 3), (0, 5)]
    key = np.full(15, 9.0)
    for place, pair in enumerate(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)):
        key[place] = order.index(pair) if pair in order else -1
    found = first_pairs(pairs, pairs.same, key, 6)
    assert [(pairs.first[place], pairs.second[place]) for place in found] == [(0, 2), (1, 3)]
    assert first_pairs(pairs, pairs.same, key, 1) == found[:1]
