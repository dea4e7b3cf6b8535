import numpy as np
import pytest

from kd_tf.data.source import FileSource
from kd_tf.data.split import Split, train_and_test
from kd_tf.data.synthetic.source import SyntheticSource
from kd_tf.errors import InputError


def make_source(records, landmarks=None):
    return FileSource("folder:photos", "photos", [f"ann/{record}.jpg" for record in range(records)], ["ann"] * records, landmarks)


@pytest.mark.parametrize(("records", "test_records"), [(5, 1), (10, 2), (13, 3), (100, 20), (3229, 646)])
def test_four_fifths_and_the_rest(records, test_records):
    train, test = train_and_test(make_source(records), seed=1)
    assert len(test) == test_records
    np.testing.assert_array_equal(np.sort(np.concatenate([train.records, test.records])), np.arange(records))
    assert (np.diff(train.records) > 0).all() and (np.diff(test.records) > 0).all()


def test_the_seed_chooses_the_split():
    (train, test), (again, again_test) = (train_and_test(make_source(50), seed=1) for _ in range(2))
    np.testing.assert_array_equal(train.records, again.records)
    np.testing.assert_array_equal(test.records, again_test.records)
    assert not np.array_equal(test.records, train_and_test(make_source(50), seed=2)[1].records)


def test_the_split_stays_what_it_was():
    assert train_and_test(make_source(20), seed=1)[1].records.tolist() == [1, 8, 10, 16]


def test_too_few_records():
    with pytest.raises(InputError) as error:
        train_and_test(make_source(2), seed=1)
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
