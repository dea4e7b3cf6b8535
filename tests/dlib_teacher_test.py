"""`examples/dlib_teacher.py`: the function, its view, and what it says where its packages are missing."""

import importlib.machinery
import importlib.util
import os
import pathlib

import numpy as np
import pytest

from kd_tf.data.lfw import open_lfw
from kd_tf.data.pipeline import evaluation_batches
from kd_tf.data.split import Split
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from kd_tf.teachers.embedding.teacher import open_embedding_teacher

EXAMPLE = pathlib.Path(__file__).parents[1] / "examples" / "dlib_teacher.py"
LFW = os.environ.get("KD_TF_LFW", str(pathlib.Path(__file__).parents[2] / "shared" / "data" / "lfw"))
INSTALL = "pip install dlib-bin face-recognition-models"
INSTALLED = all(importlib.util.find_spec(name) for name in ("dlib", "face_recognition_models"))


@pytest.fixture(name="example")
def import_example():
    """The module, with nothing loaded yet."""
    spec = importlib.util.spec_from_file_location("dlib_teacher", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_function_is_a_teacher_with_a_view():
    """Eyes a third from the top, 0.353 of the width from each other: where dlib's own faces have them."""
    view = open_embedding_teacher(f"python:{EXAMPLE}:embed").view
    assert (view.image_size, view.width, view.align, view.channel_order) == (150, 128, True, "rgb")
    left_eye, right_eye, *_ = np.array(view.template)
    np.testing.assert_allclose(right_eye - left_eye, [0.353, 0], atol=1e-3)


@pytest.mark.skipif(not INSTALLED, reason=f"no dlib, or not its weights: {INSTALL}")
@pytest.mark.skipif(not os.path.isdir(LFW), reason="no LFW: set KD_TF_LFW to the folder that holds lfw-deepfunneled/")
def test_one_person_is_nearer_than_two():
    """At less than the 0.6 that its makers take for the limit; other people at more."""
    teacher, source = open_embedding_teacher(f"python:{EXAMPLE}:embed"), open_lfw(LFW)
    names = [f"{name}/{name}_{number:04d}.jpg" for name, number in (("Colin_Powell", 1), ("Colin_Powell", 2), ("Tony_Blair", 1))]
    records = np.array([source.paths.index(name) for name in names])
    seen, view = teacher.view.sees(source, ViewConfig())
    ((faces, _),) = evaluation_batches(Split(seen, records), view, batch_size=3)
    powell, powell_again, blair = rows = teacher.embed(faces.numpy())
    assert np.linalg.norm(powell - powell_again) < 0.6 < min(np.linalg.norm(one - blair) for one in (powell, powell_again))
    for face, row in zip(faces.numpy(), rows, strict=True):
        np.testing.assert_allclose(teacher.embed(face[np.newaxis])[0], row, atol=1e-6)


@pytest.mark.parametrize(
    ("images", "given"),
    [
        (np.zeros([2, 150, 150, 3], np.float32), r"float32 \[2, 150, 150, 3\]"),
        (np.zeros([2, 64, 64, 3], np.uint8), r"uint8 \[2, 64, 64, 3\]"),
        (np.zeros([150, 150, 3], np.uint8), r"uint8 \[150, 150, 3\]"),
    ],
)
def test_other_images_are_refused(example, images, given):
    with pytest.raises(InputError, match=rf"^embed takes uint8 \[batch, 150, 150, 3\]; it was given {given}$"):
        example.embed(images)


@pytest.mark.parametrize(
    ("missing", "message"), [("dlib", "dlib is not installed"), ("face_recognition_models", "the weights of dlib's network are not")]
)
def test_missing_packages_are_one_line(example, monkeypatch, tmp_path, missing, message):
    def find_spec(name):
        return None if name == missing else importlib.machinery.ModuleSpec(name, None, is_package=True)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    with pytest.raises(InputError, match=rf"^{message}.*: {INSTALL}$"):
        example.embed(np.zeros([1, 150, 150, 3], np.uint8))
