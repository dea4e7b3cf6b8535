from types import SimpleNamespace

import numpy as np
import pytest

from kd_tf.teachers.admission.drawing import MOST_PAIRS_OF_A_PERSON, draw_pairs


def people_with(images):
    """A source of people with so many images each."""
    return SimpleNamespace(identities=np.repeat(np.arange(len(images)), images))


def draw(images, counts, *, seed=0):
    source = people_with(images)
    return draw_pairs(source, np.arange(len(source.identities)), counts, seed=seed)


def as_sets(pairs):
    return [frozenset(pair) for pair in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)]


def test_each_pair_is_of_whom_it_says_and_comes_once_in_all_groups():
    source = people_with([1, 2, 3, 4, 5, 9])
    groups = draw_pairs(source, np.arange(24), (10, 30), seed=3)
    drawn = [pair for group in groups for pair in as_sets(group)]
    assert len(set(drawn)) == len(drawn) and all(len(pair) == 2 for pair in drawn)
    for group in groups:
        same = source.identities[group.first] == source.identities[group.second]
        np.testing.assert_array_equal(group.same, same)
        np.testing.assert_array_equal(np.sort(group.people), np.sort(source.identities[[group.first, group.second]].T))
    assert groups[0].same.sum() == (~groups[0].same).sum() == 10


def test_a_person_has_all_its_pairs_and_no_more():
    """2 images make 1 pair, 3 make 3, 4 make 6 and 5 make 10; one makes none, and ten make 45, of which some are drawn."""
    (pairs,) = draw([1, 2, 3, 4, 5, 10], (1000,))
    of_one = pairs.people[pairs.same, 0]
    assert np.bincount(of_one, minlength=6).tolist() == [0, 1, 3, 6, 10, MOST_PAIRS_OF_A_PERSON]


def test_no_person_and_no_image_comes_before_its_turn():
    """60 pairs of each kind of 30 people with 8 images: each twice with itself, in 4 images, and 4 times beside others, in 4."""
    (pairs,) = draw([8] * 30, (60,))
    assert np.bincount(pairs.people[pairs.same, 0]).tolist() == [2] * 30
    assert np.bincount(pairs.people[~pairs.same].ravel()).tolist() == [4] * 30
    for kind in (pairs.same, ~pairs.same):
        assert np.bincount(np.concatenate([pairs.first[kind], pairs.second[kind]])).max() == 1


def test_few_of_many_images_do_not_come_from_the_one_who_has_most():
    (pairs,) = draw([500, *[2] * 30], (40,))
    assert np.bincount(pairs.people[pairs.same, 0]).tolist() == [10] + [1] * 30


def test_only_the_given_records_are_drawn():
    records = np.array([3, 4, 5, 10, 11, 13, 21, 22])
    (pairs,) = draw_pairs(people_with([6] * 4), records, (100,), seed=0)
    assert set(pairs.first) | set(pairs.second) == set(records.tolist())
    # Of one: 3 images of the first, 2 of the second, 1 of the third, 2 of the fourth person.
    assert pairs.same.sum() == 3 + 1 + 0 + 1 and not (pairs.first == pairs.second).any()


def test_pairs_are_a_function_of_the_seed():
    drawn = [as_sets(draw([6] * 20, (50,), seed=seed)[0]) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] and len(set(drawn[0]) & set(drawn[2])) < 30


@pytest.mark.parametrize(("images", "either"), [([1, 1, 1], 0), ([7], 0), ([], 0), ([2] * 5 + [1] * 200, 5), ([7, 7], 7)])
def test_as_many_pairs_of_either_kind(images, either):
    """Two people of seven images could have 40 pairs of one, and have seven of two before one comes twice."""
    (pairs,) = draw(images, (1000,))
    assert pairs.same.sum() == (~pairs.same).sum() == pairs.of_either_kind == either
    assert pairs.first.shape == pairs.second.shape == (2 * either,)


def test_words():
    (pairs,) = draw([8] * 30, (60,))
    assert pairs.words == "60 pairs of one person and 60 of two, of 30 people"
    assert pairs.people_in_pairs == pairs.people_with_pairs == 30
