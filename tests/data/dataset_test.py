import numpy as np
import pytest

from kd_tf.data.dataset import open_data, prepare_data
from kd_tf.data.pipeline import evaluation_batches, training_batches
from kd_tf.data.sources import SourceConfig
from kd_tf.data.split import SplitConfig
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from tests.images import write_people, write_text

VIEW = ViewConfig(image_size=16)
FACES = SourceConfig(identities=10, pictures=3, picture_size=24)


@pytest.mark.parametrize("config", [SplitConfig(split_seed=3), SplitConfig("identity_disjoint"), SplitConfig(validation=True)])
def test_data_is_opened_as_it_is_to_be_split(config):
    data = open_data(FACES, VIEW, config)
    share = 0.2 * (0.8 if config.validation else 1)
    assert len(data.test) == pytest.approx(30 * share, abs=1)
    assert data.test.has_strangers == (config.split == "identity_disjoint")
    again = open_data(FACES, VIEW, SplitConfig(config.split, config.split_seed + 1, config.validation))
    assert data.test.records.tolist() != again.test.records.tolist()


def test_a_data_set_without_an_official_split_is_refused():
    with pytest.raises(InputError, match="comes with no official split; use --split=random or identity_disjoint"):
        open_data(FACES, VIEW, SplitConfig("official"))


def _identities(batches):
    return np.concatenate([targets["identity"] for _, targets in batches.as_numpy_iterator()])


@pytest.mark.parametrize("cached", [False, True])
def test_batches_carry_the_labels_of_the_split(tmp_path, cached):
    """With and without a cache: it knows the source's identities only."""
    data = prepare_data(open_data(FACES, VIEW, SplitConfig("identity_disjoint")), str(tmp_path / "cache") if cached else None)
    assert data.train.classes == 8
    trained = _identities(training_batches(data.train, lambda position: (position, 0 * position), data.view, batch_size=8, steps=3))
    np.testing.assert_array_equal(trained, data.train.identities)
    np.testing.assert_array_equal(trained, np.repeat(np.arange(8), 3))
    tested = _identities(evaluation_batches(data.test, data.view, batch_size=4))
    np.testing.assert_array_equal(tested, data.test.identities)
    np.testing.assert_array_equal(tested, np.repeat([8, 9], 3))


def test_every_image_is_looked_at_before_the_start(tmp_path):
    root = write_people(tmp_path / "photos", {f"person{person}": 2 for person in range(5)})
    data = open_data(SourceConfig(f"folder:{root}"), VIEW)
    broken = write_text(root / data.train.source.paths[data.train.records[0]], "no image")
    with pytest.raises(InputError, match=f"^{broken} is not an image that can be decoded: "):
        prepare_data(data, None)
