"""Which records are for training and which for testing, and which identities a classifier of the first tells apart."""

import dataclasses
from collections.abc import Callable

import numpy as np

from kd_tf.data.folds import in_test_folds
from kd_tf.data.source import Source
from kd_tf.errors import InputError

TEST_SHARE = 0.2


@dataclasses.dataclass(frozen=True)
class SplitConfig:
    """How a data set is divided.

    Attributes:
      split: `random`, the paper's: a fifth of the images, of the same people, is for testing. `identity_disjoint`: a fifth of the
        identities. `official`: the division that comes with the data set.
      split_seed: chooses what is for testing (`random`, `identity_disjoint`), and what is for validation.
      validation: leaves the test records alone: a fifth of the training records, divided off in the same way, is scored instead.
      test_folds: the folds, from 1, whose people are for testing (`official`, of a data set that has folds of people); None: as the data
        set says, for LFW the last.
    """

    split: str = "random"
    split_seed: int = 0
    validation: bool = False
    test_folds: tuple[int, ...] | None = None

    def __post_init__(self):
        if self.split not in SPLITS:
            raise InputError(f"--split={self.split} is unknown; known: {', '.join(SPLITS)}")
        if self.test_folds and self.split != "official":
            given = ",".join(map(str, self.test_folds))
            raise InputError(f"--test_folds={given} needs --split=official, found --split={self.split}")


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Some records of a source, in ascending order.

    Attributes:
      source: where they are.
      records: int64 `[n]`, indices into the source.
      labels: int32 `[source identities]`, the label of each identity of the source; None: its own number.
      classes: how many identities a classifier tells apart: those with labels below it. The others are strangers to it, and only
        ever tested. None: all.
      class_names: of those labels, where a classifier knows people that the source lacks; else empty.
    """

    source: Source
    records: np.ndarray
    labels: np.ndarray | None = None
    classes: int | None = None
    class_names: tuple[str, ...] = ()

    def __post_init__(self):
        if self.labels is None:
            object.__setattr__(self, "labels", np.arange(len(self.source.identity_names), dtype=np.int32))
        if self.classes is None:
            object.__setattr__(self, "classes", len(self.source.identity_names))

    def __len__(self) -> int:
        return len(self.records)

    @property
    def identities(self) -> np.ndarray:
        """Labels, int32 `[n]`."""
        return self.labels[self.source.identities[self.records]]

    @property
    def identity_names(self) -> list[str]:
        """The name of each label."""
        names = np.full(max(len(self.class_names), self.labels.max() + 1), "", object)
        names[: len(self.class_names)] = self.class_names
        names[self.labels] = self.source.identity_names
        return names.tolist()

    @property
    def has_strangers(self) -> bool:
        """Whether some record is of an identity that no classifier of this split knows."""
        return bool((self.identities >= self.classes).any())

    @property
    def people(self) -> str:
        """How many identities there are to train on, in words."""
        return f"{self.classes:,} identities" if self.source.labelled else "unknown people"

    @property
    def landmarks(self) -> np.ndarray:
        """float32 `[n, 5, 2]`.

        Raises:
          InputError: the source has none.
        """
        if self.source.landmarks is None:
            raise InputError(f"{self.source.name} has no landmarks, which --task=alignment needs")
        return self.source.landmarks[self.records]

    def with_landmarks(self) -> "Split":
        """Those records whose landmarks are known."""
        known = np.isfinite(self.landmarks).all(axis=(1, 2))
        if not known.any():
            raise InputError(f"{self.source.name}: no record of the split has landmarks")
        return dataclasses.replace(self, records=self.records[known])


def train_and_test(source: Source, config: SplitConfig) -> tuple[Split, Split]:
    """The records to train on and those to score.

    Raises:
      InputError: there are too few records or identities, or the data set has no official division.
    """
    records = np.arange(len(source))
    train, test = _divide(source, records, config)
    if config.validation:
        # Held out of the training records as the test records were; an official division has no rule for that.
        train, test = _divide(source, train, dataclasses.replace(config, split=_VALIDATION[config.split], test_folds=None))
    labels, classes = _labels(source, train, config)
    return Split(source, train, labels, classes), Split(source, test, labels, classes)


def _divide(source: Source, records: np.ndarray, config: SplitConfig) -> tuple[np.ndarray, np.ndarray]:
    for_testing = SPLITS[config.split](source, records, config)
    return records[~for_testing], records[for_testing]


def _random(source: Source, records: np.ndarray, config: SplitConfig) -> np.ndarray:
    """The paper's: a random fifth of the images."""
    return _chosen(len(records), config.split_seed, f"{source.name} has {len(records)} images: too few for a split into training and test")


def _identity_disjoint(source: Source, records: np.ndarray, config: SplitConfig) -> np.ndarray:
    """All images of a random fifth of the identities."""
    identities, inverse = np.unique(source.identities[records], return_inverse=True)
    message = f"{source.name} has {len(identities)} identities: too few for --split=identity_disjoint"
    return _chosen(len(identities), config.split_seed, message)[inverse]


def _official(source: Source, records: np.ndarray, config: SplitConfig) -> np.ndarray:
    if config.test_folds:
        return in_test_folds(source.folds, config.test_folds, source.name)[records]
    for_testing = source.official_test
    if for_testing is None:
        raise InputError(f"{source.name} comes with no official split; use --split=random or identity_disjoint")
    if for_testing[records].all() or not for_testing[records].any():
        raise InputError(f"{source.name}: the official split leaves no images for training or none for testing")
    return for_testing[records]


SPLITS: dict[str, Callable[[Source, np.ndarray, SplitConfig], np.ndarray]] = {
    "random": _random,
    "official": _official,
    "identity_disjoint": _identity_disjoint,
}
PAPER_SPLIT = SplitConfig()
_VALIDATION = {"random": "random", "official": "identity_disjoint", "identity_disjoint": "identity_disjoint"}


def _chosen(count: int, seed: int, too_few: str) -> np.ndarray:
    """A random fifth of `count`, bool `[count]`."""
    if count < 5:
        raise InputError(too_few)
    shuffled = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed))).permutation(count)
    return np.isin(np.arange(count), shuffled[: round(count * TEST_SHARE)])


def _labels(source: Source, train: np.ndarray, config: SplitConfig) -> tuple[np.ndarray, int]:
    """Labels and their number: those of the source where all may be met in training, else the identities to train on first."""
    identities = len(source.identity_names)
    if config.split == "random":
        return np.arange(identities, dtype=np.int32), identities
    known = np.zeros(identities, bool)
    known[source.identities[train]] = True
    labels = np.empty(identities, np.int32)
    labels[np.argsort(~known, kind="stable")] = np.arange(identities, dtype=np.int32)
    return labels, int(known.sum())
