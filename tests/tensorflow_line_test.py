import os
import subprocess
import sys
import zipfile

import pytest
import tensorflow as tf

from kd_tf.errors import InputError
from kd_tf.tensorflow_line import HAS_ADDONS, addons_optimizers, make_portable

with_addons = pytest.mark.skipif(not HAS_ADDONS, reason="this Python has no TensorFlow Addons")
without_addons = pytest.mark.skipif(HAS_ADDONS, reason="this Python has TensorFlow Addons, and tf.keras is Keras 2")


def python(code, **environment) -> subprocess.CompletedProcess:
    clean = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=clean | environment)


@pytest.mark.parametrize(
    ("imports", "environment"),
    [
        ("import kd_tf, tensorflow as tf", {}),
        ("import tensorflow as tf, kd_tf", {}),
        ("import kd_tf, tensorflow as tf", {"TF_USE_LEGACY_KERAS": "1"}),
        ("import keras, kd_tf, tensorflow as tf", {"TF_USE_LEGACY_KERAS": "0"}),
    ],
)
def test_keras_is_keras_2_whatever_is_imported_first(imports, environment):
    # Models are TensorFlow modules in Keras 2 alone.
    done = python(f"{imports}; print(issubclass(tf.keras.Model, tf.Module))", **environment)
    assert done.stdout == "True\n", done.stderr


@without_addons
def test_keras_3_that_is_active_is_refused_with_what_to_do():
    done = python("import tensorflow as tf; tf.keras.Model; import kd_tf")
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert last.startswith("ImportError: tf.keras is Keras 3.")
    assert last.endswith("import kd_tf before tf.keras is used, or set the environment variable TF_USE_LEGACY_KERAS=1")


@without_addons
def test_optimizers_of_tensorflow_addons_are_refused():
    with pytest.raises(InputError, match=r"^--optimizer=lamb is of TensorFlow Addons, which Python 3\.1\d does not have: use Python 3.10"):
        addons_optimizers("--optimizer=lamb")


@with_addons
def test_optimizers_of_tensorflow_addons():
    assert addons_optimizers("--optimizer=lamb").LAMB


def test_a_keras_file_names_its_classes_as_both_lines_do(tmp_path):
    path = str(tmp_path / "network.keras")
    images = tf.keras.Input([2])
    network = tf.keras.Model(images, tf.keras.layers.Dense(3, name="tf_keras.named")(images))
    network.save(path)
    make_portable(path)
    with zipfile.ZipFile(path) as file:
        config = file.read("config.json").decode()
    assert '"module": "keras' in config and '"module": "tf_keras' not in config and '"optional"' not in config
    again = tf.keras.models.load_model(path)
    assert again.layers[1].name == "tf_keras.named"
    for ours, theirs in zip(network.get_weights(), again.get_weights(), strict=True):
        assert ours.tobytes() == theirs.tobytes()
    assert os.listdir(tmp_path) == ["network.keras"]


@without_addons
def test_what_goes_wrong_while_tensorflow_is_imported_is_shown(tmp_path):
    (tmp_path / "tensorflow.py").write_text("import os; os.write(2, b'the reason\\n'); raise ImportError('broken')", encoding="utf-8")
    done = python("from kd_tf.tensorflow_line import import_tensorflow_quietly as quietly; quietly()", PYTHONPATH=str(tmp_path))
    assert done.stderr.startswith("the reason\n") and done.stderr.endswith("ImportError: broken\n")
