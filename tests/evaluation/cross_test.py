"""A student's probes against its teacher's gallery, against plain NumPy."""

import json
import logging
import os
import pickle

import cv2
import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.dataset import open_data
from kd_tf.data.source import decode_image
from kd_tf.data.sources import SourceConfig
from kd_tf.data.views import ViewConfig, evaluation_view, make_canvas
from kd_tf.errors import InputError
from kd_tf.evaluation.evaluate import EvaluationConfig, evaluate
from kd_tf.export.saved_model import export_saved_model
from kd_tf.networks.projection import Projection, project_network
from kd_tf.networks.stored import load_network, save_network
from tests.evaluation.evaluate_test import accuracy, lfw_pairs
from tests.images import smooth_image, write_text

VIEW = ViewConfig(image_size=16, central_fraction=0.75)
SYNTHETIC = SourceConfig(identities=6, pictures=30, picture_size=24)


def make_network(width, seed, activation=None):
    """Embeds the means of 4 x 4 squares, 48 numbers, or a random map of them; `width` None: the 48 as they are."""
    tf.keras.utils.set_random_seed(seed)
    images = tf.keras.Input([16, 16, 3])
    hidden = tf.keras.layers.Flatten()(tf.keras.layers.AveragePooling2D(4)(images))
    hidden = tf.keras.layers.Rescaling(1 / 100, offset=-1)(hidden)
    if width:
        hidden = tf.keras.layers.Dense(width, activation=activation, bias_initializer="normal", name="embed")(hidden)
    outputs = {"hidden": hidden, "embedding": tf.keras.layers.UnitNormalization()(hidden), "logits": tf.keras.layers.Dense(3)(hidden)}
    return tf.keras.Model(images, outputs)


@pytest.fixture(scope="module", name="teacher")
def make_teacher():
    return make_network(7, 1)


@pytest.fixture(scope="module", name="student")
def make_student():
    return make_network(5, 2, "tanh")


@pytest.fixture(scope="module", name="projection")
def make_projection():
    random = np.random.RandomState(3)
    return {"kernel": random.normal(size=[5, 7]).astype(np.float32), "bias": random.normal(size=7).astype(np.float32)}


def store_run(folder, network, flags="", **projection):
    folder.mkdir(parents=True)
    save_network(network, str(folder / "student.keras"))
    write_text(folder / "flags.txt", f"--task=classification\n{flags}")
    if projection:
        np.savez(folder / "projection.npz", **projection)


@pytest.fixture(scope="module", name="runs")
def store(teacher, student, projection, tmp_path_factory):
    """A student with a projection that names its teacher, and one that its projection makes the teacher itself."""
    folder = tmp_path_factory.mktemp("runs")
    store_run(folder / "teacher", teacher)
    store_run(folder / "student", student, f"--teacher={folder}/teacher\n--beta=1.0\n", **projection)
    kernel, bias = teacher.get_layer("embed").get_weights()
    store_run(folder / "exact", make_network(None, 4), f"--teacher={folder}/teacher\n--beta=1.0\n", kernel=kernel, bias=bias)
    return folder


@pytest.fixture(scope="module", name="pack")
def make_pack(tmp_path_factory):
    """Forty pairs in which most are not of one person but look alike."""
    path = tmp_path_factory.mktemp("pack") / "faces.bin"
    images = [cv2.imencode(".png", smooth_image(seed // 3)[:, :, ::-1])[1].tobytes() for seed in range(80)]
    path.write_bytes(pickle.dumps((images, [pair % 3 == 0 for pair in range(40)])))
    return path


def config(model, protocol, data="synthetic", **changes):
    source = SYNTHETIC if data == "synthetic" else SourceConfig(data)
    return EvaluationConfig(str(model), protocol, source, VIEW, **{"cross": True, **changes})


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def rows_of(images, answer, *, flip, normalized=True):
    """What `answer` gives for each RGB picture, and its mirror image, as float64 rows."""
    found = []
    for image in images:
        seen = evaluation_view(make_canvas(np.ascontiguousarray(image), VIEW), tf.zeros([5, 2]), VIEW)[0].numpy()
        parts = [answer(view[np.newaxis])[0].astype(np.float64) for view in ([seen, seen[:, ::-1]] if flip else [seen])]
        found.append(unit(sum(map(unit, parts))) if normalized else sum(parts))
    return np.array(found)


def hidden_of(network):
    return lambda images: network(images)["hidden"].numpy()


def projected(network, projection):
    return lambda images: network(images)["hidden"].numpy() @ projection["kernel"] + projection["bias"]


def rank1(probes, gallery, people):
    """In percent, by a loop: the query's own image does not count, whoever embeds it."""
    right = []
    for query, probe in enumerate(probes):
        distances = np.sum((gallery - probe) ** 2, axis=1)
        distances[query] = np.inf
        right.append(people[distances.argmin()] == people[query])
    return 100 * np.mean(right)


@pytest.mark.parametrize("flip", [False, True])
def test_retrieval_by_hand(runs, teacher, student, projection, tmp_path, flip):
    test = open_data(SYNTHETIC, VIEW).test
    images = [decode_image(encoded).numpy() for encoded in test.source.read(test.records)]
    probes, own, gallery = (
        rows_of(images, answer, flip=flip) for answer in (projected(student, projection), hidden_of(student), hidden_of(teacher))
    )
    scores = evaluate(config(runs / "student", "retrieval", flip=flip), str(tmp_path / "scores"))
    people = test.identities
    expected = {
        "rank1": rank1(probes, gallery, people),
        "student_rank1": rank1(own, own, people),
        "teacher_rank1": rank1(gallery, gallery, people),
    }
    assert {key: scores[key] for key in expected} == pytest.approx(expected, abs=1e-3)
    # Random networks in one space know each other less than themselves.
    assert len(set(expected.values())) == 3
    assert scores["queries"] == len(test) and scores["cross"] is True and "student_queries" not in scores
    assert json.loads((tmp_path / "scores" / "metrics.json").read_text()) == scores
    assert set(os.listdir(tmp_path / "scores")) == {"metrics.json", "wrong_queries.png"}


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("distance", [None, "raw_squared_l2"])
def test_pairs_by_hand(runs, lfw, teacher, student, projection, tmp_path, distance, flip):
    images, same, folds = lfw_pairs(lfw)
    probes, own, gallery = (
        rows_of(images, answer, flip=flip, normalized=distance is None)
        for answer in (projected(student, projection), hidden_of(student), hidden_of(teacher))
    )
    scores = evaluate(config(runs / "student", "lfw", f"lfw:{lfw}", flip=flip, distance=distance), str(tmp_path / "scores"))
    # The first image of each pair is the student's, the second the teacher's.
    for prefix, first, second in (("", probes, gallery), ("student_", own, own), ("teacher_", gallery, gallery)):
        distances = np.sum((first[::2] - second[1::2]) ** 2, axis=1)
        mean, std = accuracy(distances, same, folds)
        area = np.mean([[(one < other) + (one == other) / 2 for other in distances[~same]] for one in distances[same]])
        expected = {"lfw_accuracy": mean, "lfw_std": std, "roc_area": area}
        assert {key: scores[f"{prefix}{key}"] for key in expected} == pytest.approx(expected, abs=1e-3)
        assert f"{prefix}threshold" in scores
    assert (scores["pairs"], scores["folds"]) == (8, 2) and "teacher_pairs" not in scores
    assert set(os.listdir(tmp_path / "scores")) == {"metrics.json", "roc.png", "hardest_pairs.png"}


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("protocol", ["retrieval", "lfw", "bin"])
def test_a_student_that_is_the_teacher_costs_nothing(runs, lfw, pack, protocol, flip):
    """Its hidden layer is wider, and the projection gives K_T from it."""
    data = {"lfw": f"lfw:{lfw}", "bin": f"bin:{pack}"}.get(protocol, "synthetic")
    scores = evaluate(config(runs / "exact", protocol, data, flip=flip))
    alone = evaluate(config(runs / "teacher", protocol, data, flip=flip, cross=False))
    numbers = {key: value for key, value in alone.items() if isinstance(value, float)}
    assert {key: scores[key] for key in numbers} == pytest.approx(numbers, abs=2e-3)
    assert {key: scores[f"teacher_{key}"] for key in numbers} == numbers
    student = evaluate(config(runs / "exact", protocol, data, flip=flip, cross=False))
    assert {key: scores[f"student_{key}"] for key in numbers} == {key: student[key] for key in numbers}


def test_a_student_as_wide_as_its_teacher_needs_no_projection(runs, teacher, tmp_path):
    store_run(tmp_path / "student", teacher, f"--teacher={runs}/teacher\n--beta=0.5\n")
    scores = evaluate(config(tmp_path / "student" / "student.keras", "retrieval"))
    assert scores["rank1"] == scores["teacher_rank1"] == scores["student_rank1"]


@pytest.mark.parametrize("weights", ["--task=embedding\n--beta=1.0\n", "--task=embedding\n--beta=0.0\n--cosine_weight=1.0\n"])
def test_a_student_that_answers_in_its_teachers_space(runs, tmp_path, weights):
    """That of an embedding run: it has learned the hidden layer by one term or another, and its projection is its last layer."""
    kernel, bias = load_network(str(runs / "teacher"), "model", image_size=16).get_layer("embed").get_weights()
    projected = project_network(make_network(None, 4), Projection(kernel, bias))
    store_run(tmp_path / "student", projected, f"{weights}--teacher={runs}/teacher\n")
    scores = evaluate(config(tmp_path / "student", "retrieval"))
    assert scores["rank1"] == scores["student_rank1"] == scores["teacher_rank1"] == evaluate(config(runs / "exact", "retrieval"))["rank1"]


def test_another_teacher_is_taken_and_warned_of(runs, student, teacher, projection, tmp_path, caplog):
    store_run(tmp_path / "student", student, "--teacher=/gone\n--beta=1.0\n", **projection)
    write_text(tmp_path / "student" / "run.json", json.dumps([{"data": {"teacher": "0123456789abcdef"}}]))
    with caplog.at_level(logging.WARNING, "kd_tf"):
        scores = evaluate(config(tmp_path / "student", "retrieval", teacher=f"{runs}/teacher"))
    assert scores["rank1"] == evaluate(config(runs / "student", "retrieval"))["rank1"]
    warning = f"--teacher={runs}/teacher has other weights than the teacher of {tmp_path}/student: the projection was not trained for it"
    assert warning in caplog.messages


def refusal(*arguments, **changes):
    with pytest.raises(InputError) as error:
        evaluate(config(*arguments, **changes))
    return str(error.value)


def test_runs_without_projection(runs, student, teacher, tmp_path):
    store_run(tmp_path / "soft", student, f"--teacher={runs}/teacher\n--beta=0.0\n")
    store_run(tmp_path / "as_wide", teacher, f"--teacher={runs}/teacher\n--beta=0.0\n")
    (tmp_path / "bare").mkdir()
    save_network(student, str(tmp_path / "bare" / "student.keras"))
    for name, beta in (("soft", "0.0"), ("as_wide", "0.0"), ("bare", "unknown")):
        assert refusal(tmp_path / name, "retrieval", teacher=f"{runs}/teacher") == (
            f"--cross needs projection.npz, which --model={tmp_path}/{name} lacks (its --beta: {beta}); distill it with "
            "--targets=hidden, cosine or similarity among others (runs of earlier versions, again: they did not keep it)"
        )


def test_teachers_that_are_not_there(runs, student, projection, tmp_path):
    assert refusal(runs / "student", "retrieval", teacher="/nowhere") == "--teacher=/nowhere does not exist"
    store_run(tmp_path / "moved", student, "--teacher=/moved\n", **projection)
    expected = f"--teacher=/moved does not exist; that is what --model={tmp_path}/moved learned from: give --teacher=RUN"
    assert refusal(tmp_path / "moved", "retrieval") == expected
    store_run(tmp_path / "cached", student, "--teacher_cache=/cache\n", **projection)
    expected = (
        f"--cross needs a teacher, and --model={tmp_path}/cached names none: it learned from --teacher_cache=/cache; give --teacher=RUN"
    )
    assert refusal(tmp_path / "cached", "retrieval") == expected


def test_widths_that_do_not_fit(runs, student, projection, tmp_path):
    store_run(tmp_path / "wide", make_network(8, 5))
    expected = (
        f"{runs}/student/projection.npz maps width 5 to 7, but the student's hidden layer has width 5 and the teacher's 8; give the "
        "--teacher that the run learned from"
    )
    assert refusal(runs / "student", "retrieval", teacher=f"{tmp_path}/wide") == expected
    store_run(tmp_path / "other", make_network(6, 6), f"--teacher={runs}/teacher\n", **projection)
    assert "maps width 5 to 7, but the student's hidden layer has width 6 and the teacher's 7" in refusal(tmp_path / "other", "retrieval")


def test_models_that_are_no_runs(student, tmp_path):
    np.savez(tmp_path / "rows.npz", embeddings=np.eye(36))
    export_saved_model(student, VIEW, str(tmp_path / "exported"))
    for name, what in (("rows.npz", "holds embeddings"), ("exported", "is an exported model")):
        expected = f"--cross needs a run and its projection.npz: --model={tmp_path}/{name} {what}; give the run directory"
        assert refusal(tmp_path / name, "retrieval") == expected


def test_flags_that_do_not_fit_together(runs):
    expected = "--cross has no effect with --protocol=classification; it is for retrieval, lfw, bin"
    assert refusal(runs / "student", "classification") == expected
    assert refusal(runs / "student", "retrieval", cross=False, teacher="/t") == "--teacher=/t has no effect without --cross"


def test_a_teacher_whose_answers_are_no_numbers(runs, student, projection, tmp_path):
    images = tf.keras.Input([16, 16, 3])
    broken = tf.keras.layers.Dense(7)(tf.keras.layers.GlobalAveragePooling2D()(images)) * np.nan
    store_run(tmp_path / "broken", tf.keras.Model(images, {"hidden": broken, "embedding": broken}, name="broken"))
    assert "the teacher 'broken': its embedding is not finite for 36 of 36 images" in refusal(
        runs / "student", "retrieval", teacher=f"{tmp_path}/broken"
    )
