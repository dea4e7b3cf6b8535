"""What teachers from elsewhere are shown, what they answer, and what is said of those that cannot be used."""

import os

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.pipeline import evaluation_batches
from kd_tf.data.source import FileSource
from kd_tf.data.split import Split
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from kd_tf.teachers.embedding.teacher import is_embedding_teacher, open_embedding_teacher, teacher_inputs
from kd_tf.teachers.embedding.teacher_view import TeacherView, view_file
from tests.images import write_image
from tests.teachers.embedding import teachers
from tests.teachers.embedding.teachers import SIZE, quarters


@pytest.fixture
def images():
    """Three, of whole numbers."""
    return np.random.default_rng(0).integers(0, 256, [3, SIZE, SIZE, 3]).astype(np.float32)


def _message(path, flag="teacher") -> str:
    with pytest.raises(InputError) as error:
        open_embedding_teacher(path, flag)
    return str(error.value)


def test_inputs_are_scaled_turned_and_reordered():
    image = np.zeros([1, 2, 2, 3], np.float32)
    image[0, 0, 1] = (255, 51, 0)
    # 255/127.5 - 1 = 1, 51/127.5 - 1 = -0.6, 0 - 1 = -1; the other way round in BGR.
    found = teacher_inputs(tf.constant(image), TeacherView(16, scaling="-1..1", channel_order="bgr", layout="channels_first"))
    assert found.shape == (1, 3, 2, 2)
    np.testing.assert_allclose(found[0, :, 0, 1], [-1, -0.6, 1], atol=1e-6)
    np.testing.assert_allclose(teacher_inputs(tf.constant(image), TeacherView(16, scaling="0..1"))[0, 0, 1], [1, 0.2, 0], atol=1e-6)
    own = teacher_inputs(tf.constant(image), TeacherView(16, mean=[55, 1, 0], std=[2, 5, 1], channel_order="bgr"))
    # (255 - 55) / 2 = 100 and (51 - 1) / 5 = 10, of red and green before they change places.
    np.testing.assert_allclose(own[0, 0, 1], [0, 10, 100])
    standardized = teacher_inputs(tf.constant(image), TeacherView(16, scaling="standardized")).numpy()
    np.testing.assert_allclose([standardized.mean(), standardized.std()], [0, 1], atol=1e-6)


@pytest.mark.parametrize("make", [teachers.python_teacher, teachers.keras_teacher, teachers.saved_model_teacher])
def test_answers_of_each_kind(make, tmp_path, images):
    path = make(tmp_path, channel_order="bgr", width=12)
    teacher = open_embedding_teacher(path)
    np.testing.assert_allclose(teacher.embed(images), quarters(images[..., ::-1]), rtol=1e-5)
    assert teacher.width == 12 and teacher.embed(images).dtype == np.float32
    assert is_embedding_teacher(path)


@pytest.mark.parametrize("external", [False, True])
def test_answers_of_onnx(tmp_path, images, external):
    teacher = open_embedding_teacher(teachers.onnx_teacher(tmp_path, external=external, scaling="0..1"))
    np.testing.assert_allclose(teacher.embed(images), images.mean(axis=(1, 2)) / 255, rtol=1e-5)
    files = ["means.onnx", "means.weights"] if external else ["means.onnx"]
    assert [os.path.basename(file) for file in teacher.function.files] == files


def test_the_digest_is_of_files_weights_beside_them_and_view(tmp_path):
    path = teachers.onnx_teacher(tmp_path, external=True)
    first = open_embedding_teacher(path).digest
    assert open_embedding_teacher(path).digest == first
    weights = tmp_path / "means.weights"
    weights.write_bytes(np.full([3, 3], 2, np.float32).tobytes())
    second = open_embedding_teacher(path).digest
    teachers.declare(path, layout="channels_first", channel_order="bgr")
    assert len({first, second, open_embedding_teacher(path).digest}) == 3


@pytest.mark.parametrize("dtype", ["FLOAT16", "DOUBLE", "UINT8"])
def test_onnx_files_of_other_numbers(tmp_path, images, dtype):
    """Whole numbers are rounded and not cut off: 0.6 above them is the next one."""
    teacher = open_embedding_teacher(teachers.onnx_teacher(tmp_path, dtype=dtype))
    more, shown = (0.6, 1) if dtype == "UINT8" else (0.5, 0.5)
    np.testing.assert_allclose(teacher.embed(np.minimum(images, 250) + more), np.minimum(images, 250).mean(axis=(1, 2)) + shown, rtol=1e-3)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_answers_in_half_precision(tmp_path, images, dtype):
    answers = open_embedding_teacher(teachers.keras_teacher(tmp_path, dtype=dtype)).embed(images)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, quarters(images), rtol=1e-2)


def test_a_number_of_images_that_is_none(tmp_path, images):
    """As some programs write it where any number will do."""
    teacher = open_embedding_teacher(teachers.onnx_teacher(tmp_path, batch=-1))
    np.testing.assert_allclose(teacher.embed(images), images.mean(axis=(1, 2)), rtol=1e-5)


@pytest.mark.parametrize("batch", [1, 2])
def test_a_fixed_number_of_images_at_a_time(tmp_path, images, batch):
    """The third of three fills a batch of two with itself."""
    teacher = open_embedding_teacher(teachers.onnx_teacher(tmp_path, batch=batch))
    np.testing.assert_allclose(teacher.embed(images), images.mean(axis=(1, 2)), rtol=1e-5)


def test_functions_of_one_file_are_other_teachers(tmp_path):
    """What is declared of width and accuracy makes no other one."""
    first = open_embedding_teacher(teachers.python_teacher(tmp_path))
    assert open_embedding_teacher(teachers.python_teacher(tmp_path, "noisy")).digest != first.digest
    assert open_embedding_teacher(teachers.python_teacher(tmp_path, width=12, accuracy=90)).digest == first.digest


def test_a_declared_width_is_not_asked_for(tmp_path):
    """A function that looks for a face first finds none in a grey image."""
    assert open_embedding_teacher(teachers.python_teacher(tmp_path, "broken", width=128)).width == 128


def test_modules_beside_a_file_are_found_and_dataclasses_find_theirs(tmp_path, images):
    (tmp_path / "beside.py").write_text("SIZE = 12\n", encoding="utf-8")
    text = "from __future__ import annotations\nimport dataclasses\nimport beside\n@dataclasses.dataclass\nclass One:\n    size: int\n"
    function = "def ones(images):\n    import numpy\n    return numpy.ones([len(images), One(beside.SIZE).size])\n"
    (tmp_path / "other.py").write_text(text + function, encoding="utf-8")
    teachers.declare(str(tmp_path / "other.ones"))
    np.testing.assert_array_equal(open_embedding_teacher(f"python:{tmp_path}/other.py:ones").embed(images), np.ones([3, 12]))


def test_one_of_several_signatures_and_answers(tmp_path, images):
    path = teachers.saved_model_teacher(tmp_path, signature="whole", output="quarters")
    np.testing.assert_allclose(open_embedding_teacher(path).embed(images), quarters(images), rtol=1e-5)
    teachers.declare(path, signature="whole")
    with pytest.raises(InputError, match=r"answers with quarters, size; its view names none of them: declare output"):
        open_embedding_teacher(path).embed(images)
    teachers.declare(path, signature="other")
    assert _message(path).endswith("lacks the signature 'other'; it has: serving_default, whole")


def test_a_module_by_name_is_found_in_the_current_folder(tmp_path, images, monkeypatch):
    teachers.python_teacher(tmp_path)
    monkeypatch.chdir(tmp_path)
    np.testing.assert_allclose(open_embedding_teacher("python:faces:quarters").embed(images), quarters(images))


def test_wrong_answers_are_refused(tmp_path, images):
    path = teachers.python_teacher(tmp_path, width=128)
    with pytest.raises(InputError, match=r"answers to 3 images with \[3, 12\]; wanted is \[3, 128\]"):
        open_embedding_teacher(path).embed(images)
    with pytest.raises(InputError, match=r"answers to 3 images with \[3\]; wanted is \[3, 'width'\]"):
        open_embedding_teacher(teachers.python_teacher(tmp_path, "flat")).embed(images)
    with pytest.raises(InputError, match=r"fails on images \[3, 20, 20, 3\]: KeyError: 'no weights'"):
        open_embedding_teacher(teachers.python_teacher(tmp_path, "broken")).embed(images)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("words", "answers with <U1; wanted are numbers"),
        ("waves", "answers with complex128; wanted are numbers"),
        ("nothing", "answers to 3 images with [3, 0]; wanted is [3, 'width']"),
        ("ends", "fails on images [3, 20, 20, 3]: SystemExit: 3"),
        ("named", "answers with means, quarters; its view names none of them: declare output"),
    ],
)
def test_what_is_no_embedding(tmp_path, images, function, message):
    with pytest.raises(InputError) as error:
        open_embedding_teacher(teachers.python_teacher(tmp_path, function)).embed(images)
    assert str(error.value).endswith(message)


def test_a_function_may_name_its_answers(tmp_path, images):
    teacher = open_embedding_teacher(teachers.python_teacher(tmp_path, "named", output="quarters"))
    np.testing.assert_allclose(teacher.embed(images), quarters(images))


def test_a_width_that_is_not_declared_is_asked_for_with_a_grey_image(tmp_path):
    with pytest.raises(InputError, match="'no weights' .asked about a grey image, since its view declares no width.$"):
        open_embedding_teacher(teachers.python_teacher(tmp_path, "broken")).width  # noqa: B018


@pytest.mark.parametrize("make", [teachers.keras_teacher, teachers.saved_model_teacher])
def test_images_of_another_size_are_refused(make, tmp_path):
    teacher = open_embedding_teacher(make(tmp_path, image_size=32))
    with pytest.raises(InputError, match=r"takes images \[20, 20, 3\], and its view gives \[32, 32, 3\]: check its image_size and layout"):
        teacher.width  # noqa: B018


def test_images_of_another_layout_are_refused(tmp_path, images):
    path = teachers.onnx_teacher(tmp_path)
    teachers.declare(path)
    with pytest.raises(InputError, match=r"takes images \[3, 20, 20\], and its view gives \[20, 20, 3\]: check its image_size and layout"):
        open_embedding_teacher(path).embed(images)


@pytest.mark.parametrize("make", [teachers.keras_teacher, teachers.python_teacher])
def test_an_output_that_has_no_name(make, tmp_path, images):
    with pytest.raises(InputError, match="has one answer, which has no name; its view says output 'embedding': leave it out"):
        open_embedding_teacher(make(tmp_path, output="embedding")).embed(images)


def _teacher_of_files(path) -> str:
    """Takes encoded photographs, as models that are served do."""
    module = tf.Module()
    embed = tf.function(lambda files: tf.zeros([tf.shape(files)[0], 2]), input_signature=[tf.TensorSpec([None], tf.string)])
    tf.saved_model.save(module, str(path), signatures=embed)
    return teachers.declare(str(path))


def test_a_package_that_cannot_be_imported(tmp_path, monkeypatch):
    (tmp_path / "package_of_faces").mkdir()
    (tmp_path / "package_of_faces" / "__init__.py").write_text("raise RuntimeError('no licence')\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert "the module package_of_faces.network is not found: no licence" in _message("python:package_of_faces.network:embed")


def test_what_cannot_be_opened(tmp_path):
    assert "wanted is python:MODULE:FUNCTION" in _message("python:faces")
    assert "the module nowhere is not found" in _message("python:nowhere:embed")
    assert f"{tmp_path}/none.py does not exist" in _message(f"python:{tmp_path}/none.py:embed")
    path = teachers.python_teacher(tmp_path)
    teachers.declare(str(tmp_path / "faces.missing"))
    assert f"{tmp_path}/faces.py has no function missing" in _message(path.replace("quarters", "missing"))
    assert "takes whole numbers of 0 to 255: its view can have no scaling '0..1'" in _message(
        teachers.python_teacher(tmp_path, scaling="0..1"), "model"
    )
    for make in (teachers.keras_teacher, teachers.python_teacher, teachers.onnx_teacher):
        assert "is no SavedModel: its view can have no signature 'images'" in _message(make(tmp_path, signature="images"))
    teachers.python_teacher(tmp_path)
    assert "takes string; wanted are pixels, as numbers" in _message(_teacher_of_files(tmp_path / "files"))
    assert "takes tensor(int32); known: tensor(float)," in _message(teachers.onnx_teacher(tmp_path, dtype="INT32"))
    os.remove(tmp_path / "means.onnx")
    (tmp_path / "faces.py").write_text("import nothing_of_this_name\n", encoding="utf-8")
    teachers.declare(str(tmp_path / "faces.quarters"))
    assert "cannot be imported: ModuleNotFoundError" in _message(path)
    (tmp_path / "faces.py").write_text("import sys\nsys.exit('give --flags')\n", encoding="utf-8")
    assert "cannot be imported: SystemExit: give --flags" in _message(path)
    onnx = str(tmp_path / "teacher.onnx")
    assert _message(onnx, "model") == f"--model={onnx} does not exist"
    teachers.declare(onnx)
    assert _message(onnx) == f"--teacher={onnx} does not exist, but its view {onnx}.view.json does"
    for name in ("teacher.onnx", "teacher.keras"):
        (tmp_path / name).write_text("no model", encoding="utf-8")
        assert "cannot be read as" in _message(teachers.declare(str(tmp_path / name)))


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "declares no image_size"),
        ('{"image_size": 20, "chanel_order": "bgr"}', "declares 'chanel_order', which is unknown; known: image_size, "),
        ('{"image_size": "20"}', 'image_size is "20"; wanted is a whole number'),
        ('{"image_size": true}', "image_size is true; wanted is a whole number"),
        ('{"image_size": 8}', "--image_size=8 is too small"),
        ('{"image_size": 20, "central_fraction": 1.5}', "1.5 must be above 0 and at most 1"),
        ('{"image_size": 20, "channel_order": "gbr"}', "channel_order 'gbr' is unknown; known: rgb, bgr"),
        ('{"image_size": 20, "mean": [1, 2, 3]}', "mean and std belong together"),
        ('{"image_size": 20, "mean": [1, 2, 3], "std": [1, 0, 1]}', "std [1.0, 0.0, 1.0] must not be 0"),
        ('{"image_size": 20, "mean": [1, 2], "std": [1, 1, 1]}', "mean [1, 2] must be three numbers"),
        ('{"image_size": 20, "mean": [0.485, 0.456, 0.406], "std": [0.2, 0.2, 0.2]}', "is of colours from 0 to 1: wanted are"),
        ('{"image_size": 20, "scaling": "0..1", "mean": [100, 100, 100], "std": [50, 50, 50]}', "declares both scaling and mean"),
        ('{"image_size": 20, "width": 0}', "width 0 must be at least 1"),
        ('{"image_size": 20, "template": [[0, 0]]}', "template has no effect without align"),
        ('{"image_size": 20, "align": true, "template": [[0, 0]]}', "template [[0, 0]] must be five points [x, y]"),
        ('{"image_size": 20, "accuracy": 0.98}', "accuracy 0.98 must be from 50 to 100"),
    ],
)
def test_views_that_cannot_be_meant(tmp_path, declared, message):
    path = str(tmp_path / "teacher.onnx")
    with open(view_file(path), "w", encoding="utf-8") as file:
        file.write(declared)
    found = _message(path)
    assert found.startswith(view_file(path)) and message in found


def test_faces_are_aligned_to_the_template_that_is_declared(tmp_path):
    """Of a photograph that is one colour left of the eyes' middle and another right of it, with eyes far apart and near."""
    photograph = np.zeros([80, 80, 3], np.uint8)
    photograph[:, 40:] = 200
    points = np.array([[0.4, 0.4], [0.6, 0.4], [0.5, 0.5], [0.42, 0.6], [0.58, 0.6]], np.float32)
    write_image(tmp_path / "photograph.png", photograph)
    source = FileSource("folder:x", str(tmp_path), ["photograph.png"], ["ann"], points[np.newaxis])
    for shift in (0.0, 0.2):
        # The same shape, moved to the right: the edge between the colours goes with it.
        template = (points + [shift, 0.0]).tolist()
        seen, view = TeacherView(20, align=True, template=template).sees(source, ViewConfig())
        ((images, _),) = evaluation_batches(Split(seen, np.array([0])), view, batch_size=1)
        bright = images[0, 10, :, 0].numpy() > 100
        np.testing.assert_array_equal(bright, np.arange(20) >= round(20 * (0.5 + shift)))
    source.landmarks = None
    with pytest.raises(InputError, match="folder:x has no landmarks, by which the teacher's view aligns faces"):
        TeacherView(20, align=True).sees(source, ViewConfig())
