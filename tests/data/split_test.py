import numpy as np
import pytest

from kd_tf.data.source import FileSource
from kd_tf.data.split import Split, SplitConfig, train_and_test
from kd_tf.data.synthetic.source import SyntheticSource
from kd_tf.errors import InputError


def make_source(records, landmarks=None):
    return FileSource("folder:photos", "photos", [f"ann/{record}.jpg" for record in range(records)], ["ann"] * records, landmarks)


@pytest.mark.parametrize(("records", "test_records"), [(5, 1), (10, 2), (13, 3), (100, 20), (3229, 646)])
def test_four_fifths_and_the_rest(records, test_records):
    train, test = train_and_test(make_source(records), SplitConfig(split_seed=1))
    assert len(test) == test_records
    np.testing.assert_array_equal(np.sort(np.concatenate([train.records, test.records])), np.arange(records))
    assert (np.diff(train.records) > 0).all() and (np.diff(test.records) > 0).all()


def test_the_seed_chooses_the_split():
    (train, test), (again, again_test) = (train_and_test(make_source(50), SplitConfig(split_seed=1)) for _ in range(2))
    np.testing.assert_array_equal(train.records, again.records)
    np.testing.assert_array_equal(test.records, again_test.records)
    assert not np.array_equal(test.records, train_and_test(make_source(50), SplitConfig(split_seed=2))[1].records)


def test_the_split_stays_what_it_was():
    assert train_and_test(make_source(20), SplitConfig(split_seed=1))[1].records.tolist() == [1, 8, 10, 16]


def test_too_few_records():
    with pytest.raises(InputError) as error:
        train_and_test(make_source(2), SplitConfig(split_seed=1))
    assert str(error.value) == "folder:photos has 2 images: too few for a split into training and test"


def test_identities_and_landmarks_are_those_of_the_records():
    source = SyntheticSource(identities=3, pictures=2)
    split = Split(source, np.array([1, 4]))
    assert split.identities.tolist() == [0, 2]
    np.testing.assert_array_equal(split.landmarks, source.landmarks[[1, 4]])


def test_with_landmarks_drops_records_without():
    """One has no landmarks at all, one lacks a single number."""
    landmarks = np.arange(40, dtype=np.float32).reshape(4, 5, 2)
    landmarks[1] = np.nan
    landmarks[3, 2, 1] = np.nan
    assert Split(make_source(4, landmarks), np.array([0, 1, 2, 3])).with_landmarks().records.tolist() == [0, 2]
    assert Split(make_source(4, landmarks), np.array([1, 2])).with_landmarks().records.tolist() == [2]


def test_no_record_has_landmarks():
    split = Split(make_source(2, np.full([2, 5, 2], np.nan, np.float32)), np.array([0, 1]))
    with pytest.raises(InputError) as error:
        split.with_landmarks()
    assert str(error.value) == "folder:photos: no record of the split has landmarks"


def test_a_source_without_landmarks():
    with pytest.raises(InputError) as error:
        Split(make_source(2), np.array([0, 1])).with_landmarks()
    assert str(error.value) == "folder:photos has no landmarks, which --task=alignment needs"


def make_people(counts, official_test=None, folds=None):
    """`counts[i]` images of person `i`, one person after the other."""
    labels = [f"person{person:02d}" for person, count in enumerate(counts) for _ in range(count)]
    paths = [f"{label}/{record}.jpg" for record, label in enumerate(labels)]
    return FileSource("folder:photos", "photos", paths, labels, official_test=official_test, folds=folds)


def people_of(split):
    """The source's own numbers of the people in a split."""
    return set(split.source.identities[split.records].tolist())


COUNTS = [3, 1, 4, 2, 5, 1, 2, 6, 3, 2, 4, 1]
# Four folds of three people each.
FOLDS = np.repeat(np.arange(12) // 3, COUNTS)
# Persons 0, 4 and 11 are for testing, and one of the four images of person 2.
OFFICIAL = np.isin(np.repeat(np.arange(12), COUNTS), [0, 4, 11]) | (np.arange(34) == 5)


def splits_and_sources():
    return [("random", None), ("identity_disjoint", None), ("official", OFFICIAL)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("people", [5, 12, 40])
def test_identity_disjoint_keeps_a_fifth_of_the_people_apart(people, seed):
    source = make_people([1 + person % 4 for person in range(people)])
    train, test = train_and_test(source, SplitConfig("identity_disjoint", split_seed=seed))
    assert people_of(train) & people_of(test) == set()
    assert len(people_of(test)) == round(people / 5)
    np.testing.assert_array_equal(np.sort(np.concatenate([train.records, test.records])), np.arange(len(source)))
    assert (np.diff(train.records) > 0).all() and (np.diff(test.records) > 0).all()


def test_the_seed_chooses_the_people_who_are_kept_apart():
    source = make_people(COUNTS)
    kept = [people_of(train_and_test(source, SplitConfig("identity_disjoint", split_seed=seed))[1]) for seed in (0, 0, 1, 2, 3)]
    assert kept[0] == kept[1]
    assert len({frozenset(people) for people in kept}) > 2


def test_the_people_kept_apart_stay_who_they_were():
    assert people_of(train_and_test(make_people([2] * 20), SplitConfig("identity_disjoint", split_seed=1))[1]) == {1, 8, 10, 16}


@pytest.mark.parametrize("validation", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_labels_of_the_people_trained_on_have_no_gaps(seed, validation):
    source = make_people(COUNTS)
    train, test = train_and_test(source, SplitConfig("identity_disjoint", split_seed=seed, validation=validation))
    # Two of twelve people are for testing, then two of ten for validation.
    assert train.classes == test.classes == (8 if validation else 10) == len(people_of(train))
    assert np.unique(train.identities).tolist() == list(range(train.classes))
    assert test.identities.min() >= test.classes
    assert (train.has_strangers, test.has_strangers) == (False, True)
    # Every person of the source has a label of their own, in training in the source's order.
    assert sorted(train.labels.tolist()) == list(range(12))
    assert (np.diff(train.labels[sorted(people_of(train))]) > 0).all()
    np.testing.assert_array_equal(train.labels, test.labels)


@pytest.mark.parametrize(("split", "official_test"), splits_and_sources())
def test_names_are_those_of_the_labels(split, official_test):
    source = make_people(COUNTS, official_test)
    for part in train_and_test(source, SplitConfig(split)):
        names = [part.identity_names[label] for label in part.identities]
        assert names == [source.paths[record].split("/")[0] for record in part.records]


def test_names_of_a_classifier_that_knows_other_people():
    """It knows bob, dan and ann, in that order; cat is a stranger to it, and dan has no image."""
    source = FileSource("folder:photos", "photos", ["ann/1.jpg", "bob/1.jpg", "cat/1.jpg"], ["ann", "bob", "cat"])
    labels = np.array([2, 0, 3], np.int32)
    split = Split(source, np.array([0, 1]), labels, classes=3, class_names=("bob", "dan", "ann"))
    assert split.identity_names == ["bob", "dan", "ann", "cat"]
    assert split.identities.tolist() == [2, 0] and not split.has_strangers
    assert Split(source, np.array([2]), labels, 3, ("bob", "dan", "ann")).has_strangers
    # Without cat, and without the people of the last labels.
    few = FileSource("folder:photos", "photos", ["bob/1.jpg"], ["bob"])
    assert Split(few, np.array([0]), np.array([0], np.int32), 3, ("bob", "dan", "ann")).identity_names == ["bob", "dan", "ann"]


def test_random_splits_keep_the_sources_labels_even_where_one_is_only_tested():
    source = make_people(COUNTS)
    train, test = train_and_test(source, SplitConfig())
    assert people_of(test) - people_of(train)
    assert train.labels.tolist() == test.labels.tolist() == list(range(12))
    assert train.classes == test.classes == 12 and not test.has_strangers


def test_the_official_split_is_what_the_data_set_says():
    train, test = train_and_test(make_people(COUNTS, OFFICIAL), SplitConfig("official", split_seed=7))
    np.testing.assert_array_equal(test.records, np.flatnonzero(OFFICIAL))
    np.testing.assert_array_equal(train.records, np.flatnonzero(~OFFICIAL))
    # Nine people are trained on. Of those tested, person 2 is one of them; 0, 4 and 11 come after them.
    assert train.classes == 9 and test.has_strangers
    assert train.labels.tolist() == [9, 0, 1, 2, 10, 3, 4, 5, 6, 7, 8, 11]
    assert test.identities.tolist() == [9] * 3 + [1] + [10] * 5 + [11]


def test_the_people_of_the_test_folds_are_kept_apart():
    # What the data set itself keeps for testing has no say.
    train, test = train_and_test(make_people(COUNTS, OFFICIAL, FOLDS), SplitConfig("official", test_folds=(2, 4)))
    assert people_of(test) == {3, 4, 5, 9, 10, 11}
    assert people_of(train) == {0, 1, 2, 6, 7, 8}
    np.testing.assert_array_equal(np.sort(np.concatenate([train.records, test.records])), np.arange(34))
    assert train.classes == 6 and train.labels.tolist() == [0, 1, 2, 6, 7, 8, 3, 4, 5, 9, 10, 11]


def test_validation_beside_test_folds():
    source = make_people(COUNTS, None, FOLDS)
    train, validation = train_and_test(source, SplitConfig("official", validation=True, test_folds=(2, 4)))
    # A fifth of six people is one.
    assert len(people_of(validation)) == 1
    assert people_of(train) | people_of(validation) == {0, 1, 2, 6, 7, 8}
    assert not people_of(train) & people_of(validation)


@pytest.mark.parametrize(("split", "official_test"), splits_and_sources())
@pytest.mark.parametrize("seed", range(3))
def test_validation_records_are_training_records_and_the_test_records_are_left_alone(split, official_test, seed):
    source = make_people(COUNTS, official_test)
    train, test = train_and_test(source, SplitConfig(split, seed))
    part, validation = train_and_test(source, SplitConfig(split, seed, validation=True))
    assert len(part) > 0 and len(validation) > 0
    assert not set(validation.records) & set(part.records)
    np.testing.assert_array_equal(np.sort(np.concatenate([part.records, validation.records])), train.records)
    assert not (set(validation.records) | set(part.records)) & set(test.records)
    if split == "random":
        assert len(validation) == round(len(train) / 5)
    else:
        assert people_of(part) & people_of(validation) == set()
        assert len(people_of(validation)) == round(len(people_of(train)) / 5)
        assert part.classes == len(people_of(part)) and np.unique(part.identities).tolist() == list(range(part.classes))


@pytest.mark.parametrize(
    ("source", "config", "message"),
    [
        (
            make_people([9, 1, 1, 1]),
            SplitConfig("identity_disjoint"),
            "folder:photos has 4 identities: too few for --split=identity_disjoint",
        ),
        (
            make_people([2] * 5),
            SplitConfig("identity_disjoint", validation=True),
            "folder:photos has 4 identities: too few for --split=identity_disjoint",
        ),
        (
            make_people(COUNTS),
            SplitConfig("official"),
            "folder:photos comes with no official split; use --split=random or identity_disjoint",
        ),
        (
            make_people([3, 3], np.zeros(6, bool)),
            SplitConfig("official"),
            "folder:photos: the official split leaves no images for training or none for testing",
        ),
        (
            make_people([3, 3], np.ones(6, bool)),
            SplitConfig("official"),
            "folder:photos: the official split leaves no images for training or none for testing",
        ),
        (
            make_people(COUNTS, OFFICIAL),
            SplitConfig("official", test_folds=(1,)),
            "--test_folds=1: folder:photos has no folds of people; lfw:PATH with people.txt has some, and packs that are made of it have",
        ),
        (
            make_people(COUNTS, OFFICIAL, FOLDS),
            SplitConfig("official", test_folds=(2, 5)),
            "--test_folds=2,5: folder:photos has nobody in fold 5; there are folds 1, 2, 3, 4",
        ),
        (
            make_people(COUNTS, OFFICIAL, FOLDS),
            SplitConfig("official", test_folds=(1, 2, 3, 4)),
            "--test_folds=1,2,3,4: folder:photos has no other fold",
        ),
    ],
)
def test_splits_that_cannot_be(source, config, message):
    with pytest.raises(InputError) as error:
        train_and_test(source, config)
    assert str(error.value) == message


def test_an_unknown_split():
    with pytest.raises(InputError, match="--split=fair is unknown; known: random, official, identity_disjoint"):
        SplitConfig("fair")


@pytest.mark.parametrize("split", ["random", "identity_disjoint"])
def test_test_folds_of_another_split(split):
    with pytest.raises(InputError) as error:
        SplitConfig(split, test_folds=(7, 8))
    assert str(error.value) == f"--test_folds=7,8 needs --split=official, found --split={split}"


def test_with_landmarks_keeps_labels_and_classes():
    landmarks = np.zeros([34, 5, 2], np.float32)
    landmarks[::2] = np.nan
    source = make_people(COUNTS)
    source.landmarks = landmarks
    train, _ = train_and_test(source, SplitConfig("identity_disjoint"))
    known = train.with_landmarks()
    assert known.records.tolist() == [record for record in train.records if record % 2]
    assert known.classes == train.classes and known.labels.tolist() == train.labels.tolist()
