"""Pairs of images of one person and of two, drawn so that neither a person nor an image counts much more than another."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from kd_tf.data.source import Source

# Of one person, and twice as often beside another.
MOST_PAIRS_OF_A_PERSON = 20


class LabelledPairs(NamedTuple):
    """Pair `i` is the images of the records `first[i]` and `second[i]`; as many are of one person as of two.

    Attributes:
      first: int64 `[pairs]`.
      second: int64 `[pairs]`.
      people: int64 `[pairs, 2]`, whose they are, as numbers from 0.
    """

    first: np.ndarray
    second: np.ndarray
    people: np.ndarray

    @property
    def same(self) -> np.ndarray:
        """Whether both images show one person, bool `[pairs]`."""
        return self.people[:, 0] == self.people[:, 1]

    @property
    def people_in_pairs(self) -> int:
        """How many people there are."""
        return len(np.unique(self.people))

    @property
    def people_with_pairs(self) -> int:
        """How many of them have a pair of their own."""
        return len(np.unique(self.people[self.same]))

    @property
    def of_either_kind(self) -> int:
        """How many pairs of one person there are, and as many of two."""
        return int(self.same.sum())

    @property
    def words(self) -> str:
        """How many they are."""
        return f"{self.of_either_kind:,} pairs of one person and {self.of_either_kind:,} of two, of {self.people_in_pairs:,} people"


def draw_pairs(source: Source, records: np.ndarray, counts: tuple[int, ...], *, seed: int) -> list[LabelledPairs]:
    """Draws pairs, a pure function of the arguments.

    People come in turns, each with one pair of its own (where it has images enough) and one with the next in a circle of people, which is
    shuffled in each turn. The images of a person come in turns likewise. No pair comes twice.

    Args:
      source: says whose the images are.
      records: int `[n]`, the images to draw from.
      counts: how many pairs of one person, and as many of two, each group of them is to have; the later ones get what is left.
      seed: chooses.

    Returns:
      A group of pairs for each of `counts`; fewer, or none, where there are no more of either kind.
    """
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))
    images = _images_of_people(source.identities[records], random)
    same = _dealt(_pairs_of_one(images, random), counts)
    different = _dealt(_pairs_of_two(images, random), counts)
    return [_labelled(records, *_as_many(of_one, of_two)) for of_one, of_two in zip(same, different, strict=True)]


def _images_of_people(identities: np.ndarray, random: np.random.Generator) -> list[np.ndarray]:
    """The places of each person's images, shuffled."""
    order = random.permutation(len(identities))
    order = order[np.argsort(identities[order], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(identities[order])) + 1)


# Each pair is (place, place, person, person).
_Pair = tuple[int, int, int, int]


def _pairs_of_one(images: list[np.ndarray], random: np.random.Generator) -> Iterator[_Pair]:
    """A turn gives each person's next pair; the people are shuffled once."""

    def of(person: int) -> Iterator[_Pair]:
        return ((*pair, person, person) for pair in itertools.islice(_rounds(images[person]), MOST_PAIRS_OF_A_PERSON))

    for turn in itertools.zip_longest(*map(of, random.permutation(len(images)).tolist())):
        yield from (pair for pair in turn if pair)


def _rounds(images: np.ndarray) -> Iterator[tuple[int, int]]:
    """All pairs of some images as a tournament has them: each image once in each round."""
    # Who meets the one too many sits the round out.
    last = len(images) - 1 + len(images) % 2
    for turn in range(last):
        if last < len(images):
            yield int(images[last]), int(images[turn])
        for gap in range(1, (last + 1) // 2):
            yield int(images[(turn + gap) % last]), int(images[(turn - gap) % last])


def _pairs_of_two(images: list[np.ndarray], random: np.random.Generator) -> Iterator[_Pair]:
    """A turn gives each person's next image with the next image of the person beside it in a circle."""
    seen, shown = set(), np.zeros(len(images), int)
    for _ in range(MOST_PAIRS_OF_A_PERSON if len(images) > 1 else 0):
        circle = random.permutation(len(images))
        for people in zip(circle.tolist(), np.roll(circle, -1).tolist(), strict=True):
            places = [int(images[person][shown[person] % len(images[person])]) for person in people]
            shown[list(people)] += 1
            if frozenset(places) not in seen:
                seen.add(frozenset(places))
                yield (*places, *people)


def _dealt(pairs: Iterator[_Pair], counts: tuple[int, ...]) -> list[list[_Pair]]:
    return [list(itertools.islice(pairs, count)) for count in counts]


def _as_many(of_one: list[_Pair], of_two: list[_Pair]) -> tuple[list[_Pair], list[_Pair]]:
    """Of either kind: were most pairs of one kind, who said it of all would be right most of the time."""
    fewer = min(len(of_one), len(of_two))
    return of_one[:fewer], of_two[:fewer]


def _labelled(records: np.ndarray, of_one: list[_Pair], of_two: list[_Pair]) -> LabelledPairs:
    columns = np.array(of_one + of_two, np.int64).reshape(-1, 4)
    return LabelledPairs(records[columns[:, 0]], records[columns[:, 1]], columns[:, 2:])
