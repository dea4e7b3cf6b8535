"""What runs write for TensorBoard, by value."""

import dataclasses
import glob
import json
import logging
import os
import re

import cv2
import numpy as np
import pytest
from google.protobuf import text_format
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.projector import ProjectorConfig

from kd_tf.distillers import AlignmentDistiller, ClassificationDistiller, VerificationDistiller
from kd_tf.distillers.terms import WEIGHTS
from kd_tf.evaluation.answers import Answers
from kd_tf.evaluation.models import NetworkModel
from kd_tf.networks.stored import load_network
from kd_tf.training.board import pictures
from kd_tf.training.board.layout import TERMS, make_layout
from kd_tf.training.board.pictures import write_answers, write_batch
from kd_tf.training.board.projector import THUMBNAIL, write_embeddings
from kd_tf.training.board.settings import compared_values
from kd_tf.training.config import DistillationConfig
from kd_tf.training.prepared import open_run_data, prepare_run
from kd_tf.training.run_directory import RunDirectory
from kd_tf.training.strategy import get_strategy
from kd_tf.training.teacher_scores import teacher_scores
from kd_tf.training.workers import this_worker
from tests.images import write_text
from tests.networks_for_tests import make_network
from tests.runs import small_run
from tests.training.events import values_of, written


def board_of(config) -> str:
    return RunDirectory(config.model_dir).tensorboard


def answers_of(config, *outputs) -> Answers:
    data = open_run_data(config)
    return NetworkModel(load_network(config.model_dir, "model", image_size=16), data.view).answers(data.test, outputs)


def test_scores_and_agreement_are_those_of_the_networks(runs):
    found = written(board_of(runs["student"]))
    student, teacher = (answers_of(runs[name], "logits") for name in ("student", "teacher"))
    same = 100 * np.mean(student.predicted == teacher.predicted)
    assert found["agreement/top1"][4] == pytest.approx(same, abs=1e-3)
    right = {name: 100 * np.mean(answers.ranks == 0) for name, answers in (("student", student), ("teacher", teacher))}
    assert found["test/top1"][4] == pytest.approx(right["student"], abs=1e-3)
    assert found["test/top1_of_teacher"] == pytest.approx({2: right["teacher"], 4: right["teacher"]}, abs=1e-3)
    assert set(found["agreement/cosine"]) == {2, 4} and all(-1 <= cosine <= 1 for cosine in found["agreement/cosine"].values())


@pytest.mark.parametrize(
    ("name", "scores"), [("teacher", {"top1", "rank1"}), ("student", {"top1", "rank1"}), ("aligner", {"nrmse", "failure_rate"})]
)
def test_last_scores_are_those_of_the_metrics(runs, name, scores):
    metrics, teacher = (RunDirectory(runs[run].model_dir).metrics() for run in (name, "teacher"))
    found = {tag: values for tag, values in written(board_of(runs[name])).items() if tag.startswith("score/")}
    expected = {f"score/{score}": {4: pytest.approx(metrics[score], abs=1e-3)} for score in scores}
    if name == "student":
        expected |= {f"score/{score}_of_teacher": {4: pytest.approx(teacher[score], abs=1e-3)} for score in scores}
    assert found == expected


def test_the_speed_is_told_at_each_evaluation(runs):
    found = written(board_of(runs["student"]))
    assert set(found["cost/images_per_second"]) == set(found["cost/input_wait_share"]) == {2, 4}


def test_a_teacher_is_scored_by_its_own_run_where_that_saw_the_same(runs):
    path, flagfile = runs["teacher"].model_dir, runs["teacher"].flagfile()
    (record,) = RunDirectory(path).records()
    fingerprint = record["data"]["fingerprint"]
    assert teacher_scores(path, fingerprint, runs["student"].flagfile()) == RunDirectory(path).metrics()
    assert teacher_scores(path, "other images", flagfile) == {}
    other_crop = dataclasses.replace(runs["teacher"].view, central_fraction=0.5)
    assert teacher_scores(path, fingerprint, dataclasses.replace(runs["teacher"], view=other_crop).flagfile()) == {}
    assert teacher_scores(os.path.join(path, "student.keras"), fingerprint, flagfile) == {}
    assert teacher_scores(None, fingerprint, flagfile) == {}


def test_what_a_teacher_has_in_common_with_its_own_is_no_score_of_it(runs, tmp_path):
    flagfile = runs["teacher"].flagfile()
    write_text(tmp_path / "run.json", json.dumps([{"data": {"fingerprint": "7"}, "flags": flagfile.splitlines()}]))
    write_text(tmp_path / "metrics.json", json.dumps({"rank1": 80.0, "cosine": 0.9}))
    assert teacher_scores(str(tmp_path), "7", flagfile) == {"rank1": 80.0}


def test_the_first_images_are_those_of_the_first_step(runs, monkeypatch):
    drawn = []
    monkeypatch.setattr(pictures, "_write", lambda tag, figure, step: drawn.append((tag, step)))
    monkeypatch.setattr(pictures, "sheet", lambda title, groups, columns: drawn.extend(groups))
    prepared = prepare_run(runs["aligner"], get_strategy("one"), this_worker("one"))
    write_batch(prepared.training_batches(0, 1), prepared.data.train)
    images, targets = next(iter(prepared.training_batches(0, 1)))
    assert drawn.pop() == ("input/batch", 0) and len(drawn) == len(images) == 8
    for (cell,), image, identity, landmarks in zip(drawn, images, targets["identity"], targets["landmarks"], strict=True):
        np.testing.assert_array_equal(cell.picture, np.round(image).astype(np.uint8))
        assert cell.caption == prepared.data.train.identity_names[int(identity)]
        np.testing.assert_array_equal(cell.marks[0][0], landmarks)


def test_pictures_are_small(runs):
    for config in runs.values():
        files = glob.glob(f"{board_of(config)}/events.*")
        assert 0 < sum(os.path.getsize(file) for file in files) < 500_000


def test_the_projector_shows_whole_people(runs, tmp_path):
    answers = answers_of(runs["student"], "embedding")
    folder = board_of(runs["student"])
    with open(os.path.join(folder, "projector_config.pbtxt"), encoding="utf-8") as file:
        (embedding,) = text_format.Parse(file.read(), ProjectorConfig()).embeddings
    order = np.argsort(answers.identities, kind="stable")
    stored = np.fromfile(os.path.join(folder, embedding.tensor_path), np.float32).reshape(embedding.tensor_shape)
    np.testing.assert_allclose(stored, answers.embedding[order], atol=1e-5)
    with open(os.path.join(folder, embedding.metadata_path), encoding="utf-8") as file:
        assert file.read().splitlines() == [answers.identity_names[label] for label in answers.identities[order]]
    sprite = cv2.imread(os.path.join(folder, embedding.sprite.image_path))[:, :, ::-1]
    small = cv2.resize(answers.picture(order[1]), (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    # As a JPEG has it.
    assert np.abs(sprite[:THUMBNAIL, THUMBNAIL : 2 * THUMBNAIL].astype(int) - small).mean() < 10


def test_the_projector_shows_no_more_than_it_can(tmp_path, monkeypatch):
    monkeypatch.setattr("kd_tf.training.board.projector.SHOWN", 3)
    answers = Answers(
        np.array([1, 0, 1, 0]),
        ["a\tb", "c"],
        embedding=np.eye(4, dtype=np.float32),
        picture=lambda place: np.full([8, 8, 3], place, np.uint8),
    )
    write_embeddings(str(tmp_path), answers)
    assert (tmp_path / "projector" / "identities.tsv").read_text() == "a b\na b\nc\n"
    np.testing.assert_array_equal(np.fromfile(tmp_path / "projector" / "embeddings.bytes", np.float32).reshape(3, 4), np.eye(4)[[1, 3, 0]])


def test_every_tag_that_is_told_on_the_way_has_its_chart(runs):
    found = set(written(board_of(runs["student"])))
    charts = {
        chart.title: {tag for tag in found if any(re.match(regex, tag) for regex in chart.multiline.tag)}
        for category in make_layout(("top1",)).category
        for chart in category.chart
    }
    terms = {"identity", "soft", "hidden"}
    assert charts == {
        "top1": {"test/top1", "test/top1_of_teacher"},
        "cosine of the hidden layers": {"agreement/cosine"},
        "same top-1, %": {"agreement/top1"},
        "whole, in training and on the test images": {"train/loss", "test/loss"},
        "terms in training": {f"train/{term}" for term in terms},
        "terms on the test images": {f"test/{term}" for term in terms},
        "norm of each weighted term": {f"gradient/{term}" for term in terms},
        "learning rate": {"train/learning_rate"},
        "images per second": {"cost/images_per_second"},
        "waiting for input, % of the training time": {"cost/input_wait_share"},
    }


def test_the_layout_knows_all_terms():
    options = dict.fromkeys(WEIGHTS.values(), 1.0)
    distillers = [
        ClassificationDistiller(make_network(1), make_network(2), **options),
        AlignmentDistiller(make_network(1), make_network(2), **options),
        VerificationDistiller(make_network(1), make_network(2), identity_weight=1.0, **options),
    ]
    assert {term for distiller in distillers for term in distiller.terms} == set(TERMS)


def test_a_run_writes_its_layout(runs):
    ((_, step, layout),) = values_of(board_of(runs["aligner"]), "custom_scalars")
    assert step == 0 and layout_pb2.Layout.FromString(layout.item()) == make_layout(("nrmse",))


def test_what_cannot_be_drawn_costs_a_warning(caplog):
    """The embeddings of a network whose hidden layer died."""
    answers = Answers(
        np.array([0, 0, 1]), ["a", "b"], embedding=np.zeros([3, 2], np.float32), picture=lambda _: np.zeros([8, 8, 3], np.uint8)
    )
    with caplog.at_level(logging.WARNING, logger="kd_tf"):
        write_answers(answers, ("retrieval",), 4)
    assert caplog.messages == ["TensorBoard lacks some pictures: the first embedding of pair 0 is zero: it has no distance to others"]


def test_values_that_runs_are_compared_by():
    config = small_run("/runs/x", init="/runs/start", distillation=DistillationConfig(teacher_cache="/caches/b\udcff", alpha=0.5))
    found = compared_values(config)
    assert (found["init"], found["teacher"], found["alpha"], found["seed"], found["steps"]) == ("start", "b?", 0.5, 0, 4)
    assert "epochs" not in found
    assert "alpha" not in compared_values(small_run("/runs/x"))


def test_chosen_steps_are_profiled(runs):
    (trace,) = glob.glob(f"{board_of(runs['student'])}/plugins/profile/*/*.xplane.pb")
    assert os.path.getsize(trace) > 1000
    assert not os.path.exists(os.path.join(board_of(runs["teacher"]), "plugins"))


def test_a_profile_is_no_part_of_what_a_run_is(runs):
    plain = dataclasses.replace(runs["student"], training=dataclasses.replace(runs["student"].training, profile_steps=None))
    RunDirectory(runs["student"].model_dir).check(plain.flagfile())
    assert "--profile_steps=2,3" in runs["student"].flagfile().splitlines()
    assert "profile_steps" not in plain.flagfile()
    with open(os.path.join(runs["student"].model_dir, "run.json"), encoding="utf-8") as file:
        assert "--profile_steps=2,3" in json.load(file)[0]["flags"]
