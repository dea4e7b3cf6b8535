"""dlib's face descriptor network (128 values, weights in the public domain) as a teacher.

    pip install dlib-bin face-recognition-models
    kd-cache --teacher=python:examples/dlib_teacher.py:embed --data=lfw:LFW --views=4 --output=caches/dlib

`dlib_teacher.embed.view.json` beside this file says how it sees a face. examples/distill_dlib.sh goes on to students and their scores.
"""

import functools
import importlib.util
import os

import numpy as np

from kd_tf.errors import InputError

IMAGE_SIZE, WIDTH = 150, 128
WEIGHTS = "models/dlib_face_recognition_resnet_model_v1.dat"
INSTALL = "pip install dlib-bin face-recognition-models"


def embed(images: np.ndarray) -> np.ndarray:
    """The face descriptors of dlib.

    Args:
      images: aligned faces, RGB, uint8 `[batch, 150, 150, 3]`.

    Returns:
      float32 `[batch, 128]`, of a length near 1.4.

    Raises:
      InputError: dlib or its weights are not installed, or the images are others.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE, 3):
        raise InputError(f"embed takes uint8 [batch, {IMAGE_SIZE}, {IMAGE_SIZE}, 3]; it was given {images.dtype} {list(images.shape)}")
    # A list of images at once is no faster.
    rows = [network().compute_face_descriptor(np.ascontiguousarray(image)) for image in images]
    return np.array(rows, np.float32).reshape(len(images), WIDTH)


@functools.cache
def network():
    """Dlib's network, loaded once.

    Raises:
      InputError: see `weights_file`.
    """
    weights = weights_file()
    import dlib

    return dlib.face_recognition_model_v1(weights)


def weights_file() -> str:
    """The network's weights, which are in a package of their own.

    Raises:
      InputError: it, or dlib, is not installed.
    """
    if importlib.util.find_spec("dlib") is None:
        raise InputError(f"dlib is not installed: {INSTALL}")
    # Found without its import, which needs pkg_resources.
    package = importlib.util.find_spec("face_recognition_models")
    weights = package and os.path.join(*package.submodule_search_locations, WEIGHTS)
    if not (weights and os.path.isfile(weights)):
        raise InputError(f"the weights of dlib's network are not installed ({WEIGHTS} of face_recognition_models): {INSTALL}")
    return weights
