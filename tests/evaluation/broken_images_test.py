"""Broken images among those that are scored: named, or left out where some may be."""

import logging
import os

import cv2
import numpy as np
import pytest

from kd_tf.data.dataset import open_data
from kd_tf.data.sources import SourceConfig
from kd_tf.errors import InputError
from kd_tf.evaluation.evaluate import EvaluationConfig, evaluate
from tests.data.recordio.writer import face_pack, write_pack
from tests.evaluation.coloured_people import COLOURS, IMAGES, VIEW, is_recognised, store_run, write_photos
from tests.images import write_text

UNDECODABLE = "is not an image that can be decoded: "


@pytest.fixture(scope="module", name="run")
def make_run(tmp_path_factory):
    return store_run(tmp_path_factory.mktemp("runs") / "run")


def score(model, source, protocol="classification", output=None, **changes):
    return evaluate(EvaluationConfig(str(model), protocol, source, VIEW, **changes), output)


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


@pytest.fixture(name="photos")
def make_photos(tmp_path):
    """Photographs of which one to be trained on and two to be tested are broken, and the paths of the latter and of the sound ones."""
    source = write_photos(tmp_path / "photos", *COLOURS)
    data = open_data(source, VIEW)
    paths = [data.test.source.describe(record) for record in data.test.records]
    for path in (data.train.source.describe(data.train.records[0]), paths[2], paths[5]):
        os.truncate(path, 20)
    return source, [paths[2], paths[5]], [path for path in paths if path not in (paths[2], paths[5])]


@pytest.mark.parametrize(("model", "cached"), [("student.keras", False), ("student.keras", True), ("saved_model", False)])
@pytest.mark.parametrize("allowed", [2, 7])
def test_so_many_are_left_out_logged_and_counted(run, photos, tmp_path, caplog, model, cached, allowed):
    """Those to be trained on do not count: they are not looked at."""
    source, broken, sound = photos
    options = {"skip_broken": allowed} | ({"image_cache": str(tmp_path / "cache")} if cached else {})
    with caplog.at_level(logging.WARNING, "kd_tf"):
        scores = score(run / model, source, output=str(tmp_path / "scores"), **options)
    assert scores["top1"] == pytest.approx(100 * np.mean([is_recognised(path) for path in sound]), abs=1e-4)
    assert scores["skipped"] == 2
    logged = [record.getMessage() for record in caplog.records if record.name.startswith("kd_tf")]
    assert [message.partition(f" {UNDECODABLE}")[0] for message in logged] == [f"left out: {path}" for path in broken]
    assert score(run / model, source, "retrieval", **options)["skipped"] == 2
    assert len(list((tmp_path / "cache").glob("*"))) == cached


@pytest.mark.parametrize("cached", [False, True])
def test_one_more_is_refused(run, photos, tmp_path, cached):
    source, broken, _ = photos
    with pytest.raises(InputError) as error:
        score(run, source, skip_broken=1, image_cache=str(tmp_path / "cache") if cached else None)
    assert str(error.value).startswith(f"{broken[1]} {UNDECODABLE}")
    assert str(error.value).endswith("; it is one more than --skip_broken=1 allows")


@pytest.mark.parametrize("cached", [False, True])
def test_none_is_broken(run, tmp_path, cached):
    source, cache = write_photos(tmp_path / "photos", *COLOURS), str(tmp_path / "cache") if cached else None
    scores = score(run, source, skip_broken=3, image_cache=cache)
    assert scores.pop("skipped") == 0
    assert scores == score(run, source, image_cache=cache)


def test_none_is_left(run, tmp_path):
    source = write_photos(tmp_path / "photos", *COLOURS)
    test = open_data(source, VIEW).test
    for record in test.records:
        os.truncate(test.source.describe(record), 20)
    with pytest.raises(InputError) as error:
        score(run, source, skip_broken=9)
    assert str(error.value) == f"{source.data}: all 8 images that are to be scored are broken"


def test_embeddings_may_lack_what_is_broken(photos, tmp_path):
    """Their names are those of the sound images alone."""
    source, _, sound = photos
    names = [os.path.relpath(path, tmp_path / "photos") for path in sound]
    people = [name.split("/")[0] for name in names]
    np.savez(tmp_path / "rows.npz", embeddings=np.eye(4)[[list(COLOURS).index(name) for name in people]], names=names)
    scores = score(tmp_path / "rows.npz", source, "retrieval", skip_broken=2)
    assert (scores["rank1"], scores["skipped"]) == (100, 2)


@pytest.mark.parametrize("protocol", ["lfw", "bin"])
def test_pairs_need_all_of_their_images(protocol):
    with pytest.raises(InputError, match=f"--skip_broken has no effect with --protocol={protocol}; it is for classification, landmarks, r"):
        score("model", SourceConfig(f"{protocol}:/nowhere"), protocol, skip_broken=1)
