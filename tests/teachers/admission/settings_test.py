import pytest

from kd_tf.teachers.admission.settings import settings_to_try
from kd_tf.teachers.embedding.functions import PythonFunction
from kd_tf.teachers.embedding.teacher import EmbeddingTeacher
from kd_tf.teachers.embedding.teacher_view import TeacherView
from tests.images import write_text
from tests.teachers.admission.toy_teachers import make_teacher


def changes_of(teacher, *, landmarks=False):
    return [setting.changes for setting in settings_to_try(teacher, landmarks=landmarks)]


def test_all_of_a_plain_view():
    teacher = make_teacher(None, central_fraction=0.6)
    crops = [{"central_fraction": crop} for crop in (0.36, 0.45, 0.8, 0.96, 1.0)]
    scalings = [{"scaling": "0..1"}, {"scaling": "-1..1"}, {"scaling": "standardized"}]
    assert changes_of(teacher) == [{}, {"channel_order": "bgr"}, *scalings, *crops]
    assert changes_of(teacher, landmarks=True)[-1] == {"align": True}


def test_names_and_how_to_declare_them():
    settings = settings_to_try(make_teacher(None, central_fraction=1.0), landmarks=True)
    assert [setting.name for setting in settings] == [
        "as declared", "channel_order bgr", "scaling 0..1", "scaling -1..1", "scaling standardized", "central_fraction 0.6",
        "central_fraction 0.75", "align true",
    ]  # fmt: skip
    assert [setting.declaration for setting in settings[5:]] == ['"central_fraction": 0.6', '"central_fraction": 0.75', '"align": true']
    mean = make_teacher(None, mean=[104, 117, 123], std=[1, 1, 1], channel_order="bgr")
    settings = settings_to_try(mean, landmarks=False)[:3]
    assert [setting.declaration for setting in settings[1:]] == ['"channel_order": "rgb"', '"scaling": "0..255" and no mean and std']
    assert mean.seen_as(**settings[2].changes).view.mean is None


def test_of_an_aligned_face_nothing_is_cut():
    found = changes_of(make_teacher(None, align=True, scaling="-1..1"), landmarks=True)
    scalings = [{"scaling": "0..255"}, {"scaling": "0..1"}, {"scaling": "standardized"}]
    assert found == [{}, {"channel_order": "bgr"}, *scalings, {"align": False}]


@pytest.mark.parametrize("landmarks", [True, False])
def test_a_function_of_python_sees_whole_numbers_whatever_is_declared(tmp_path, landmarks):
    file = write_text(tmp_path / "module.py", "def embed(images):\n    return images.mean(axis=(1, 2))\n")
    view = TeacherView(image_size=16)
    teacher = EmbeddingTeacher("--teacher=x", PythonFunction(f"python:{file}:embed", view, "--teacher=x"), view)
    found = changes_of(teacher, landmarks=landmarks)
    assert found == [{}, {"channel_order": "bgr"}, {"central_fraction": 0.6}, {"central_fraction": 0.75}, *([{"align": True}] * landmarks)]
