"""Images that are broken when a run begins, or break while it reads them."""

import dataclasses
import logging
import os

import cv2
import pytest
import tensorflow as tf

from kd_tf.data.sources import SourceConfig
from kd_tf.errors import InputError
from kd_tf.training import prepared as run_module
from kd_tf.training.batches import plan_batches
from kd_tf.training.prepared import open_run_data
from kd_tf.training.run import run
from tests.data.recordio.writer import face_pack, write_pack
from tests.images import smooth_image, write_people, write_text
from tests.runs import small_run

UNDECODABLE = "is not an image that can be decoded: "
# 48 training images in 24 batches, and 12 to be tested.
BATCHES_OF_TWO = {"batch_size": 2, "steps": 24, "evaluations": 1}


@pytest.fixture(name="photos")
def make_photos(tmp_path):
    """Sixty photographs of six people."""
    root = write_people(tmp_path / "photos", {f"person{person}": 10 for person in range(6)})
    return SourceConfig(f"folder:{root}")


def path_of(half, place):
    return half.source.describe(half.records[place])


def break_file(path):
    with open(path, "wb") as file:
        file.write(b"no image")


def trained_at(config, position):
    """The place in the training split of what makes up a position of the batches."""
    data = open_run_data(config)
    return int(plan_batches(config, data, 1).order(tf.constant(position, tf.int64))[0])


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def test_as_many_as_allowed_are_left_out_and_counted(photos, tmp_path, caplog):
    config = small_run(tmp_path / "run", source=photos, skip_broken=2, training={"steps": 2, "evaluations": 1})
    data = open_run_data(config)
    broken = [path_of(data.train, 7), path_of(data.test, 3)]
    for path in broken:
        break_file(path)
    with caplog.at_level(logging.INFO, "kd_tf"):
        metrics = run(config)
    assert (metrics["skipped"], metrics["steps"]) == (2, 2)
    left_out = {
        line.removeprefix("left out: ").partition(f" {UNDECODABLE}")[0] for line in caplog.messages if line.startswith("left out: ")
    }
    assert left_out == set(broken)
    assert_logged_once(tmp_path / "run" / "log.txt", caplog, broken)
    assert "47 training and 11 test images of 6 identities" in text_of(tmp_path / "run" / "log.txt")
    assert "--skip_broken=2" in text_of(tmp_path / "run" / "flags.txt").splitlines()


def assert_logged_once(file, caplog, broken):
    """In the file too, which is made later, and there before all else."""
    lines = text_of(file).splitlines()
    for path in broken:
        assert sum(message.startswith(f"left out: {path} ") for message in caplog.messages) == 1
        assert sum(f" left out: {path} {UNDECODABLE}" in line for line in lines[: len(broken)]) == 1


def test_one_more_is_refused_before_anything_is_written(photos, tmp_path):
    config = small_run(tmp_path / "run", source=photos, skip_broken=1)
    data = open_run_data(config)
    broken = sorted([path_of(data.train, 7), path_of(data.test, 3)])
    for path in broken:
        break_file(path)
    with pytest.raises(InputError) as error:
        run(config)
    assert str(error.value).startswith(f"{broken[1]} {UNDECODABLE}")
    assert str(error.value).endswith("; it is one more than --skip_broken=1 allows")
    assert not os.path.exists(tmp_path / "run")


@pytest.mark.parametrize(("position", "strategy"), [(45, "one"), (1, "mirrored")])
def test_one_that_was_not_looked_at_is_named_when_it_is_met(photos, tmp_path, monkeypatch, position, strategy):
    """At first, and late, when the batches that were read at first are long past; and before a test image that was not met."""
    monkeypatch.setattr("kd_tf.data.broken.CHECKED_IMAGES", 1)
    config = small_run(tmp_path / "run", source=photos, training=BATCHES_OF_TWO | {"strategy": strategy})
    path = path_of(open_run_data(config).train, trained_at(config, position))
    assert path != path_of(open_run_data(config).train, 0)
    break_file(path)
    break_file(path_of(open_run_data(config).test, 5))
    with pytest.raises(InputError, match=f"^{path} {UNDECODABLE}"):
        run(config)
    assert not os.path.exists(tmp_path / "run" / "metrics.json")


def break_after_the_check(monkeypatch, accident):
    """`accident` gets the data of the run when all of it was found to be sound."""

    def prepare(*arguments, **options):
        data = run_module_prepare(*arguments, **options)
        accident(data)
        return data

    run_module_prepare = run_module.prepare_data
    monkeypatch.setattr(run_module, "prepare_data", prepare)


def test_a_test_image_that_is_gone_is_named(photos, tmp_path, monkeypatch):
    found = []
    break_after_the_check(monkeypatch, lambda data: found.append(path_of(data.test, 5)) or os.remove(found[0]))
    with pytest.raises(InputError) as error:
        run(small_run(tmp_path / "run", source=photos, training={"steps": 1, "evaluations": 1}))
    assert str(error.value) == f"{found[0]} {UNDECODABLE}[Errno 2] No such file or directory: '{found[0]}'"


def test_a_pack_that_is_cut_says_so_itself(tmp_path, monkeypatch):
    """Its own message, and not what TensorFlow makes of it."""
    bodies = [cv2.imencode(".png", smooth_image(seed, 20, 20))[1].tobytes() for seed in range(60)]
    places = write_pack(tmp_path / "pack", face_pack(bodies, [seed // 10 for seed in range(60)]))
    pack = tmp_path / "pack" / "train.rec"
    size = pack.stat().st_size
    config = small_run(tmp_path / "run", source=SourceConfig(f"recordio:{tmp_path}/pack"), training=BATCHES_OF_TWO)
    data = open_run_data(config)
    first = data.train.records[trained_at(config, 0)]
    # The image that is trained on first is not there any more, nor are those behind it.
    break_after_the_check(monkeypatch, lambda data: os.truncate(pack, places[first + 1][0] + 50))
    with pytest.raises(InputError) as error:
        run(config)
    message = str(error.value)
    assert message.endswith(f": the file had {size} bytes and has become shorter: open it again")
    key = int(message.partition(" key ")[2].partition(" ")[0])
    assert message.startswith(f"{pack} key {key} at offset {places[key][0]}: ") and key >= first + 1


def test_people_that_are_left_out_need_no_sound_images(photos, tmp_path):
    """Neither by the check nor in training."""
    path = write_text(tmp_path / "list.txt", "person2\n")
    break_file(tmp_path / "photos" / "person2" / "person2_0004.jpg")
    source = dataclasses.replace(photos, exclude_identities=str(path))
    assert run(small_run(tmp_path / "run", source=source, training={"steps": 1, "evaluations": 1}))["steps"] == 1
    assert text_of(tmp_path / "run" / "identities.txt") == "person0\nperson1\nperson3\nperson4\nperson5\n"
    assert "40 training and 10 test images of 5 identities" in text_of(tmp_path / "run" / "log.txt")
