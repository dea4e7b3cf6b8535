"""Runs of --task=embedding, from a teacher that runs and from stored embeddings of photographs that nobody labelled."""

import json
import os

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.dataset import FaceData, open_data
from kd_tf.data.pipeline import evaluation_batches
from kd_tf.data.sources import SourceConfig
from kd_tf.errors import InputError
from kd_tf.evaluation.evaluate import EvaluationConfig, evaluate
from kd_tf.export.config import ExportConfig
from kd_tf.export.export import export
from kd_tf.networks.face_network import NetworkConfig, output_shapes
from kd_tf.networks.initialization import weights_by_path
from kd_tf.networks.projection import load_projection
from kd_tf.networks.stored import load_network
from kd_tf.training.caching import ImportConfig, import_teacher
from kd_tf.training.checkpoints import list_checkpoints
from kd_tf.training.config import DistillationConfig
from kd_tf.training.prepared import open_run_data
from kd_tf.training.run import _keep_projection, run
from kd_tf.training.run_directory import RunDirectory
from kd_tf.training.student import make_distiller
from tests.images import smooth_image, write_image, write_text
from tests.runs import SOURCE, VIEW, small_run
from tests.training.events import values_of

NARROW = NetworkConfig("resnet14", 16)
ONCE = {"steps": 2, "evaluations": 1}
WIDTH = 5


@pytest.fixture(scope="module", name="teacher")
def make_teacher(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("runs") / "teacher")
    run(small_run(path, training=ONCE))
    return path


@pytest.fixture(scope="module", name="learned")
def make_learned(teacher, tmp_path_factory):
    """A run of a student half as wide as its teacher; `projection.npz` is left of another attempt."""
    path = tmp_path_factory.mktemp("runs") / "student"
    return str(path), run(_embedding_run(path, DistillationConfig(teacher=teacher, beta=1.0)))


def _embedding_run(path, distillation, **changes):
    return small_run(path, task="embedding", network=NARROW, distillation=distillation, **{"training": ONCE, **changes})


@pytest.fixture(scope="module", name="photographs")
def make_photographs(tmp_path_factory):
    """Thirty, of nobody knows whom, and embeddings of them."""
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(30):
        write_image(folder / "photos" / f"{number:02d}.png", smooth_image(number))
    rows = np.random.RandomState(0).normal(size=[30, WIDTH]).astype(np.float32)
    # In another order than the names of the files.
    order = np.random.RandomState(1).permutation(30)
    np.savez(folder / "rows.npz", embeddings=rows[order], names=[f"{number:02d}.png" for number in order])
    source = SourceConfig(f"folder:{folder}/photos")
    import_teacher(ImportConfig(str(folder / "rows.npz"), str(folder / "cache"), source, "float32"))
    return source, str(folder / "cache"), rows


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _answers(network: tf.keras.Model, data: FaceData, output: str) -> np.ndarray:
    """Those to the test images, float64."""
    batches = evaluation_batches(data.test, data.view, batch_size=len(data.test))
    return np.concatenate([network(images)[output].numpy() for images, _ in batches]).astype(np.float64)


def _projection(path: str) -> list[np.ndarray]:
    """Kernel and bias as they were trained."""
    state = tf.train.load_checkpoint(os.path.join(list_checkpoints(f"{path}/checkpoints")[-1].path, "state"))
    return [state.get_tensor(f"projection/{name}/.ATTRIBUTES/VARIABLE_VALUE") for name in ("kernel", "bias")]


def _rank1(probes, gallery, people):
    """In percent, by a loop; the query's own image does not count, and people with one image are no queries."""
    right = []
    for query, probe in enumerate(probes):
        if np.sum(people == people[query]) == 1:
            continue
        distances = np.sum((gallery - probe) ** 2, axis=1)
        distances[query] = np.inf
        right.append(people[distances.argmin()] == people[query])
    return 100 * np.mean(right)


def test_the_saved_student_is_p_of_k(learned):
    path, metrics = learned
    network, data = load_network(path, "model", image_size=16), open_data(SOURCE, VIEW)
    assert output_shapes(network) == {"hidden": (None, 256), "embedding": (None, 256)}
    trunk = tf.keras.Model(network.input, {"hidden": network.get_layer("hidden").output})
    kernel, bias = _projection(path)
    expected = _answers(trunk, data, "hidden") @ kernel + bias
    np.testing.assert_allclose(_answers(network, data, "hidden"), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(_answers(network, data, "embedding"), _unit(expected), atol=1e-5)
    assert metrics["parameters"] == sum(weight.numpy().size for weight in network.trainable_weights)


def test_the_scores_are_those_of_the_saved_student_and_its_teacher(learned, teacher):
    path, metrics = learned
    data = open_data(SOURCE, VIEW)
    student, wanted = (_unit(_answers(load_network(model, "model", image_size=16), data, "hidden")) for model in (path, teacher))
    assert metrics["cosine"] == pytest.approx(np.mean(np.sum(student * wanted, axis=1)), abs=1e-4)
    assert metrics["rank1"] == pytest.approx(_rank1(student, student, data.test.identities), abs=1e-3)
    assert metrics["task"] == "embedding" and "top1" not in metrics
    with open(os.path.join(path, "metrics.json"), encoding="utf-8") as file:
        assert json.load(file) == metrics
    told = {tag: value for tag, step, value in values_of(os.path.join(path, "tensorboard"), "scalars") if tag.startswith("score/")}
    assert {tag: told[tag] for tag in ("score/cosine", "score/rank1")} == pytest.approx(
        {"score/cosine": metrics["cosine"], "score/rank1": metrics["rank1"]}, rel=1e-5
    )
    assert "score/cosine_of_teacher" not in told and "score/rank1_of_teacher" in told


def test_nothing_lies_beside_the_student(learned):
    path, _ = learned
    found = set(os.listdir(path))
    assert {"student.keras", "saved_model", "metrics.json"} <= found and not {"projection.npz", "identities.txt"} & found
    with open(os.path.join(path, "log.txt"), encoding="utf-8") as file:
        assert "part of the student: the projection of the hidden layer to the teacher's 256 channels" in file.read()


def test_it_stands_in_for_its_teacher(learned, teacher):
    path, metrics = learned
    data = open_data(SOURCE, VIEW)
    probes, gallery = (_answers(load_network(model, "model", image_size=16), data, "embedding") for model in (path, teacher))
    scores = evaluate(EvaluationConfig(path, "retrieval", SOURCE, VIEW, cross=True))
    expected = {
        "rank1": _rank1(probes, gallery, data.test.identities),
        "student_rank1": metrics["rank1"],
        "teacher_rank1": _rank1(gallery, gallery, data.test.identities),
    }
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-3)
    # What a run exports, and what kd-export makes of it, answers photographs.
    assert evaluate(EvaluationConfig(f"{path}/saved_model", "retrieval", SOURCE, VIEW))["rank1"] == pytest.approx(
        metrics["rank1"], abs=1e-3
    )


def test_it_is_exported(learned, tmp_path):
    path, metrics = learned
    export(ExportConfig(path, str(tmp_path / "out"), SOURCE, VIEW, task="embedding"))
    assert set(os.listdir(tmp_path / "out")) >= {"saved_model.pb", "model_card.md"}
    card = (tmp_path / "out" / "model_card.md").read_text()
    assert "trained for embedding" in card and "* `embedding` [256]" in card
    assert f"* cosine to the teacher: {metrics['cosine']}\n" in card and f"* rank-1, %: {metrics['rank1']}\n" in card


@pytest.mark.parametrize("task", ["alignment", "verification"])
def test_its_trunk_goes_to_students_of_other_tasks(learned, task):
    path, _ = learned
    config = small_run("runs/x", task=task, network=NARROW, init=path)
    distiller, report = make_distiller(config, open_run_data(config))
    given, found = weights_by_path(load_network(path, "model", image_size=16)), weights_by_path(distiller.student)
    trunk = [name for name in given if name.startswith("trunk/")]
    assert len(trunk) == 87 and set(trunk) == {name for name in found if name.startswith("trunk/")}
    for name in trunk:
        assert found[name].numpy().tobytes() == given[name].numpy().tobytes()
    assert "copied 87 of" in report and report.endswith("dropped: hidden_projection/kernel, hidden_projection/bias")


def test_photographs_without_labels(photographs, tmp_path):
    source, cache, rows = photographs
    path = str(tmp_path / "run")
    metrics = run(_embedding_run(path, DistillationConfig(teacher_cache=cache, beta=1.0), source=source))
    network, data = load_network(path, "model", image_size=16), open_data(source, VIEW)
    answers = _answers(network, data, "hidden")
    assert answers.shape == (6, WIDTH) and "rank1" not in metrics
    cosines = np.sum(_unit(answers) * _unit(rows[data.test.records]), axis=1)
    assert metrics["cosine"] == pytest.approx(np.mean(cosines), abs=1e-4)
    assert not os.path.exists(f"{path}/projection.npz")
    with open(f"{path}/log.txt", encoding="utf-8") as file:
        assert "24 training and 6 test images of unknown people; 2 steps of 8 images" in file.read()
    with pytest.raises(InputError, match=f"^{source.data} has no labels, which --protocol=retrieval needs: "):
        evaluate(EvaluationConfig(path, "retrieval", source, VIEW))


@pytest.mark.parametrize(("task", "left"), [("embedding", False), ("hint", False), ("classification", True)])
def test_a_projection_of_other_flags_does_not_stay(tmp_path, task, left):
    layer = tf.keras.layers.Dense(WIDTH)
    layer.build([None, 3])
    for name in ("of_other_flags", "of_none"):
        write_text(tmp_path / name / "projection.npz", "of other flags")
    _keep_projection(layer, task, RunDirectory(str(tmp_path / "of_other_flags")))
    assert os.path.exists(tmp_path / "of_other_flags" / "projection.npz") == left
    if left:
        np.testing.assert_array_equal(load_projection(str(tmp_path / "of_other_flags" / "projection.npz")).kernel, layer.kernel)
    _keep_projection(None, task, RunDirectory(str(tmp_path / "of_none")))
    assert os.listdir(tmp_path / "of_none") == []
