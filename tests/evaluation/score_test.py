import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from kd_tf.evaluation.score import score_network
from tests.evaluation.grey_pictures import faces, grey_split

VIEW = ViewConfig(image_size=28)
# In the crop of 28 from a canvas of 32: what `faces(0.5)` becomes.
CENTRED_FACE = (32 * faces(0.5)[0] - 2) / 28


def _dense(units, kernel, bias, name):
    values = tf.keras.initializers.Constant(kernel), tf.keras.initializers.Constant(bias)
    return tf.keras.layers.Dense(units, kernel_initializer=values[0], bias_initializer=values[1], name=name)


def make_grey_network(identities: int = 2, without: tuple[str, ...] = ()) -> tf.keras.Model:
    """K and the embedding are the mean level; identity 1 is said above 100, and always the landmarks of `faces(0.5)`."""
    images = tf.keras.Input([28, 28, 3])
    hidden = _dense(1, [[1 / 3]] * 3, [0.0], "level")(tf.keras.layers.GlobalAveragePooling2D()(images))
    logits = _dense(identities, [[0.0, 1.0] + [0.0] * (identities - 2)], [100.0, 0.0] + [-1e6] * (identities - 2), "logits")(hidden)
    coordinates = _dense(10, np.zeros([1, 10]).tolist(), CENTRED_FACE.reshape(-1).tolist(), "coordinates")(hidden)
    outputs = {"hidden": hidden, "embedding": hidden, "logits": logits, "landmarks": tf.keras.layers.Reshape((5, 2))(coordinates)}
    return tf.keras.Model(images, {key: value for key, value in outputs.items() if key not in without}, name="grey_network")


def test_classification():
    # Levels above 100 are called 1: wrong for the third only.
    split = grey_split([10, 150, 90, 20], [0, 1, 1, 0])
    assert score_network(make_grey_network(), split, VIEW, ("classification",), batch_size=3) == {"top1": 75.0, "top5": 100.0}


def test_top_five():
    # From the third on logits are equally low, so that the lower label is before: identity 4 is the fifth, 5 the sixth.
    split = grey_split([10, 150, 90, 20], [0, 4, 5, 6])
    assert score_network(make_grey_network(identities=7), split, VIEW, ("classification",)) == {"top1": 25.0, "top5": 50.0}


def test_retrieval():
    # Nearest others: 10 to 20 (right), 150 to 90 (right), 90 to 150 (right), 20 to 10 (right), 85 is alone in its identity but nearest
    # to 90: (wrong). Four queries.
    split = grey_split([10, 150, 90, 20, 85], [0, 1, 1, 0, 2])
    assert score_network(make_grey_network(identities=3), split, VIEW, ("retrieval",)) == {"rank1": 75.0, "queries": 4}


def test_landmarks_of_the_records_that_have_them():
    landmarks = faces(0.5, 0.75, 0.1)
    landmarks[2] = np.nan
    split = grey_split([10, 20, 30], [0, 0, 0], landmarks)
    # Errors 0 and 0.25 / 5 points / 0.5 between the eyes = 10%.
    scores = score_network(make_grey_network(), split, VIEW, ("landmarks",))
    assert scores["nrmse"] == pytest.approx(5.0, abs=1e-4)
    # Of the square up to 10%: all of it, and nothing.
    assert scores["ced_area"] == pytest.approx(50.0, abs=1e-3)
    # Of one person nothing says how others would do.
    assert "nrmse_standard_error" not in scores


def test_several_protocols():
    split = grey_split([10, 150, 90, 20], [0, 1, 1, 0], faces(0.5, 0.5, 0.5, 1.0))
    scores = score_network(make_grey_network(), split, VIEW, ("classification", "landmarks", "retrieval"))
    # The last nose is off by 0.5: 0.5 / 5 / 0.5 = 20% in one of four images. Each person is 10 in sum from the mean: 2 * 200 / 16 = 25.
    landmark_scores = {"nrmse": 5.0, "failure_rate": 25.0, "ced_area": 75.0, "nrmse_standard_error": 5.0}
    expected = {"top1": 75.0, "top5": 100.0, "rank1": 100.0, "queries": 4} | landmark_scores
    assert scores == pytest.approx(expected, abs=1e-4)


def test_unknown_protocol():
    with pytest.raises(InputError, match="--protocol=speed is unknown; known: classification, landmarks, retrieval"):
        score_network(make_grey_network(), grey_split([1], [0]), VIEW, ("speed",))


@pytest.mark.parametrize(("protocol", "output"), [("classification", "logits"), ("landmarks", "landmarks"), ("retrieval", "embedding")])
def test_missing_output(protocol, output):
    with pytest.raises(InputError, match=f"'grey_network', scored under --protocol={protocol}, lacks the output '{output}'"):
        score_network(make_grey_network(without=(output,)), grey_split([1, 2], [0, 1]), VIEW, (protocol,))


def test_other_identities():
    with pytest.raises(InputError, match="the model 'grey_network' knows 2 identities, grey has 3"):
        score_network(make_grey_network(), grey_split([1, 2, 3], [0, 1, 2]), VIEW, ("classification",))


def test_a_split_without_landmarks():
    with pytest.raises(InputError, match="grey has no landmarks"):
        score_network(make_grey_network(), grey_split([1, 2], [0, 1]), VIEW, ("landmarks",))


@pytest.mark.parametrize("protocol", ["classification", "retrieval"])
def test_images_without_labels(monkeypatch, protocol):
    split = grey_split([1, 2], [0, 1])
    monkeypatch.setattr(split.source, "labelled", False)
    with pytest.raises(InputError, match=f"^grey has no labels, which --protocol={protocol} needs: give --data that has them; "):
        score_network(make_grey_network(), split, VIEW, (protocol,))


def test_strangers_cannot_be_classified():
    split = grey_split([1, 2, 3], [0, 1, 2])
    split = dataclasses.replace(split, classes=2)
    with pytest.raises(InputError, match="trained on; identities of grey that were not: 1, first grey_2; use --protocol=retrieval"):
        score_network(make_grey_network(), split, VIEW, ("classification",))
    known = dataclasses.replace(split, records=split.records[:2])
    assert score_network(make_grey_network(), known, VIEW, ("classification",))["top1"] == 50.0
