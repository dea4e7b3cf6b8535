"""Teachers from elsewhere that tests can compute by hand: the mean colours of the four quarters of an image, `[batch, 12]`."""

import json

import numpy as np
import tensorflow as tf

from kd_tf.teachers.embedding.teacher_view import view_file

SIZE = 20
MODULE = '''"""The mean colours of the quarters of an image."""

import numpy as np

ASKED = []


def quarters(images):
    assert images.dtype == np.uint8
    ASKED.append(images.shape)
    batch, side = images.shape[:2]
    halves = images.reshape(batch, 2, side // 2, 2, side // 2, 3)
    return halves.mean(axis=(2, 4)).reshape(batch, 12)


def flat(images):
    return images.mean(axis=(1, 2, 3))


def noisy(images):
    return quarters(images) + np.random.default_rng().normal(size=[len(images), 12])


def named(images):
    return {"quarters": quarters(images), "means": flat(images)}


def loud(images):
    return 1e4 * (1 + quarters(images))


def of_bright_ones(images):
    return quarters(images) * (images.max(axis=(1, 2, 3)) > 99)[:, np.newaxis]


def words(images):
    return [["a", "b"] for _ in images]


def waves(images):
    return quarters(images) * 1j


def nothing(images):
    return np.empty([len(images), 0])


def ends(images):
    raise SystemExit(3)


def broken(images):
    raise KeyError("no weights")
'''


def quarters(images: np.ndarray) -> np.ndarray:
    """What the teachers below say of images as they get them, `[batch, side, side, 3]`."""
    batch, side = images.shape[:2]
    return images.reshape(batch, 2, side // 2, 2, side // 2, 3).mean(axis=(2, 4)).reshape(batch, 12)


def declare(teacher: str, **view) -> str:
    """Writes the view of the teacher at a path, and gives the path."""
    with open(view_file(teacher), "w", encoding="utf-8") as file:
        json.dump({"image_size": SIZE} | view, file)
    return teacher


def python_teacher(folder, function: str = "quarters", **view) -> str:
    """A function of Python."""
    (folder / "faces.py").write_text(MODULE, encoding="utf-8")
    declare(str(folder / f"faces.{function}"), **view)
    return f"python:{folder}/faces.py:{function}"


def quarters_model() -> tf.keras.Model:
    """Of Keras, for images of any size."""
    images = tf.keras.Input([SIZE, SIZE, 3])
    means = tf.keras.layers.AveragePooling2D(SIZE // 2)(images)
    return tf.keras.Model(images, tf.keras.layers.Reshape([12])(means))


def keras_teacher(folder, *, dtype: str = "float32", **view) -> str:
    """A `.keras` file, which answers in a dtype."""
    path, model = str(folder / "quarters.keras"), quarters_model()
    tf.keras.Model(model.input, tf.keras.layers.Activation("linear", dtype=dtype)(model.output)).save(path)
    return declare(path, **view)


def saved_model_teacher(folder, **view) -> str:
    """A folder that Keras did not write, with two signatures; that of `whole` has two answers."""
    module, model = tf.Module(), quarters_model()
    module.model = model
    spec = tf.TensorSpec([None, SIZE, SIZE, 3], tf.float32, name="photographs")
    plain = tf.function(lambda photographs: model(photographs), input_signature=[spec])
    whole = tf.function(lambda photographs: {"quarters": model(photographs), "size": tf.shape(photographs)}, input_signature=[spec])
    path = str(folder / "saved_model")
    tf.saved_model.save(module, path, signatures={"serving_default": plain, "whole": whole})
    return declare(path, **view)


def onnx_teacher(folder, *, external: bool = False, batch: int | str = "batch", dtype: str = "FLOAT", **view) -> str:
    """A file for images `[batch, 3, SIZE, SIZE]`: their mean colours `[batch, 3]`, times a matrix that `external` puts beside it."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    path = str(folder / "means.onnx")
    weights = numpy_helper.from_array(np.eye(3, dtype=np.float32), "weights")
    nodes = [helper.make_node("GlobalAveragePool", ["images"], ["pooled"]), helper.make_node("Flatten", ["pooled"], ["flat"])]
    nodes.append(helper.make_node("MatMul", ["flat", "weights"], ["means"]))
    nodes.insert(0, helper.make_node("Cast", ["given"], ["images"], to=TensorProto.FLOAT))
    images = helper.make_tensor_value_info("given", getattr(TensorProto, dtype), [batch, 3, SIZE, SIZE])
    means = helper.make_tensor_value_info("means", TensorProto.FLOAT, [batch, 3])
    graph = helper.make_graph(nodes, "means", [images], [means], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = {"save_as_external_data": True, "location": "means.weights", "size_threshold": 0} if external else {}
    onnx.save_model(model, path, **options)
    return declare(path, layout="channels_first", **view)
