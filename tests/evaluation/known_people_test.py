"""A run is scored on people by their names: in whatever order and company they come, and not on people that it does not know."""

import dataclasses

import cv2
import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.dataset import open_data
from kd_tf.data.sources import SourceConfig
from kd_tf.data.split import SplitConfig
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from kd_tf.evaluation.evaluate import EvaluationConfig, evaluate
from kd_tf.export.saved_model import export_saved_model
from kd_tf.networks.stored import save_network
from tests.data.recordio.writer import face_pack, write_pack
from tests.images import write_image, write_text

VIEW = ViewConfig(image_size=16)
# In the order of the network's logits, which is not that of the alphabet.
COLOURS = {"cat": (40, 40, 200), "ann": (200, 40, 40), "dan": (200, 200, 40), "bob": (40, 200, 40)}
IMAGES = 10
# The network takes the last three pictures of each person for somebody else.
LOOKS_LIKE = {"ann": "bob", "bob": "dan", "cat": "ann", "dan": "cat"}


def nearest_colour_network():
    """Its logits are the closeness of the mean colour to each of `COLOURS`."""
    images = tf.keras.Input([16, 16, 3])
    mean = tf.keras.layers.GlobalAveragePooling2D()(images)
    logits = tf.keras.layers.Dense(4)
    outputs = {"logits": logits(mean), "embedding": tf.keras.layers.UnitNormalization()(tf.keras.layers.Rescaling(1, offset=-100.0)(mean))}
    network = tf.keras.Model(images, outputs)
    colours = np.array(list(COLOURS.values()), np.float32)
    # |x - c|^2 = |x|^2 - 2 x c + |c|^2.
    logits.set_weights([2 * colours.T / 1000, -(colours**2).sum(axis=1) / 1000])
    return network


@pytest.fixture(scope="module", name="run")
def make_run(tmp_path_factory):
    """A run directory that knows four people."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    folder.mkdir()
    network = nearest_colour_network()
    save_network(network, str(folder / "student.keras"))
    export_saved_model(network, VIEW, str(folder / "saved_model"))
    write_text(folder / "identities.txt", "".join(f"{name}\n" for name in COLOURS))
    return folder


def colour_of(name, number):
    shown = LOOKS_LIKE.get(name) if number >= IMAGES - 3 else name
    return COLOURS.get(shown, (120, 120, 120))


def write_photos(folder, *people):
    for name in people:
        for number in range(IMAGES):
            write_image(folder / name / f"{number}.png", np.full([20, 20, 3], colour_of(name, number), np.uint8))
    return SourceConfig(f"folder:{folder}")


def expected_top1(source):
    """Of the test images by their paths alone: whether the nearest colour is that of the person."""
    test = open_data(source, VIEW).test
    right = []
    for record in test.records:
        path = test.source.describe(record)
        colour = cv2.imread(path)[0, 0, ::-1].astype(float)
        nearest = min(COLOURS, key=lambda name: np.sum((colour - COLOURS[name]) ** 2))
        right.append(nearest == path.split("/")[-2])
    return 100 * np.mean(right)


def score(model, source, protocol="classification", **changes):
    return evaluate(EvaluationConfig(str(model), protocol, source, VIEW), **changes)


@pytest.mark.parametrize("people", ["ann bob cat dan", "bob cat dan", "ann dan", "cat"])
def test_people_in_another_order_and_without_some(run, tmp_path, people):
    source = write_photos(tmp_path / "photos", *people.split())
    expected = expected_top1(source)
    assert expected < 100
    for model in (run, run / "student.keras", run / "saved_model"):
        scores = score(model, source)
        assert scores["top1"] == pytest.approx(expected, abs=1e-4)
        assert (scores["top5"], scores["data"]) == (100, source.data)


def test_numbers_are_compared_where_no_names_are_known(run, tmp_path):
    """By its place in the alphabet nobody is who the network takes them for, but for dan, who is third for both, and look-alikes."""
    save_network(nearest_colour_network(), str(tmp_path / "student.keras"))
    source = write_photos(tmp_path / "photos", *COLOURS)
    places = {"ann": 0, "bob": 1, "cat": 2, "dan": 3}
    logits = {name: place for place, name in enumerate(COLOURS)}
    test = open_data(source, VIEW).test
    named = [test.source.paths[record].partition("/") for record in test.records]
    right = [logits[LOOKS_LIKE[name] if int(number[0]) >= IMAGES - 3 else name] == places[name] for name, _, number in named]
    assert score(tmp_path, source)["top1"] == pytest.approx(100 * np.mean(right), abs=1e-4)
    assert score(run, source)["top1"] > 100 * np.mean(right)
    fewer = write_photos(tmp_path / "fewer", "ann", "bob", "cat")
    with pytest.raises(InputError, match="knows 4 identities, folder:.*/fewer has 3"):
        score(tmp_path, fewer)


def test_the_pictures_show_whom_it_took_somebody_for(run, tmp_path, monkeypatch):
    """Names are those of the run's labels, of people without images too."""
    shown = []
    monkeypatch.setitem(evaluate.__globals__["_FIGURES"], "classification", lambda answers: shown.append(answers) or {})
    score(run, write_photos(tmp_path / "photos", "bob", "dan"), output=str(tmp_path / "scores"))
    (answers,) = shown
    assert answers.identity_names == list(COLOURS)
    pairs = [
        (answers.identity_names[one], answers.identity_names[other])
        for one, other in zip(answers.identities, answers.predicted, strict=True)
    ]
    assert len(pairs) == 4 and set(pairs) <= {("bob", "bob"), ("dan", "dan"), ("bob", "dan"), ("dan", "cat")}


@pytest.mark.parametrize("people", ["ann eve", "eve", "ann bob cat dan eve"])
def test_somebody_unknown(run, tmp_path, people):
    source = write_photos(tmp_path / "photos", *people.split())
    for model in (run, run / "saved_model"):
        with pytest.raises(InputError, match="--protocol=classification needs test images of identities that were trained on"):
            score(model, source)


def test_somebody_unknown_who_is_not_scored(run, tmp_path):
    """Only the test images count; here her one picture is for training."""
    source = write_photos(tmp_path / "photos", *COLOURS)
    write_image(tmp_path / "photos" / "eve" / "0.png", np.zeros([20, 20, 3], np.uint8))
    test = open_data(source, VIEW).test
    assert "eve" not in {test.source.paths[record].split("/")[0] for record in test.records}
    assert score(run, source)["top1"] == pytest.approx(expected_top1(source), abs=1e-4)


def test_other_protocols_ask_for_no_names(run, tmp_path):
    scores = score(run, write_photos(tmp_path / "photos", "ann", "eve", "zoe"), "retrieval")
    assert scores["queries"] > 0 and 0 < scores["rank1"] <= 100


def test_people_that_a_run_left_out_can_be_left_out_again(run, tmp_path):
    source = write_photos(tmp_path / "photos", "ann", "bob", "eve")
    path = write_text(tmp_path / "list.txt", "eve\n")
    known = SourceConfig(source.data, exclude_identities=str(path))
    assert score(run, known)["top1"] == pytest.approx(expected_top1(known), abs=1e-4)


@pytest.mark.parametrize("model", ["student.keras", "saved_model"])
@pytest.mark.parametrize("protocol", ["classification", "retrieval"])
def test_a_broken_image_is_named(run, tmp_path, model, protocol):
    """Nobody has looked at the images before, and only those that are scored are looked at."""
    source = write_photos(tmp_path / "photos", *COLOURS)
    data = open_data(source, VIEW)
    write_text(tmp_path / "photos" / data.train.source.paths[data.train.records[0]], "no image")
    score(run / model, source, protocol)
    broken = write_text(tmp_path / "photos" / data.test.source.paths[data.test.records[5]], "no image")
    with pytest.raises(InputError, match=f"^{broken} is not an image that can be decoded: "):
        score(run / model, source, protocol)


def test_a_broken_image_of_a_pack_is_named(run, tmp_path, monkeypatch):
    """What the pack says of it, and not what TensorFlow makes of that."""
    names = [name for name in COLOURS for _ in range(IMAGES)]
    bodies = [cv2.imencode(".png", np.full([20, 20, 3], COLOURS[name][::-1], np.uint8))[1].tobytes() for name in names]
    places = write_pack(tmp_path / "pack", face_pack(bodies, [list(COLOURS).index(name) for name in names]))
    source = SourceConfig(f"recordio:{tmp_path}/pack")
    assert score(run, source, "retrieval")["rank1"] == 100
    test = open_data(source, VIEW).test
    key = int(test.records[-1]) + 1
    pack = tmp_path / "pack" / "train.rec"
    data = bytearray(pack.read_bytes())
    data[places[key][0]] ^= 1
    pack.write_bytes(data)
    for model in (run, run / "saved_model"):
        with pytest.raises(InputError) as error:
            score(model, source, "retrieval")
        assert str(error.value).startswith(f"{pack} key {key} at offset {places[key][0]}: expected the magic 0xced7230a")


def test_of_people_kept_apart_those_count_whom_the_run_knows(run, tmp_path):
    """They are kept apart from a training that this run has not seen."""
    source = write_photos(tmp_path / "photos", *COLOURS, "eve")
    splits = {_kept_apart(source, seed): SplitConfig("identity_disjoint", seed) for seed in range(20)}
    known = EvaluationConfig(str(run), "classification", source, VIEW, splits["ann"])
    # Seven of her ten pictures look like her.
    assert evaluate(known)["top1"] == 70
    with pytest.raises(InputError, match="keeps apart: use --protocol=retrieval"):
        evaluate(dataclasses.replace(known, split=splits["eve"]))


def _kept_apart(source, seed):
    test = open_data(source, VIEW, SplitConfig("identity_disjoint", seed)).test
    (name,) = {test.source.paths[record].split("/")[0] for record in test.records}
    return name
