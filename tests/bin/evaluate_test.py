"""Runs kd-evaluate as a user does."""

import json
import os
import shutil
import sys

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.dataset import open_data
from kd_tf.data.sources import SourceConfig
from kd_tf.data.views import ViewConfig
from kd_tf.networks.face_network import NetworkConfig
from kd_tf.networks.stored import save_network
from kd_tf.training.config import DistillationConfig
from kd_tf.training.run import run
from tests.bin.programs import call, refused, script
from tests.images import UNKNOWN_FORMAT, write_people, write_text
from tests.runs import small_run


@pytest.fixture(scope="module", name="folder")
def make_folder(tmp_path_factory):
    """LFW with five people, and a run that was trained on those who have three images, and could do without one."""
    folder = tmp_path_factory.mktemp("scored")
    write_people(folder / "lfw" / "lfw-deepfunneled", {"Ann_Lee": 3, "Bob_Ray": 3, "Cat_Fox": 2, "Dan_Orr": 1})
    fold = "Ann_Lee 1 3\nAnn_Lee 2 Cat_Fox 2\n"
    write_text(folder / "lfw" / "pairs.txt", f"2 1\n{fold}Bob_Ray 1 2\nBob_Ray 3 Dan_Orr 1\n")
    images = tf.keras.Input([16, 16, 3])
    small = tf.keras.layers.Flatten()(tf.keras.layers.AveragePooling2D(4)(images))
    outputs = {"embedding": tf.keras.layers.UnitNormalization()(small), "logits": tf.keras.layers.Dense(2)(small)}
    (folder / "run").mkdir()
    save_network(tf.keras.Model(images, outputs), str(folder / "run" / "student.keras"))
    write_text(folder / "run" / "flags.txt", f"--data=lfw:{folder}/lfw\n--min_images=3\n--image_size=16\n--skip_broken=1\n")
    return folder


def test_a_run_says_what_it_is_scored_on(folder):
    result = script("kd-evaluate", f"--model={folder}/run", "--protocol=lfw", "--flip", "--distance=angular", f"--output={folder}/scores")
    assert result.returncode == 0, result.stderr
    scores = json.loads(result.stdout)
    # All people are there, with the pairs' images alone.
    assert (scores["protocol"], scores["data"], scores["pairs"], scores["folds"]) == ("lfw", f"lfw:{folder}/lfw", 4, 2)
    assert (scores["model"], scores["flip"], scores["distance"]) == (f"{folder}/run", True, "angular")
    assert json.loads((folder / "scores" / "metrics.json").read_text()) == scores
    assert set(os.listdir(folder / "scores")) == {"metrics.json", "roc.png", "hardest_pairs.png"}
    assert "was trained on lfw:" in result.stderr
    assert "TAR at FAR 0.1 needs 100 negative pairs; there are 2" in result.stderr


def test_what_a_run_could_do_without_its_scores_can_too(folder, tmp_path):
    root = write_people(tmp_path / "photos", {"ann": 5, "bob": 5})
    test = open_data(SourceConfig(f"folder:{root}"), ViewConfig(image_size=16)).test
    path = write_text(root / test.source.paths[test.records[0]], "no image")
    flags = f"--model={folder}/run", f"--data=folder:{root}"
    result = script("kd-evaluate", *flags)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["skipped"] == 1
    broken = f"{path} is not an image that can be decoded: {UNKNOWN_FORMAT}"
    assert f" left out: {broken}\n" in result.stderr
    assert refused(script("kd-evaluate", *flags, "--skip_broken=0")) == f"kd-evaluate: {broken}"


def test_a_run_without_the_people_of_a_fold_is_scored_on_them(folder, tmp_path):
    write_text(folder / "lfw" / "people.txt", "2\n2\nAnn_Lee 3\nCat_Fox 2\n2\nBob_Ray 3\nDan_Orr 1\n")
    shutil.copytree(folder / "run", tmp_path / "run")
    flags = (tmp_path / "run" / "flags.txt").read_text()
    write_text(tmp_path / "run" / "flags.txt", f"{flags.replace('--min_images=3', '--min_images=1')}--split=official\n--test_folds=1\n")
    result = script("kd-evaluate", f"--model={tmp_path}/run", "--protocol=lfw")
    assert result.returncode == 0, result.stderr
    scores = json.loads(result.stdout)
    assert (scores["test_folds"], scores["pairs"], scores["folds"]) == ("1", 2, 1)
    assert scores["lfw_pairs_standard_error"] >= 0 and "was trained on" not in result.stderr
    result = script("kd-evaluate", f"--model={tmp_path}/run", "--protocol=retrieval")
    assert result.returncode == 0, result.stderr
    # The five images of Ann and Cat.
    assert (json.loads(result.stdout)["test_folds"], json.loads(result.stdout)["queries"]) == ("1", 5)


def test_pixels(folder):
    flags = "--model=pixels", "--protocol=lfw", f"--data=lfw:{folder}/lfw", "--image_size=32", "--test_folds=2"
    result = script("kd-evaluate", *flags)
    assert result.returncode == 0, result.stderr
    scores = json.loads(result.stdout)
    assert (scores["model"], scores["test_folds"], scores["pairs"], scores["distance"]) == ("pixels", "2", 2, "squared_l2")


FOLDS_OF_FLAGS = """
import sys
from kd_tf.bin import evaluate
from absl import flags
from kd_tf.errors import InputError
from kd_tf.flags import evaluation_flags
for given in sys.argv[1:]:
    flags.FLAGS.unparse_flags()
    for name in ("model", "protocol", "split", "test_folds"):
        flags.FLAGS[name].unparse()
    flags.FLAGS(["kd-evaluate", *given.split()])
    try:
        config = evaluation_flags.evaluation_config_from_flags()
        print(config.test_folds, config.split.split, config.split.test_folds)
    except InputError as error:
        print(error)
"""


def test_whose_folds_are_held_out(tmp_path):
    """Given, or those of the run, and only where they say something."""
    write_text(tmp_path / "run" / "flags.txt", "--split=official\n--test_folds=7,8\n")
    run, other = f"--model={tmp_path}/run", "--model=pixels"
    expected = {
        f"{run} --protocol=lfw": "(7, 8) random None",
        f"{run} --protocol=lfw --test_folds=": "None random None",
        f"{run} --protocol=lfw --test_folds=9,2,9": "(2, 9) random None",
        f"{run} --protocol=bin": "None random None",
        f"{run} --protocol=retrieval": "None official (7, 8)",
        f"{run} --protocol=retrieval --test_folds=": "None official None",
        f"{run} --protocol=retrieval --split=random": "None random None",
        f"{other} --protocol=lfw": "None random None",
        f"{other} --protocol=lfw --test_folds=3": "(3,) random None",
        f"{other} --protocol=retrieval --split=official --test_folds=3": "None official (3,)",
        f"{other} --protocol=retrieval --test_folds=3": "--test_folds=3 needs --split=official, found --split=random",
        f"{other} --protocol=bin --test_folds=3": "--test_folds has no effect with --protocol=bin; it is for lfw",
        f"{other} --protocol=lfw --test_folds=3,last": "--test_folds=3,last must be whole numbers with commas between them",
    }
    result = call(sys.executable, "-c", FOLDS_OF_FLAGS, *expected)
    assert result.stdout.splitlines() == list(expected.values()), result.stderr


@pytest.mark.slow
def test_a_student_in_the_place_of_its_teacher(tmp_path):
    training = {"steps": 2, "evaluations": 1}
    run(small_run(tmp_path / "teacher", training=training))
    distillation = DistillationConfig(teacher=f"{tmp_path}/teacher", beta=1.0)
    run(small_run(tmp_path / "student", training=training, network=NetworkConfig("resnet14", 16), distillation=distillation))
    result = script("kd-evaluate", f"--model={tmp_path}/student", "--protocol=retrieval", "--cross", f"--output={tmp_path}/scores")
    assert result.returncode == 0, result.stderr
    scores = json.loads(result.stdout)
    alone = [json.loads((tmp_path / name / "metrics.json").read_text())["rank1"] for name in ("student", "teacher")]
    assert [scores["student_rank1"], scores["teacher_rank1"]] == pytest.approx(alone, abs=1e-3)
    # Of the 12 test images one is the only one of its person.
    assert 0 <= scores["rank1"] <= 100 and scores["queries"] == 11
    assert json.loads((tmp_path / "scores" / "metrics.json").read_text()) == scores
    before = sorted(os.listdir(tmp_path))
    missing = script("kd-evaluate", f"--model={tmp_path}/teacher", "--protocol=retrieval", "--cross", f"--output={tmp_path}/other")
    assert f"--cross needs a teacher, and --model={tmp_path}/teacher names none; give --teacher=RUN" in refused(missing)
    assert sorted(os.listdir(tmp_path)) == before


def test_embeddings_alone_and_nothing_written(tmp_path):
    np.savez(tmp_path / "rows.npz", embeddings=[[1.0, 0], [0.9, 0.1], [0, 1], [0.1, 1]], identities=["a", "a", "a", "b"])
    before = os.listdir(tmp_path)
    result = script("kd-evaluate", f"--model={tmp_path}/rows.npz", "--protocol=retrieval")
    assert result.returncode == 0, result.stderr
    scores = json.loads(result.stdout)
    # The third row's nearest is the fourth.
    assert (scores["rank1"], scores["queries"]) == (pytest.approx(66.6667), 3)
    assert os.listdir(tmp_path) == before


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--protocol=classification", "--flip"], "--flip has no effect with --protocol=classification; it is for retrieval, lfw, bin"),
        (["--protocol=lfw", "--distance=cosine"], "--distance=cosine: value should be one of <squared_l2|angular|raw_squared_l2>"),
        (["--protocol=lfw", "--skip_broken=1"], "--skip_broken has no effect with --protocol=lfw"),
        (["--cross"], "--cross has no effect with --protocol=classification; it is for retrieval, lfw, bin"),
        (["--teacher=/nowhere"], "--teacher=/nowhere has no effect without --cross"),
        (["--protocol=landmarks"], "lacks the output 'landmarks' (it has: embedding, logits)"),
        (["--protocol=lfw", "--test_folds=2,3"], "--test_folds=2,3: lfw:{folder}/lfw has nobody in fold 3; there are folds 1, 2"),
        (["--protocol=retrieval", "--test_folds=2"], "--test_folds=2 needs --split=official, found --split=random"),
        (["--protocol=lfw", "--output={folder}/run"], "--output={folder}/run is a run directory"),
    ],
)
def test_bad_input_is_one_line(folder, flags, message):
    flags = [flag.format(folder=folder) for flag in flags]
    before = sorted(os.listdir(folder))
    assert message.format(folder=folder) in refused(script("kd-evaluate", f"--model={folder}/run", *flags))
    assert sorted(os.listdir(folder)) == before
