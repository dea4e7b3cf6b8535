"""What differs between the two lines of TensorFlow, in one place.

Python 3.10 and 3.11 have TensorFlow 2.15 with TensorFlow Addons, and `tf.keras` is Keras 2. Python 3.12 and later have a TensorFlow
whose `tf.keras` is Keras 3 unless the environment asks for tf-keras, which is Keras 2, and no TensorFlow Addons.
"""

import contextlib
import json
import os
import shutil
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Iterator

from kd_tf.errors import InputError

HAS_ADDONS = sys.version_info < (3, 12)


def use_keras_2() -> None:
    """Makes `tf.keras` Keras 2; to be called before it is used.

    Raises:
      ImportError: it is Keras 3 already.
    """
    if HAS_ADDONS:
        # Set, it asks for tf-keras here too, which is not installed.
        os.environ.pop("TF_USE_LEGACY_KERAS", None)
        return
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None and getattr(tensorflow.keras, "__version__", "2").startswith("3"):
        raise ImportError(
            f"tf.keras is Keras {tensorflow.keras.__version__} already, and kd_tf needs Keras 2: import kd_tf before tf.keras is used, or"
            " set the environment variable TF_USE_LEGACY_KERAS=1"
        )


def import_tensorflow_quietly() -> None:
    """Imports TensorFlow without its notes on CUDA and oneDNN; before that nothing keeps it from writing them to standard error."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if HAS_ADDONS:
        return
    with standard_error_kept():
        import tensorflow  # noqa: F401


@contextlib.contextmanager
def standard_error_kept() -> Iterator[None]:
    """Keeps what is written to standard error, also by libraries in C, and writes it where the block fails."""
    with tempfile.TemporaryFile() as kept:
        standard_error = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(standard_error, kept.read())
            raise
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)


def make_portable(path: str) -> None:
    """Lets the other line read a `.keras` file: tf-keras reads what Keras 2.15 writes, which knows not all that tf-keras writes."""
    if HAS_ADDONS:
        return
    portable = f"{path}.portable"
    with zipfile.ZipFile(path) as written, zipfile.ZipFile(portable, "w") as file:
        for item in written.infolist():
            if item.filename == "config.json":
                file.writestr(item, json.dumps(_named_as_in_keras_2(json.loads(written.read(item)))))
            else:
                with written.open(item) as source, file.open(item, "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target)
    os.replace(portable, path)


def _named_as_in_keras_2(config):
    """The configuration of a network, in dicts and lists, with the names of Keras 2.15."""
    if isinstance(config, list):
        return [_named_as_in_keras_2(part) for part in config]
    if not isinstance(config, dict):
        return config
    config = {key: _named_as_in_keras_2(part) for key, part in config.items()}
    if str(config.get("module")).startswith("tf_keras."):
        config["module"] = config["module"].removeprefix("tf_")
    if config.get("class_name") == "InputLayer" and not config["config"].get("optional"):
        config["config"].pop("optional", None)
    return config


def addons_optimizers(flag: str):
    """The module `tensorflow_addons.optimizers`.

    Args:
      flag: what asks for it, as `--optimizer=lamb`.

    Raises:
      InputError: this Python has no TensorFlow Addons.
    """
    if not HAS_ADDONS:
        python = ".".join(map(str, sys.version_info[:2]))
        raise InputError(f"{flag} is of TensorFlow Addons, which Python {python} does not have: use Python 3.10 or 3.11, or another one")
    with warnings.catch_warnings():
        # It says at import that its development has ended; the version is pinned.
        warnings.simplefilter("ignore")
        from tensorflow_addons import optimizers
    return optimizers
