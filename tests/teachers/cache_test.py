"""Caches that runs of the smallest network fill and train from."""

import dataclasses
import json
import os

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.dataset import open_data
from kd_tf.data.order import epoch_order
from kd_tf.data.pipeline import batches_of_view, training_batches
from kd_tf.data.split import SplitConfig
from kd_tf.data.views import EVALUATION_VIEW
from kd_tf.errors import InputError
from kd_tf.networks.stored import load_network
from kd_tf.teachers.cache import rows
from kd_tf.teachers.cache.store import TeacherCache
from kd_tf.training.caching import CacheConfig, cache_teacher
from kd_tf.training.config import DistillationConfig
from kd_tf.training.run import run
from tests.runs import SOURCE, VIEW, small_run

STEPS = 50
TASKS = {
    "classification": {"alpha": 1.0, "beta": 0.5},
    "alignment": {"alpha": 0.0, "beta": 1.0},
    "verification": {"alpha": 0.5, "beta": 1.0},
}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A run to distill from."""
    path = str(tmp_path_factory.mktemp("teacher") / "run")
    run(small_run(path))
    return path


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    """Of ten rows, so that 48 training and 12 test images make several."""
    monkeypatch.setattr(rows, "_FEWEST_ROWS", 10)


def _config(teacher, output, *, views=2, dtype="float32", **changes) -> CacheConfig:
    view = dataclasses.replace(VIEW, views=views, **changes.pop("view", {}))
    return CacheConfig(teacher=str(teacher), output=str(output), source=SOURCE, view=view, dtype=dtype, batch_size=7, **changes)


@pytest.fixture(scope="module")
def cache(teacher, tmp_path_factory):
    """Two views in float32, filled."""
    path = str(tmp_path_factory.mktemp("cache") / "cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "_FEWEST_ROWS", 10)
        cache_teacher(_config(teacher, path))
    return path


def _student(model_dir, task="classification", view=VIEW, steps=STEPS, **distillation):
    training = {"steps": steps, "learning_rate": 0.001}
    return small_run(model_dir, task=task, view=view, distillation=DistillationConfig(**TASKS[task] | distillation), training=training)


def _weights(path) -> list[np.ndarray]:
    return load_network(str(path), "model", image_size=VIEW.image_size).get_weights()


def _message(path, **changes) -> str:
    """Of the refusal of a run that trains from the cache."""
    with pytest.raises(InputError) as error:
        run(dataclasses.replace(_student(os.path.join(path, "../run"), teacher_cache=path), **changes))
    assert not os.path.exists(os.path.join(path, "../run"))
    return str(error.value)


def test_each_row_is_what_the_teacher_says_of_the_record_under_the_view(teacher, cache):
    data = open_data(SOURCE, VIEW)
    network, stored = load_network(teacher, "teacher", image_size=16), TeacherCache(cache)
    for view, split in ((0, data.train), (1, data.train), (EVALUATION_VIEW, data.test)):
        for images, targets in batches_of_view(split, VIEW, view, batch_size=16):
            expected = network(images, training=False)
            records = targets["record"].numpy()
            found = stored.read(records, np.full(len(records), view))
            np.testing.assert_allclose(found, expected["hidden"], rtol=1e-5, atol=1e-5)
            kernel, bias = stored.head()
            np.testing.assert_allclose(found @ kernel + bias, expected["logits"], rtol=1e-5, atol=1e-5)


def test_the_files_are_plain_arrays_and_a_manifest(cache):
    with open(os.path.join(cache, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    assert manifest["views"] == 2 and manifest["dtype"] == "float32" and manifest["part_rows"] == 10
    assert manifest["view"] == {
        "image_size": 16, "central_fraction": 1.0, "align": False, "jitter": True, "seed": 0, "view_function": 1,
    }  # fmt: skip
    parts = {view: sorted(os.listdir(os.path.join(cache, view))) for view in ("view_00000", "view_00001", "evaluation")}
    assert {view: len(names) for view, names in parts.items()} == {"view_00000": 5, "view_00001": 5, "evaluation": 2}
    assert np.load(os.path.join(cache, "view_00001", "part_00004.npy")).shape == (8, manifest["width"])
    assert len(np.load(os.path.join(cache, "records.npy"))) == 48


@pytest.mark.parametrize("task", TASKS)
def test_training_from_the_cache_equals_training_with_the_live_teacher(task, teacher, cache, tmp_path):
    """Fed the same two views, in turns, over more than two epochs; test losses included."""
    view = dataclasses.replace(VIEW, views=2)
    live = run(_student(tmp_path / "live", task, view, teacher=teacher))
    cached = run(_student(tmp_path / "cached", task, teacher_cache=cache))
    for before, after in zip(_weights(tmp_path / "live"), _weights(tmp_path / "cached"), strict=True):
        np.testing.assert_allclose(after, before, atol=1e-5)
    scores = [name for name in ("top1", "nrmse", "failure_rate", "rank1") if name in live]
    assert scores and {name: live[name] for name in scores} == pytest.approx({name: cached[name] for name in scores})
    logs = [_test_losses(tmp_path / name) for name in ("live", "cached")]
    assert len(logs[0]) == 2 and logs[0] == logs[1]


def _test_losses(path) -> list[str]:
    with open(path / "log.txt", encoding="utf-8") as file:
        return [line.partition("step ")[2].strip() for line in file if "test split" in line]


@pytest.mark.slow
def test_float16_stays_near(teacher, cache, tmp_path):
    """Half precision has 11 bits: the stored rows are off by 5e-4 of their value, the weights after 50 steps by 1e-3."""
    cache_teacher(_config(teacher, tmp_path / "half", dtype="float16"))
    data = open_data(SOURCE, VIEW)
    views = np.zeros(len(data.train.records), np.int64)
    single, half = (TeacherCache(str(path)).read(data.train.records, views) for path in (cache, tmp_path / "half"))
    assert half.dtype == np.float16
    np.testing.assert_allclose(half, single, rtol=5e-4, atol=1e-6)
    run(_student(tmp_path / "single", teacher_cache=cache))
    run(_student(tmp_path / "halved", teacher_cache=str(tmp_path / "half")))
    for before, after in zip(_weights(tmp_path / "single"), _weights(tmp_path / "halved"), strict=True):
        np.testing.assert_allclose(after, before, atol=1e-3)


def test_workers_and_interruptions_leave_what_one_process_makes(teacher, cache, tmp_path):
    """Every second part by one worker, a process that dies in the middle, a part cut short: filled up, and never twice."""
    path = tmp_path / "cache"
    report = cache_teacher(_config(teacher, path, worker=(1, 2)))
    assert (report["outputs"], report["filled"], report["wanted"]) == (50, 50, 108)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", _dying_after(2))
        with pytest.raises(KeyboardInterrupt):
            cache_teacher(_config(teacher, path))
    cut = path / "view_00001" / "part_00000.npy"
    kept = (path / "view_00000" / "part_00001.npy").stat()
    cut.write_bytes(cut.read_bytes()[:-1])
    assert TeacherCache(str(path)).coverage() == (60, 108)
    report = cache_teacher(_config(teacher, path))
    assert (report["outputs"], report["filled"]) == (48, 108)
    assert (path / "view_00000" / "part_00001.npy").stat().st_mtime_ns == kept.st_mtime_ns
    for folder, _, files in os.walk(cache):
        for name in files:
            if name.startswith("part_"):
                twin = os.path.join(path, os.path.relpath(folder, cache), name)
                np.testing.assert_allclose(np.load(twin), np.load(os.path.join(folder, name)), rtol=1e-5, atol=1e-5)


def _dying_after(parts: int):
    original, done = os.replace, []

    def replace(source, target):
        if len(done) == parts:
            raise KeyboardInterrupt
        done.append(target)
        original(source, target)

    return replace


def test_two_devices_fill_the_same(teacher, cache, tmp_path, mirrored):
    cache_teacher(dataclasses.replace(_config(teacher, tmp_path / "cache", strategy="mirrored"), batch_size=8))
    every = [np.concatenate([np.load(part) for part in _parts(path)]) for path in (cache, tmp_path / "cache")]
    np.testing.assert_allclose(every[1], every[0], rtol=1e-5, atol=1e-5)


def _parts(path) -> list[str]:
    return sorted(os.path.join(folder, name) for folder, _, files in os.walk(path) for name in files if name.startswith("part_"))


def test_training_images_are_seen_under_the_views_in_turns(cache):
    """Epoch e under view e mod V, and with --views=0 in the evaluation view."""
    data = open_data(SOURCE, VIEW)
    for views, expected in ((2, [0, 1, 0, 1]), (0, [-1, -1, -1, -1]), (None, [0, 1, 2, 3])):
        view = dataclasses.replace(VIEW, views=views)
        assert _views_of_epochs(data.train, view) == expected


def _views_of_epochs(split, view) -> list[int]:
    batches = training_batches(split, epoch_order(len(split), seed=0), view, batch_size=len(split), steps=4)
    seen = [set(targets["view"].numpy()) for _, targets in batches]
    assert all(len(views) == 1 for views in seen)
    return [int(views.pop()) for views in seen]


def test_another_teacher_is_refused(teacher, cache, tmp_path):
    other = tmp_path / "other"
    run(small_run(other, training={"seed": 1, "steps": 1, "evaluations": 1}))
    message = _message(cache, distillation=DistillationConfig(teacher=str(other), teacher_cache=cache, alpha=1.0))
    assert message.startswith(f"--teacher_cache={cache} is of a teacher with the weights ") and "; those of --teacher are " in message
    run(_student(tmp_path / "run", steps=1, teacher=teacher, teacher_cache=cache))


def test_another_data_set_is_refused(cache):
    message = _message(cache, source=dataclasses.replace(SOURCE, data_seed=2))
    assert "is of the records " in message and "seed 1)" in message and "seed 2)" in message


@pytest.mark.parametrize(
    ("view", "message"),
    [
        ({"image_size": 24}, "is of views with image_size 16; this run has image_size 24"),
        ({"central_fraction": 0.8}, "is of views with central_fraction 1.0; this run has central_fraction 0.8"),
        ({"jitter": False}, "is of views with jitter True; this run has jitter False"),
        ({"views": 3}, "--views=3, but --teacher_cache="),
        ({"views": 0}, "lacks 48 of the 48 training images"),
    ],
)
def test_other_views_are_refused(view, message, cache):
    assert message in _message(cache, view=dataclasses.replace(VIEW, **view))


def test_another_seed_is_refused(cache):
    training = dataclasses.replace(small_run("unused").training, seed=3)
    assert _message(cache, training=training).endswith("is of views with seed 0; this run has seed 3")


def test_another_view_function_is_refused(cache, monkeypatch):
    monkeypatch.setattr("kd_tf.teachers.cache.manifest.VIEW_FUNCTION", 2)
    assert _message(cache).endswith("is of views with view_function 1; this run has view_function 2")


def test_another_split_is_refused(cache):
    message = _message(cache, split=SplitConfig(split_seed=5))
    assert "of the 48 training images, the first being" in message and "another --split?" in message


def test_an_unfinished_cache_is_refused_with_its_coverage(teacher, tmp_path):
    path = str(tmp_path / "cache")
    cache_teacher(_config(teacher, path, worker=(0, 2)))
    assert _message(path) == f"--teacher_cache={path} is not filled: 58 of 108 outputs are there (53.7%); run kd-cache again"


def test_a_hint_needs_the_teacher(cache):
    with pytest.raises(InputError, match="--task=hint learns a stage of the teacher, and a --teacher_cache has its last hidden layer"):
        small_run("unused", task="hint", distillation=DistillationConfig(teacher_cache=cache, beta=1.0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dtype": "float16"}, "was begun with dtype float32, not float16"),
        ({"views": 3}, "was begun with views 2, not 3"),
        ({"view": {"seed": 4}}, "'seed': 0"),
    ],
)
def test_a_directory_holds_one_cache(changes, message, teacher, cache):
    before = {path: os.stat(path).st_mtime_ns for path in _parts(cache)}
    with pytest.raises(InputError) as error:
        cache_teacher(_config(teacher, cache, **changes))
    assert message in str(error.value)
    assert {path: os.stat(path).st_mtime_ns for path in _parts(cache)} == before


def test_a_cache_is_filled_up_from_wherever_the_data_lie(teacher, tmp_path):
    path = str(tmp_path / "cache")
    cache_teacher(_config(teacher, path, worker=(0, 2)))
    manifest = tmp_path / "cache" / "manifest.json"
    facts = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**facts, "data_name": "lfw:/where/it/was"}))
    contents = cache_teacher(_config(teacher, path))
    assert contents["filled"] == contents["wanted"] == 108
    assert json.loads(manifest.read_text())["data_name"] == "lfw:/where/it/was"
    manifest.write_text(json.dumps({**facts, "data": "0123456789abcdef"}))
    with pytest.raises(InputError, match=f"was begun with data 0123456789abcdef, not {facts['data']}; give another directory or delete it"):
        cache_teacher(_config(teacher, path))


def test_a_part_of_another_shape_is_named(cache, tmp_path):
    stored = TeacherCache(cache)
    np.save(tmp_path / "part_00000.npy", np.zeros([4, 3], np.float32))
    with pytest.raises(InputError) as error:
        rows.ViewRows(str(tmp_path), np.arange(4), stored.manifest).has(0)
    width = stored.manifest.width
    assert str(error.value) == f"{tmp_path}/part_00000.npy holds float32 [4, 3]; wanted is float32 [4, {width}]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read: Expecting property name"),
        ('{"teacher": "a"}', "cannot be read: "),
        ("[1]", "cannot be read: "),
        (None, "is no teacher cache"),
        ({"format": 9}, "it has format 9, and this program reads format 1"),
        ({"dtype": "float64"}, "dtype 'float64' is none of float16, float32"),
        ({"width": 0}, "width 0"),
    ],
)
def test_a_manifest_that_cannot_be_meant_is_named(text, message, cache, tmp_path):
    if isinstance(text, dict):
        text = json.dumps(dataclasses.asdict(TeacherCache(cache).manifest) | text)
    if text is not None:
        (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        TeacherCache(str(tmp_path))
    assert message in str(error.value) and str(tmp_path) in str(error.value)


def test_a_directory_of_other_things_is_left_alone(teacher, tmp_path):
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="is not empty and no teacher cache"):
        cache_teacher(_config(teacher, tmp_path))
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_a_killed_beginning_is_begun_again(teacher, cache, tmp_path):
    """Lists without a manifest."""
    (tmp_path / "records.npy").write_bytes(b"half")
    (tmp_path / "head.npz.17.partial").write_bytes(b"half")
    cache_teacher(_config(teacher, tmp_path))
    assert TeacherCache(str(tmp_path)).coverage() == (108, 108)


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        (np.nan, "float32", "is nan for record 3, which cannot be stored as float32$"),
        (1e5, "float16", "100000 .*use --cache_dtype=float32$"),
    ],
)
def test_what_cannot_be_stored_is_refused(value, dtype, message, cache, tmp_path):
    stored = TeacherCache(cache)
    manifest = dataclasses.replace(stored.manifest, dtype=dtype)
    hidden = np.zeros([4, manifest.width], np.float32)
    hidden[3, 5] = value
    with pytest.raises(InputError, match=message):
        rows.ViewRows(str(tmp_path / "view"), np.arange(4), manifest).write(0, hidden)
    assert not os.path.exists(tmp_path / "view")


def test_a_teacher_whose_logits_no_layer_makes_serves_the_hidden_layer_alone(teacher, cache, tmp_path):
    network = load_network(teacher, "teacher", image_size=16)
    outputs = dict(network.output)
    outputs["logits"] = tf.keras.layers.Lambda(lambda logits: tf.sin(logits), dtype="float32")(outputs["logits"])
    odd = tmp_path / "odd"
    tf.keras.Model(network.input, outputs).save(odd)
    cache_teacher(_config(odd, tmp_path / "cache"))
    path = str(tmp_path / "cache")
    assert TeacherCache(path).head() is None
    assert "has no identity head, which soft targets and logits need" in _message(path)
    run(_student(tmp_path / "student", steps=1, teacher_cache=path, alpha=0.0))


def test_workers_of_tf_config_share_the_work(teacher, cache, tmp_path, monkeypatch):
    for index in range(2):
        task = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": index}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(task))
        config = dataclasses.replace(_config(teacher, tmp_path / "cache", strategy="multi_worker"), batch_size=8)
        report = cache_teacher(config)
        assert report["filled"] == (report["outputs"] if index == 0 else report["wanted"])
        assert 0 < report["outputs"] < report["wanted"]
    every = [np.concatenate([np.load(part) for part in _parts(path)]) for path in (cache, tmp_path / "cache")]
    np.testing.assert_allclose(every[1], every[0], rtol=1e-5, atol=1e-5)
    with pytest.raises(InputError, match="--worker=0/2 says what TF_CONFIG says for --strategy=multi_worker"):
        _config(teacher, tmp_path / "cache", strategy="multi_worker", worker=(0, 2))
