import dataclasses
import json
import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from tensorflow.lite.tools import flatbuffer_utils

from kd_tf.data.source import decode_image
from kd_tf.data.sources import SourceConfig, open_source
from kd_tf.data.views import ViewConfig, evaluation_view, landmarks_in_image, make_canvas
from kd_tf.errors import InputError
from kd_tf.evaluation.evaluate import EvaluationConfig, evaluate
from kd_tf.evaluation.programs import open_program
from kd_tf.export import asked, timing
from kd_tf.export import compare as comparison
from kd_tf.export import export as exporting
from kd_tf.export.check import _difference
from kd_tf.export.config import ExportConfig
from kd_tf.export.export import export
from kd_tf.export.kinds import FORMATS, KINDS, QUANTIZATIONS
from kd_tf.export.tflite_file import operation_name
from kd_tf.export.timing import milliseconds
from kd_tf.networks.face_network import NetworkConfig, make_face_network
from kd_tf.networks.precision import in_precision
from kd_tf.networks.stored import save_network
from tests.bin.programs import refused, script
from tests.images import smooth_image, write_text
from tests.teachers.embedding.teachers import python_teacher

VIEW = ViewConfig(image_size=16, central_fraction=0.75)
SOURCE = SourceConfig(identities=6, pictures=10, picture_size=24)
# Not in the order of the data.
NAMES = [f"synthetic_{number:06d}" for number in (3, 0, 5, 1, 4, 2)]
FLAGS = ("task=classification", "identities=6", "pictures=10", "picture_size=24", "image_size=16", "central_fraction=0.75")
TAUGHT = ("data=synthetic", "teacher=/far/away/big_teacher", "alpha=1.0")
TFLITE = [kind for kind in KINDS if kind.format == "tflite"]


@pytest.fixture(scope="module", name="network")
def make_network():
    tf.keras.utils.set_random_seed(0)
    network = make_face_network(NetworkConfig("resnet14", 8), image_size=16, identities=6, landmarks=True)
    # As after training; else the layers behind it have values that no network has.
    network.get_layer("trunk").get_layer("input_norm").set_weights([np.full(3, 120.0), np.full(3, 60.0**2)])
    return network


@pytest.fixture(scope="module", name="run")
def store(network, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "student"
    run.mkdir()
    save_network(network, str(run / "student.keras"))
    write_text(run / "flags.txt", "".join(f"--{flag}\n" for flag in (*FLAGS, *TAUGHT)))
    write_text(run / "identities.txt", "".join(f"{name}\n" for name in NAMES))
    write_text(run / "metrics.json", json.dumps({"task": "classification", "top1": 16.7}))
    return run


def config(run, output, **changes):
    return ExportConfig(str(run), str(output), SOURCE, VIEW, **({"task": "classification"} | changes))


@pytest.fixture(scope="module", name="exported")
def export_all(run, tmp_path_factory):
    """Everything that there is, once."""
    output = tmp_path_factory.mktemp("exported") / "student"
    export(config(run, output, formats=FORMATS, quantizations=QUANTIZATIONS, calibration_images=32))
    return output


def photographs():
    """Two faces, of a size that is none of the data's: int8 knows only what is like the data."""
    encoded = open_source(SOURCE).read([3, 45])
    return np.stack([cv2.resize(decode_image(image).numpy(), (40, 50)) for image in encoded])


def expected(network, images):
    views = tf.stack([evaluation_view(make_canvas(image, VIEW), tf.zeros([5, 2]), VIEW)[0] for image in images])
    outputs = network(views, training=False)
    size = np.array(images.shape[2:0:-1], np.float32)
    return {
        "embedding": outputs["embedding"].numpy(),
        "probabilities": tf.nn.softmax(outputs["logits"]).numpy(),
        "landmarks": landmarks_in_image(outputs["landmarks"], VIEW).numpy() * size - 0.5,
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.title)
def test_every_file_answers_as_the_network(kind, network, exported):
    images = photographs()
    program, wanted = open_program(kind.path(str(exported)), threads=1), expected(network, images)
    single = {key: row[np.newaxis] for key, row in program.answer_image(images[0]).items()}
    for answers in (program.answer_batch(images), single):
        assert set(answers) == set(wanted)
        for key, rows in answers.items():
            sides = np.array([50] * len(rows))
            distance = _difference(key, rows, wanted[key][: len(rows)], sides).mean
            assert distance <= kind.tolerance, key
            # The other image's answers would not do.
            assert _difference(key, rows, wanted[key][::-1][: len(rows)], sides).mean > 2 * distance, key


def test_another_size_may_follow(network, exported):
    program = open_program(str(exported / "student.tflite"))
    for size in ((50, 40), (18, 18), (5, 90)):
        images = smooth_image(3, *size)[np.newaxis]
        np.testing.assert_allclose(program.answer_batch(images)["landmarks"], expected(network, images)["landmarks"], atol=0.01)


@pytest.mark.parametrize("kind", TFLITE, ids=lambda kind: kind.title)
def test_tflite_files_have_builtin_operations_alone(kind, exported):
    model = flatbuffer_utils.read_model(kind.path(str(exported)))
    assert [code.customCode for code in model.operatorCodes if code.customCode] == []


def input_types(path, operation):
    """The types of what the operations of this name are given first, in the batch signature."""
    model = flatbuffer_utils.read_model(str(path))
    graph = model.subgraphs[0]
    inputs = [op.inputs[0] for op in graph.operators if operation_name(model.operatorCodes[op.opcodeIndex]) == operation]
    return [flatbuffer_utils.type_to_name(graph.tensors[place].type) for place in inputs]


def test_the_trunk_is_int8_and_the_view_and_the_heads_are_not(exported):
    path = exported / "student_int8.tflite"
    convolutions = input_types(path, "CONV_2D")
    assert convolutions == ["INT8"] * 17
    for operation in ("SUM", "DIV", "BATCH_MATMUL", "FULLY_CONNECTED", "SOFTMAX"):
        types = input_types(path, operation)
        assert types and set(types) == {"FLOAT32"}, operation


def test_weights_are_stored_once_for_both_signatures(exported):
    model = flatbuffer_utils.read_model(str(exported / "student_int8.tflite"))
    used = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    content = [bytes(data) for data in (model.buffers[place].data for place in used) if data is not None and len(data)]
    assert len(content) == len(set(content)) > 20
    sizes = {kind.quantization: kind.size(str(exported)) for kind in TFLITE}
    assert sizes["int8"] < 0.5 * sizes["none"]
    assert sizes["dynamic"] < 0.5 * sizes["none"]
    assert sizes["float16"] < 0.65 * sizes["none"]


def test_saved_model_cli_runs_the_folder(network, exported, tmp_path):
    images = photographs()
    np.save(tmp_path / "image.npy", images[0])
    program = os.path.join(os.path.dirname(sys.executable), "saved_model_cli")
    flags = ["--tag_set", "serve", "--signature_def", "single_image", "--inputs", f"image={tmp_path}/image.npy", "--outdir", str(tmp_path)]
    done = subprocess.run([program, "run", "--dir", str(exported), *flags], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for key, rows in expected(network, images).items():
        np.testing.assert_allclose(np.load(tmp_path / f"{key}.npy"), rows[0], atol=1e-3)


def test_what_lies_in_the_folder(exported):
    wanted = {kind.file or "saved_model.pb" for kind in KINDS} | {"variables", "labels.txt", "model_card.md"}
    assert set(os.listdir(exported)) - {"assets", "fingerprint.pb"} == wanted
    assert os.listdir(exported.parent) == ["student"]
    assert (exported / "labels.txt").read_text().splitlines() == NAMES


def test_the_model_card(network, exported):
    card = (exported / "model_card.md").read_text()
    parameters = sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)
    for line in (
        f"A face network of {parameters:,} trained parameters, trained for classification",
        "synthetic: 48 training and 12 test images, 6 identities in training, --split=random.",
        "Licence of the data: drawn by kd_tf, Apache 2.0; no person is shown.",
        "* teacher: big_teacher\n* alpha: 1.0\n",
        "* top-1, %: 16.7\n",
        "It has seen drawn faces only",
        "of which the middle 0.75 of width and height is used",
    ):
        assert line in card
    assert "/far/away" not in card
    assert all(kind.title in card for kind in KINDS)


@pytest.mark.parametrize("file", ["student.tflite", "student.onnx"])
@pytest.mark.parametrize(("protocol", "score"), [("classification", "top5"), ("landmarks", "nrmse"), ("retrieval", "rank1")])
def test_files_are_scored_as_their_run(run, exported, file, protocol, score):
    found, wanted = (evaluate(EvaluationConfig(str(model), protocol, SOURCE, VIEW)) for model in (exported / file, run))
    assert found[score] == pytest.approx(wanted[score], abs=0.01)


def test_differences_by_hand():
    sides = np.array([50, 100])
    found, wanted = np.array([[0.6, 0.8], [1, 0]]), np.array([[0, 0.8], [1, 0]])
    assert _difference("embedding", found, wanted, sides) == pytest.approx((0.3, 0.6))
    assert _difference("probabilities", found, wanted, sides) == pytest.approx((0.15, 0.3))
    # All points 5 pixels off: a tenth of 50, and a twentieth of 100.
    points = np.zeros([2, 5, 2])
    assert _difference("landmarks", points + [3, 4], points, sides) == pytest.approx((0.75, 1.0))


def test_a_file_that_is_not_its_network_is_not_written(run, tmp_path, monkeypatch):
    right = asked.network_answers

    def moved(*arguments):
        return {key: value + 0.01 for key, value in right(*arguments).items()}

    monkeypatch.setattr(asked, "network_answers", moved)
    with pytest.raises(InputError, match="SavedModel float32: its .* differ from those of --model=.* by .* on 12 images, more than"):
        export(config(run, tmp_path / "out"))
    assert os.listdir(tmp_path) == []


def test_numbers_that_are_none_are_not_written(network, tmp_path):
    broken = tf.keras.Model(network.inputs, {key: value * np.nan for key, value in network.output.items()})
    save_network(broken, str(tmp_path / "broken.keras"))
    with pytest.raises(InputError, match="differ from those of --model=.* by nan"):
        export(config(tmp_path / "broken.keras", tmp_path / "out", task=None))
    assert os.listdir(tmp_path) == ["broken.keras"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"formats": ("tflite", "coreml")}, "--format=coreml is unknown; known: savedmodel, tflite, onnx"),
        ({"formats": ("tflite",), "quantizations": ("int4",)}, "--quantize=int4 is unknown; known: none, float16, dynamic, int8"),
        ({"quantizations": ("int8",)}, "--quantize=int8 is for --format=tflite, and --format=savedmodel has none"),
        (
            {"formats": ("tflite",), "quantizations": ("int8",), "calibration_images": 31},
            "--calibration_images=31 is too few for --quantize=int8: at least 32",
        ),
        (
            {"formats": ("tflite",), "quantizations": ("int8",), "calibration_images": 49},
            "--calibration_images=49, but synthetic .* has 48 training images; --quantize=int8 needs at least 32",
        ),
        ({"task": "hint"}, "is a run of --task=hint, which has no head yet"),
    ],
)
def test_bad_input(run, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        export(config(run, tmp_path / "out", **changes))
    assert os.listdir(tmp_path) == []


def test_a_model_without_the_head_of_its_task(tmp_path):
    images = tf.keras.Input([16, 16, 3])
    hidden = tf.keras.layers.GlobalAveragePooling2D()(images)
    model = str(tmp_path / "bare.keras")
    save_network(tf.keras.Model(images, {"hidden": hidden, "logits": tf.keras.layers.Dense(6)(hidden)}), model)
    with pytest.raises(InputError, match=r"a run of --task=alignment, lacks the output 'landmarks' \(it has: hidden, logits\)"):
        export(config(model, tmp_path / "out", task="alignment"))
    save_network(tf.keras.Model(images, {"hidden": hidden}), model)
    with pytest.raises(InputError, match=r"has no head: it needs one of the outputs logits, landmarks, embedding \(it has: hidden\)"):
        export(config(model, tmp_path / "out", task=None))
    assert os.listdir(tmp_path) == ["bare.keras"]


def test_a_record_of_other_identities(network, tmp_path):
    save_network(network, str(tmp_path / "student.keras"))
    write_text(tmp_path / "identities.txt", "ann\nbob\n")
    with pytest.raises(InputError, match="tells 6 identities apart, and its record names 2"):
        export(config(tmp_path, tmp_path / "out"))


def test_outputs_that_cannot_be_written(run, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=f"--output={tmp_path}/file/out cannot be written: {tmp_path}/file is not a folder"):
        export(config(run, tmp_path / "file" / "out"))
    assert os.listdir(tmp_path) == ["file"]


def test_only_an_export_is_replaced(run, exported, tmp_path):
    before = sorted(os.listdir(exported))
    with pytest.raises(InputError, match="exists; give another --output or --overwrite"):
        export(config(run, exported))
    assert sorted(os.listdir(exported)) == before
    with pytest.raises(InputError, match="is not a SavedModel or another export and will not be replaced"):
        export(config(run, run, overwrite=True))


def test_a_library_that_is_missing(run, exported, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(InputError, match="--format=onnx needs tf2onnx, which is not installed: pip install 'kd_tf.export.'"):
        export(config(run, tmp_path / "out", formats=("onnx",)))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match="student.onnx needs onnxruntime, which is not installed: pip install 'kd_tf.export.'"):
        open_program(str(exported / "student.onnx"))


def test_files_that_are_no_models(tmp_path):
    for name in ("no.tflite", "no.onnx"):
        with pytest.raises(InputError, match=f"{name} does not exist"):
            open_program(str(tmp_path / name))
        (tmp_path / name).write_bytes(b"no model")
        with pytest.raises(InputError, match=f"{name} cannot be loaded"):
            open_program(str(tmp_path / name))


def test_the_proof_table(run, network, exported, tmp_path, monkeypatch):
    """With times that are made up: each model's place in the list, times the threads."""
    monkeypatch.setattr(comparison, "milliseconds", lambda paths, image, threads: [threads * place for place in range(len(paths))])
    output = shutil.copytree(exported, tmp_path / "student")
    text = comparison.compare(config(run, output), teacher=str(run))
    found = json.loads((output / "comparison.json").read_text())
    assert text == (output / "comparison.md").read_text()
    rows = found["rows"]
    assert [row["model"] for row in rows] == ["teacher, SavedModel float32", *(kind.title for kind in KINDS)]
    parameters = sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)
    top1 = evaluate(EvaluationConfig(str(run), "classification", SOURCE, VIEW))["top1"]
    assert [row["parameters"] for row in rows] == [parameters] * 7
    assert [row["score"] for row in rows[:4]] == pytest.approx([top1] * 4)
    assert rows[3]["megabytes"] == pytest.approx(os.path.getsize(exported / "student.tflite") / 1e6, abs=1e-3)
    assert [row["milliseconds_2_threads"] for row in rows] == [0, 2, 4, 6, 8, 10, 12]
    assert (found["score"], found["images"], found["image"]) == ("top1", 12, [24, 24])
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert lines[0] == ["", "parameters", "MB", "top-1, %", "ms, 1 thread", "ms, 2 threads"]
    assert lines[4] == ["ONNX float32", f"{parameters:,}", f"{rows[2]['megabytes']:.3f}", f"{top1:.2f}", "2.00", "4.00"]


def test_a_teacher_from_elsewhere_is_scored_and_not_timed(run, network, tmp_path, monkeypatch):
    """Beside a student that has embeddings alone; beside one of identities it has no score."""
    monkeypatch.setattr(comparison, "milliseconds", lambda paths, image, threads: [1.0] * len(paths))
    teacher = python_teacher(tmp_path)
    student = tf.keras.Model(network.input, {"embedding": network.output["embedding"]})
    save_network(student, str(tmp_path / "student.keras"))
    rank1 = evaluate(EvaluationConfig(teacher, "retrieval", SOURCE, VIEW))["rank1"]
    for model, task, score in ((str(tmp_path / "student.keras"), "embedding", rank1), (str(run), "classification", None)):
        exported = dataclasses.replace(config(run, tmp_path / f"exported_{task}", task=task), model=model)
        export(exported)
        lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in comparison.compare(exported, teacher).splitlines()]
        assert lines[2] == ["teacher", "-", "-", "-" if score is None else f"{score:.2f}", "-", "-"]
        assert lines[3][0] == "SavedModel float32" and lines[3][-2:] == ["1.00", "1.00"]


def test_a_table_is_of_the_model_that_was_exported(run, network, exported, tmp_path):
    other = tf.keras.models.clone_model(network)
    save_network(other, str(tmp_path / "student.keras"))
    with pytest.raises(InputError, match="SavedModel float32: its .* differ from those of --model="):
        comparison.compare(dataclasses.replace(config(run, exported), model=str(tmp_path)))


def test_times_are_taken_in_another_process(exported, monkeypatch):
    # Here nothing may be opened.
    monkeypatch.setattr(timing, "open_program", None)
    (time,) = milliseconds([str(exported / "student.tflite")], photographs()[0], threads=1)
    assert 0.01 < time < 10_000


def test_runtimes_compute_with_as_many_threads_as_they_are_told(exported, monkeypatch):
    found = []
    interpreter, session = tf.lite.Interpreter, onnxruntime.InferenceSession
    monkeypatch.setattr(tf.lite, "Interpreter", lambda **options: found.append(options["num_threads"]) or interpreter(**options))

    def open_session(path, options, **others):
        found.append(options.intra_op_num_threads)
        return session(path, options, **others)

    monkeypatch.setattr(onnxruntime, "InferenceSession", open_session)
    for file in ("student.tflite", "student.onnx"):
        for threads in (1, 2):
            open_program(str(exported / file), threads)
    assert found == [1, 2, 1, 2]


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_networks_that_learned_in_mixed_precision_answer_in_float32(network, tmp_path, precision):
    save_network(in_precision(network, precision), str(tmp_path / "student.keras"))
    differences = export(config(tmp_path / "student.keras", tmp_path / "out", formats=("savedmodel", "tflite"), task=None))
    assert all(one.mean < 1e-5 for found in differences.values() for one in found.values())


def test_broken_images_are_no_calibration_images(network, tmp_path):
    save_network(network, str(tmp_path / "student.keras"))
    people = tmp_path / "people"
    for person in "ab":
        (people / person).mkdir(parents=True)
        for number in range(30):
            tf.io.write_file(f"{people}/{person}/{number:02d}.png", tf.io.encode_png(smooth_image(number, 24, 24)))
    for number in (3, 7, 11):
        (people / "a" / f"{number:02d}.png").write_bytes(b"no image")
    changes = {"source": SourceConfig(data=f"folder:{people}"), "skip_broken": 3, "formats": ("tflite",), "quantizations": ("int8",)}
    asked_for = dataclasses.replace(config(tmp_path / "student.keras", tmp_path / "out", calibration_images=40), **changes)
    assert len(exporting._calibration_images(asked_for, asked.ask_network(asked_for).data.train)) == 40


def test_what_comes_meanwhile_stays(run, tmp_path, monkeypatch):
    def slowly(*arguments):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.tex").write_text("years of work")

    monkeypatch.setattr(exporting, "_write_files", slowly)
    monkeypatch.setattr(exporting, "check_file", lambda *arguments: {"embedding": exporting.Difference(0.0, 0.0)})
    with pytest.raises(InputError, match="out exists; give another --output"):
        export(config(run, tmp_path / "out"))
    assert os.listdir(tmp_path) == ["out"] and os.listdir(tmp_path / "out") == ["thesis.tex"]


def test_folders_around_an_export_that_fails_are_not_left(run, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "_write_files", lambda *arguments: None)
    with pytest.raises(InputError, match="cannot be loaded"):
        export(config(run, tmp_path / "new" / "newer" / "out"))
    assert os.listdir(tmp_path) == []


def test_a_model_card_alone_makes_no_export(run, tmp_path):
    (tmp_path / "model_card.md").write_text("of something else")
    with pytest.raises(InputError, match="is not a SavedModel or another export and will not be replaced"):
        export(config(run, tmp_path, overwrite=True))
    with pytest.raises(InputError, match="has no exported file"):
        comparison.compare(config(run, tmp_path))
    assert os.listdir(tmp_path) == ["model_card.md"]


def test_what_is_exported_is_not_replaced(network, exported, tmp_path):
    output = shutil.copytree(exported, tmp_path / "student")
    save_network(network, str(output / "student.keras"))
    with pytest.raises(InputError, match="student.keras lies in --output=.*student, which would be replaced"):
        export(config(output / "student.keras", output, overwrite=True))


class Odd(tf.keras.layers.Layer):
    def call(self, inputs):
        return tf.math.erfinv(tf.tanh(inputs) / 2)


@pytest.mark.parametrize("format", ["onnx", "tflite"])
def test_operations_that_a_format_lacks_are_named(tmp_path, capfd, format):
    images = tf.keras.Input([16, 16, 3])
    logits = tf.keras.layers.Dense(6)(Odd()(tf.keras.layers.GlobalAveragePooling2D()(images)))
    model = str(tmp_path / "odd.keras")
    save_network(tf.keras.Model(images, {"logits": logits}), model)
    capfd.readouterr()
    with tf.keras.utils.custom_object_scope({"Odd": Odd}), pytest.raises(InputError, match=f"--format={format}: .* lacks: Erfinv$"):
        export(config(model, tmp_path / "out", formats=(format,)))
    assert os.listdir(tmp_path) == ["odd.keras"]
    assert "loc(" not in capfd.readouterr().err


def kd_export(run, output, *flags):
    return script("kd-export", f"--model={run}", f"--output={output}", *flags)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--format=tflite", "--quantize=int8", "--calibration_images=8"],
            "--calibration_images=8 is too few for --quantize=int8: at least 32",
        ),
        (["--calibration_images=40"], "--calibration_images=40 has no effect without --quantize=int8"),
        (["--teacher=RUN"], "--teacher=RUN has no effect without --compare"),
        (["--compare"], "--teacher=/far/away/big_teacher does not exist; that is what --model=RUN learned from: give --teacher=RUN, or"),
        (["--compare", "--teacher=NOWHERE"], "--teacher=NOWHERE does not exist"),
    ],
)
def test_a_refusal_is_one_line(run, tmp_path, flags, message):
    line = refused(kd_export(run, tmp_path / "out", *(flag.replace("RUN", str(run)) for flag in flags)))
    line = line.replace(str(run), "RUN").replace(f"{os.getcwd()}/", "")
    assert line.startswith(f"kd-export: {message}")
    assert os.listdir(tmp_path) == []


def test_outputs_that_the_binary_refuses(run, exported, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert "--output" in refused(kd_export(run, tmp_path / "file" / "out"))
    before = sorted(os.listdir(exported))
    assert refused(kd_export(run, exported)) == f"kd-export: {exported} exists; give another --output or --overwrite"
    bare = tmp_path / "bare.keras"
    images = tf.keras.Input([16, 16, 3])
    save_network(tf.keras.Model(images, {"hidden": tf.keras.layers.GlobalAveragePooling2D()(images)}), str(bare))
    assert "has no head: it needs one of" in refused(kd_export(bare, tmp_path / "out", "--image_size=16", "--identities=6"))
    assert sorted(os.listdir(exported)) == before
    assert sorted(os.listdir(tmp_path)) == ["bare.keras", "file"]


def test_the_binary_exports_and_compares(run, tmp_path):
    output = tmp_path / "out"
    done = kd_export(run, output, "--format=savedmodel,tflite", "--compare", "--teacher=")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"written: {output}\n")
    assert done.stdout.endswith((output / "comparison.md").read_text())
    files = {name: os.path.getmtime(output / name) for name in ("student.tflite", "model_card.md")}
    again = kd_export(run, output, "--compare", "--teacher=")
    assert again.returncode == 0, again.stderr
    assert "written" not in again.stdout and "| TFLite float32" in again.stdout
    assert {name: os.path.getmtime(output / name) for name in files} == files
