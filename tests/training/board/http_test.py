"""What TensorBoard's server says of short runs."""

import json
import urllib.parse

import cv2
import numpy as np
import pytest

from kd_tf.training.board.settings import row_name
from kd_tf.training.run_directory import RunDirectory

STUDENT = "student/tensorboard"


def query(**values) -> str:
    return urllib.parse.urlencode(values)


def test_scores_of_student_and_teacher_stand_side_by_side(runs, server):
    teacher = RunDirectory(runs["teacher"].model_dir).metrics()
    student = RunDirectory(runs["student"].model_dir).metrics()
    for tag, step, value in (
        ("score/top1", 4, student["top1"]),
        ("score/top1_of_teacher", 4, teacher["top1"]),
        ("test/top1", 4, student["top1"]),
        ("test/top1_of_teacher", 2, teacher["top1"]),
    ):
        points = server.json(f"scalars/scalars?{query(run=STUDENT, tag=tag)}")
        found = {found_step: found_value for _, found_step, found_value in points}
        assert found[step] == pytest.approx(value, abs=1e-3)


def test_pictures_can_be_seen(server):
    tags = server.json("images/tags")
    assert set(tags[STUDENT]) == {"input/batch", "curves/roc", "mistakes/mistakes", "mistakes/wrong_queries", "mistakes/hardest_pairs"}
    assert set(tags["aligner/tensorboard"]) == {"input/batch", "curves/ced", "mistakes/worst_landmarks"}
    for tag in tags[STUDENT]:
        (image,) = server.json(f"images/images?{query(run=STUDENT, tag=tag)}")
        picture = cv2.imdecode(np.frombuffer(server.get(f"images/individualImage?{image['query']}"), np.uint8), cv2.IMREAD_COLOR)
        assert min(picture.shape[:2]) > 100 and picture.std() > 10
        assert image["step"] == (0 if tag == "input/batch" else 4)


def test_the_flags_can_be_read(runs, server):
    assert server.json("text/tags")[STUDENT] == ["flags"]
    (entry,) = server.json(f"text/text?{query(run=STUDENT, tag='flags')}")
    for line in runs["student"].flagfile().splitlines()[1:]:
        assert line in entry["text"]


def test_the_projector_has_a_point_a_label_and_a_picture_for_each_image(server):
    assert set(server.json("projector/runs")) == {STUDENT, "teacher/tensorboard"}
    (embedding,) = server.json(f"projector/info?{query(run=STUDENT)}")["embeddings"]
    count, width = embedding["tensorShape"]
    where = query(run=STUDENT, name=embedding["tensorName"])
    points = np.frombuffer(server.get(f"projector/tensor?{where}&num_rows={count}"), np.float32).reshape(count, width)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, rtol=1e-5)
    labels = server.get(f"projector/metadata?{where}&num_rows={count}").decode().splitlines()
    assert (count, labels) == (12, sorted(labels)) and labels[0].startswith("synthetic_")
    sprite = cv2.imdecode(np.frombuffer(server.get(f"projector/sprite_image?{where}"), np.uint8), cv2.IMREAD_COLOR)
    side = embedding["sprite"]["singleImageDim"][0]
    assert sprite.shape == (4 * side, 4 * side, 3)


def test_runs_are_compared_by_their_flags_and_scores(runs, server):
    experiment = server.json("hparams/experiment", {"experimentName": ""})
    metrics = [metric["name"]["tag"] for metric in experiment["metricInfos"]]
    assert metrics == ["score/top1", "score/nrmse", "score/failure_rate", "score/rank1", "score/cosine"]
    asked = {
        "experimentName": "",
        "allowedStatuses": ["STATUS_SUCCESS"],
        "colParams": [{"metric": {"group": "", "tag": tag}} for tag in metrics],
        "startIndex": 0,
        "sliceSize": 10,
    }
    groups = {group["name"]: group for group in server.json("hparams/session_groups", asked)["sessionGroups"]}
    names = {name: row_name(config.model_dir) for name, config in runs.items()}
    assert set(groups) == set(names.values()) and names["student"].startswith("student ")
    for name, config in runs.items():
        group, scores = groups[names[name]], RunDirectory(config.model_dir).metrics()
        found = {value["name"]["tag"].removeprefix("score/"): value["value"] for value in group["metricValues"]}
        assert found == pytest.approx({name: scores[name] for name in found}, abs=1e-3) and found
        assert group["hparams"]["width_divisor"] == config.network.width_divisor
    hparams = groups[names["student"]]["hparams"]
    assert (hparams["teacher"], hparams["init"], hparams["alpha"], hparams["beta"]) == ("teacher", "none", 1, 0.5)
    assert "alpha" not in groups[names["teacher"]]["hparams"]


def test_the_page_has_its_sections_in_order(server):
    layout = json.loads(server.get("custom_scalars/layout"))
    titles = [category["title"] for category in layout["category"]]
    assert titles == [
        "Scores on the test images", "Agreement with the teacher", "Loss", "Gradient at the hidden layer", "Speed",
    ]  # fmt: skip
    # Of both tasks, each once.
    assert sorted(chart["title"] for chart in layout["category"][0]["chart"]) == ["nrmse", "top1"]
