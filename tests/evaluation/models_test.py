import dataclasses
import os

import cv2
import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.folder import open_folder
from kd_tf.data.source import FileSource
from kd_tf.data.split import Split
from kd_tf.data.views import ViewConfig, evaluation_landmarks, evaluation_view, make_canvas
from kd_tf.errors import InputError
from kd_tf.evaluation.embeddings import StoredEmbeddings
from kd_tf.evaluation.exported import ExportedModel
from kd_tf.evaluation.models import NetworkModel, open_model
from kd_tf.export.saved_model import export_saved_model
from kd_tf.networks.face_network import NetworkConfig, make_face_network
from kd_tf.networks.stored import save_network
from kd_tf.teachers.embedding.teacher_view import view_file
from tests.images import write_people
from tests.teachers.embedding.teachers import onnx_teacher

VIEW = ViewConfig(image_size=16, central_fraction=0.75)
ALL = ("logits", "embedding", "landmarks")


@pytest.fixture(scope="module", name="network")
def make_network():
    tf.keras.utils.set_random_seed(0)
    return make_face_network(NetworkConfig("resnet14", 8), image_size=16, identities=3, landmarks=True)


@pytest.fixture(scope="module", name="exported")
def export(network, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("export") / "model")
    export_saved_model(network, VIEW, path)
    return path


@pytest.fixture(scope="module", name="split")
def make_split(tmp_path_factory):
    """Five photographs of three people, without the first."""
    root = write_people(tmp_path_factory.mktemp("faces"), {"ann": 3, "bob": 2, "cat": 1}, ending=".png")
    source = open_folder(str(root))
    landmarks = np.random.default_rng(0).uniform(0.3, 0.7, [6, 5, 2]).astype(np.float32)
    return Split(FileSource(source.name, str(root), source.paths, ["ann"] * 3 + ["bob"] * 2 + ["cat"], landmarks), np.arange(1, 6))


def photograph(split, place):
    """The decoded file, by another reader."""
    return cv2.imread(split.source.describe(split.records[place]))[:, :, ::-1]


def crop(image):
    return evaluation_view(make_canvas(np.ascontiguousarray(image), VIEW), tf.zeros([5, 2]), VIEW)[0].numpy()


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def asked(network, split, *, flipped=False):
    """The network's outputs for each photograph's crop, one by one."""
    crops = [crop(photograph(split, place)) for place in range(len(split))]
    outputs = [network((seen[:, ::-1] if flipped else seen)[np.newaxis]) for seen in crops]
    return {key: np.concatenate([output[key] for output in outputs]) for key in outputs[0]}


def test_a_network_answers_in_its_crop(network, split):
    model, outputs = NetworkModel(network, VIEW, batch_size=2), asked(network, split)
    assert {key: shape[1:] for key, shape in model.outputs.items()} == {
        "hidden": (256,), "embedding": (256,), "logits": (3,), "landmarks": (5, 2)
    }  # fmt: skip
    answers = model.answers(split, (*ALL, "hidden"))
    np.testing.assert_array_equal(answers.identities, [0, 0, 1, 1, 2])
    assert answers.identity_names == ["ann", "bob", "cat"]
    np.testing.assert_array_equal(answers.predicted, outputs["logits"].argmax(axis=1))
    np.testing.assert_allclose(answers.probability, tf.nn.softmax(outputs["logits"]).numpy().max(axis=1), rtol=1e-4)
    for key in ("embedding", "hidden", "landmarks"):
        np.testing.assert_allclose(getattr(answers, key), outputs[key], atol=1e-5)
    np.testing.assert_allclose(answers.true_landmarks, evaluation_landmarks(split.landmarks, VIEW), atol=1e-5)
    np.testing.assert_array_equal(answers.picture(3), crop(photograph(split, 3)))


def test_a_cache_changes_nothing(network, split, tmp_path):
    answers = NetworkModel(network, VIEW, str(tmp_path)).answers(split, ALL)
    expected = NetworkModel(network, VIEW).answers(split, ALL)
    assert len(list(tmp_path.iterdir())) == 1
    for key in ("identities", "ranks", "embedding", "landmarks", "true_landmarks"):
        np.testing.assert_allclose(getattr(answers, key), getattr(expected, key), atol=1e-6)
    np.testing.assert_array_equal(answers.picture(2), expected.picture(2))


def test_an_exported_model_answers_as_its_network_in_the_whole_image(network, exported, split):
    model = ExportedModel(exported)
    assert {key: shape[1:] for key, shape in model.outputs.items()} == {"embedding": (256,), "logits": (3,), "landmarks": (5, 2)}
    answers, expected = model.answers(split, ALL), NetworkModel(network, VIEW).answers(split, ALL)
    for key in ("identities", "ranks", "predicted"):
        np.testing.assert_array_equal(getattr(answers, key), getattr(expected, key))
    for key in ("probability", "embedding"):
        np.testing.assert_allclose(getattr(answers, key), getattr(expected, key), atol=1e-5)
    np.testing.assert_allclose(evaluation_landmarks(answers.landmarks, VIEW), expected.landmarks, atol=1e-5)
    np.testing.assert_array_equal(answers.true_landmarks, split.landmarks)
    np.testing.assert_array_equal(answers.picture(3), photograph(split, 3))


def test_a_flip_is_of_the_crop_for_a_network_and_of_the_image_for_an_exported_model(network, exported, split):
    seen, flipped = asked(network, split), asked(network, split, flipped=True)
    answers = NetworkModel(network, VIEW).answers(split, ("embedding", "hidden"), flip=True)
    np.testing.assert_allclose(answers.embedding, unit(seen["embedding"] + flipped["embedding"]), atol=1e-5)
    np.testing.assert_allclose(answers.hidden, seen["hidden"] + flipped["hidden"], atol=1e-4)
    images = [photograph(split, place)[:, ::-1] for place in range(len(split))]
    of_images = np.concatenate([network(crop(image)[np.newaxis])["embedding"] for image in images])
    whole = ExportedModel(exported).answers(split, ("embedding",), flip=True)
    np.testing.assert_allclose(whole.embedding, unit(seen["embedding"] + of_images), atol=1e-5)


@pytest.mark.parametrize("kind", ["network", "exported"])
def test_a_photograph_that_cannot_be_decoded_is_named(kind, network, exported, tmp_path):
    root = write_people(tmp_path, {"ann": 2})
    (root / "ann" / "ann_0002.jpg").write_bytes(b"no picture")
    source = open_folder(str(root))
    model = NetworkModel(network, VIEW) if kind == "network" else ExportedModel(exported)
    with pytest.raises(InputError, match="ann_0002.jpg is not an image that can be decoded"):
        model.answers(Split(source, np.arange(2)), ("embedding",))


def test_what_is_not_finite_is_named(network, split):
    answers = NetworkModel(network, VIEW).answers(split, ("embedding",))
    answers.require_finite("the model", split)
    answers.embedding[3, 7] = np.nan
    with pytest.raises(InputError, match="the model: its embedding is not finite for 1 of 5 images, the first is .*/bob/bob_0002.png"):
        answers.require_finite("the model", split)


def test_what_path_is_opened_as_what(network, exported, tmp_path):
    save_network(network, str(tmp_path / "student.keras"))
    np.savez(tmp_path / "rows.npz", embeddings=np.eye(3))
    assert isinstance(open_model(str(tmp_path), VIEW), NetworkModel)
    assert isinstance(open_model(str(tmp_path / "student.keras"), VIEW), NetworkModel)
    assert isinstance(open_model(exported, VIEW), ExportedModel)
    assert isinstance(open_model(str(tmp_path / "rows.npz"), VIEW), StoredEmbeddings)
    with pytest.raises(InputError, match="takes images of 16x16 pixels, but --image_size=32"):
        open_model(str(tmp_path), dataclasses.replace(VIEW, image_size=32))
    for path in (exported, str(tmp_path / "rows.npz")):
        with pytest.raises(InputError, match="--image_cache=cache holds what a network sees"):
            open_model(path, VIEW, "cache")


def test_a_saved_model_without_the_signature(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "bare"))
    with pytest.raises(InputError, match="bare lacks the signature 'serving_default' that kd-export writes .*bare.view.json$"):
        open_model(str(tmp_path / "bare"), VIEW)


def test_an_onnx_file_of_others(tmp_path):
    path = onnx_teacher(tmp_path)
    os.remove(view_file(path))
    with pytest.raises(InputError, match="its inputs are given instead of images; .* declare the view of .*means.onnx.view.json$"):
        open_model(path, VIEW)


def test_a_saved_model_that_cannot_be_read(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"no model")
    with pytest.raises(InputError, match=f"--model={tmp_path} cannot be loaded"):
        open_model(str(tmp_path), VIEW)
