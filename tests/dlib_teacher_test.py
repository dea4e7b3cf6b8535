"""`examples/dlib_teacher.py`: the function, its view, what it says where its packages are missing, and which commands it runs again."""

import argparse
import importlib.util
import os
import pathlib
import subprocess
import sys
import types

import cv2
import numpy as np
import pytest

from kd_tf.errors import InputError
from kd_tf.teachers.embedding.teacher import open_embedding_teacher
from kd_tf.teachers.embedding.teacher_view import TeacherView

EXAMPLE = pathlib.Path(__file__).parents[1] / "examples" / "dlib_teacher.py"
LFW = os.environ.get("KD_TF_LFW", str(pathlib.Path(__file__).parents[2] / "shared" / "data" / "lfw"))
INSTALL = "pip install dlib-bin face-recognition-models"
INSTALLED = all(importlib.util.find_spec(name) for name in ("dlib", "face_recognition_models"))
needs_dlib = pytest.mark.skipif(not INSTALLED, reason=f"no dlib, or not its weights: {INSTALL}")
needs_lfw = pytest.mark.skipif(not os.path.isdir(LFW), reason="no LFW: set KD_TF_LFW to the folder that holds lfw-deepfunneled/")


@pytest.fixture(name="example")
def import_example():
    """The module, with nothing loaded yet."""
    spec = importlib.util.spec_from_file_location("dlib_teacher", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def photograph(name: str, number: int) -> np.ndarray:
    """Of LFW, as the view says: the middle 7/8 of the middle 0.6 of 250 pixels, at 150 pixels."""
    image = cv2.imread(f"{LFW}/lfw-deepfunneled/{name}/{name}_{number:04d}.jpg", cv2.IMREAD_COLOR)[59:191, 59:191, ::-1]
    return cv2.resize(image, (150, 150), interpolation=cv2.INTER_AREA)


def test_the_function_is_a_teacher_with_a_view():
    teacher = open_embedding_teacher(f"python:{EXAMPLE}:embed")
    assert teacher.view == TeacherView(image_size=150, central_fraction=0.6, width=128, accuracy=98)


@needs_dlib
@needs_lfw
def test_one_person_is_nearer_than_two():
    teacher = open_embedding_teacher(f"python:{EXAMPLE}:embed")
    faces = np.stack([photograph("Colin_Powell", 1), photograph("Colin_Powell", 2), photograph("Tony_Blair", 1)])
    powell, powell_again, blair = rows = teacher.embed(faces)
    assert np.linalg.norm(powell - powell_again) < min(np.linalg.norm(one - blair) for one in (powell, powell_again))
    for face, row in zip(faces, rows, strict=True):
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


def test_missing_packages_are_one_line(example, monkeypatch):
    face = np.zeros([1, 150, 150, 3], np.uint8)
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(InputError, match=rf"^dlib is not installed \(.*\): {INSTALL}$"):
        example.embed(face)
    monkeypatch.setitem(sys.modules, "dlib", types.ModuleType("dlib"))
    monkeypatch.setitem(sys.modules, "face_recognition_models", None)
    with pytest.raises(InputError, match=rf"^the weights of dlib's network are not installed \(models/.*\): {INSTALL}$"):
        example.embed(face)


def test_nothing_is_written_where_packages_are_missing(tmp_path):
    (tmp_path / "dlib.py").write_text("raise ImportError('no dlib here')")
    command = [sys.executable, str(EXAMPLE), "--data=lfw:nowhere", "--output=out"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"dlib_teacher: dlib is not installed (no dlib here): {INSTALL}\n"
    assert not os.path.exists(tmp_path / "out")


def test_what_has_finished_is_not_run_again(example, tmp_path, monkeypatch):
    ran = []

    def run(step):
        ran.append(os.path.basename(step.output))
        os.makedirs(step.output, exist_ok=True)

    monkeypatch.setattr(example.Step, "run", run)

    def again(**changes):
        given = {"data": "lfw:faces", "output": str(tmp_path), "width_divisor": 8, "epochs": 30.0, "views": 4} | changes
        example.run_steps(example.make_steps(argparse.Namespace(**given)), str(tmp_path))
        return [ran.pop(0) for _ in list(ran)]

    assert again() == ["cache", "student", "teacher", "student", "pixels"]
    assert again() == []
    # The scores of another student are others.
    assert again(epochs=2.0) == ["student", "teacher", "student", "pixels"]
    os.rmdir(tmp_path / "cache")
    assert again(epochs=2.0) == ["cache", "student", "teacher", "student", "pixels"]
