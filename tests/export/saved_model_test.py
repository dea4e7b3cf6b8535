import os

import cv2
import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.views import ViewConfig, evaluation_view, landmarks_in_image, make_canvas
from kd_tf.errors import InputError
from kd_tf.export.saved_model import export_saved_model
from kd_tf.networks.face_network import NetworkConfig, make_face_network

VIEW = ViewConfig(image_size=16, central_fraction=0.75)


@pytest.fixture(scope="module")
def network():
    tf.keras.utils.set_random_seed(0)
    return make_face_network(NetworkConfig("resnet14", 8), image_size=16, identities=3, landmarks=True)


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("export") / "model")
    export_saved_model(network, VIEW, path)
    return path


def photographs(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, [count, 40, 50, 3], dtype=np.uint8)


def expected(network, images) -> dict[str, np.ndarray]:
    views = tf.stack([evaluation_view(make_canvas(image, VIEW), tf.zeros([5, 2]), VIEW)[0] for image in images])
    outputs = network(views, training=False)
    return {
        "embedding": outputs["embedding"].numpy(),
        "probabilities": tf.nn.softmax(outputs["logits"]).numpy(),
        # The centre of the first pixel is at 0, 0.
        "landmarks": landmarks_in_image(outputs["landmarks"], VIEW).numpy() * [[image.shape[1::-1]] for image in images] - 0.5,
    }


def check(answer, wanted) -> None:
    assert set(answer) == set(wanted)
    for key, value in wanted.items():
        np.testing.assert_allclose(answer[key].numpy(), value, atol=1e-4 if key == "landmarks" else 1e-5)


def test_images_give_what_the_network_gives_for_their_evaluation_view(network, exported):
    images = photographs(3)
    signature = tf.saved_model.load(exported).signatures["serving_default"]
    check(signature(images=tf.constant(images)), expected(network, images))


def test_a_single_image_gives_its_row_of_the_batch(network, exported):
    image = photographs(2)[1]
    signature = tf.saved_model.load(exported).signatures["single_image"]
    check(signature(image=tf.constant(image)), {key: value[0] for key, value in expected(network, [image]).items()})


def test_encoded_images_of_different_sizes_are_decoded(network, exported):
    images = [photographs(1)[0], np.ascontiguousarray(photographs(2)[1][:30])]
    encoded = [cv2.imencode(".png", image[:, :, ::-1])[1].tobytes() for image in images]
    signature = tf.saved_model.load(exported).signatures["encoded_images"]
    check(signature(encoded_images=tf.constant(encoded)), expected(network, images))


def test_a_jpeg_is_decoded(network, exported):
    encoded = cv2.imencode(".jpg", photographs(1)[0])[1].tobytes()
    signature = tf.saved_model.load(exported).signatures["encoded_images"]
    check(signature(encoded_images=tf.constant([encoded])), expected(network, [tf.io.decode_jpeg(encoded)]))


def test_outputs_that_the_network_lacks_are_not_served(tmp_path):
    bare = make_face_network(NetworkConfig("resnet14", 8), image_size=16)
    export_saved_model(bare, VIEW, str(tmp_path / "model"))
    signature = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"]
    assert set(signature.structured_outputs) == {"embedding"}


def test_an_existing_export_is_kept_unless_it_may_be_replaced(network, exported):
    before = os.path.getmtime(os.path.join(exported, "saved_model.pb"))
    with pytest.raises(InputError, match="exists; give another --output or --overwrite"):
        export_saved_model(network, VIEW, exported)
    assert os.path.getmtime(os.path.join(exported, "saved_model.pb")) == before


def test_only_a_saved_model_is_replaced(network, exported, tmp_path):
    export_saved_model(network, VIEW, exported, overwrite=True)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="is not a SavedModel or another export and will not be replaced"):
        export_saved_model(network, VIEW, str(tmp_path), overwrite=True)
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_nothing_is_left_of_an_export_that_cannot_be_written(network, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        export_saved_model(network, VIEW, str(tmp_path / "file" / "model"))
    assert os.listdir(tmp_path) == ["file"]
