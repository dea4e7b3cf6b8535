"""Embeddings made elsewhere, as a cache."""

import dataclasses
import os

import numpy as np
import pytest

from kd_tf.data.folder import open_folder
from kd_tf.data.sources import SourceConfig, open_source
from kd_tf.errors import InputError
from kd_tf.networks.stored import load_network
from kd_tf.teachers.cache.store import TeacherCache
from kd_tf.training.caching import ImportConfig, import_teacher
from kd_tf.training.config import DistillationConfig
from kd_tf.training.run import run
from tests.images import smooth_image, write_image
from tests.runs import SOURCE, VIEW, small_run

RECORDS, WIDTH, IDENTITIES = 60, 5, 6


def _write(path, **arrays) -> str:
    np.savez(path, **arrays)
    return str(path)


def _embeddings(rows=RECORDS) -> np.ndarray:
    return np.random.default_rng(0).normal(size=[rows, WIDTH]).astype(np.float32)


def _imported(file, output, source=SOURCE, dtype="float32") -> TeacherCache:
    import_teacher(ImportConfig(file, str(output), source, dtype))
    return TeacherCache(str(output))


def test_rows_without_names_are_the_records_in_order(tmp_path):
    embeddings = _embeddings()
    cache = _imported(_write(tmp_path / "e.npz", embeddings=embeddings), tmp_path / "cache")
    records = np.array([59, 3, 3, 0])
    np.testing.assert_array_equal(cache.read(records, np.full(4, -1)), embeddings[records])
    assert cache.coverage() == (60, 60) and cache.manifest.views == 0 and cache.head() is None


def test_rows_with_names_are_joined_with_the_files(tmp_path):
    for name in ("ann/1.png", "ann/2.png", "bob/1.png"):
        os.makedirs(tmp_path / "faces" / name[:3], exist_ok=True)
        write_image(tmp_path / "faces" / name, smooth_image(1))
    embeddings = _embeddings(3)
    file = _write(tmp_path / "e.npz", embeddings=embeddings, names=["bob/1.png", "nobody/1.png", "ann/1.png"])
    cache = _imported(file, tmp_path / "cache", SourceConfig(data=f"folder:{tmp_path}/faces"))
    assert open_folder(str(tmp_path / "faces")).paths == ["ann/1.png", "ann/2.png", "bob/1.png"]
    assert cache.evaluation_records.tolist() == [0, 2]
    np.testing.assert_array_equal(cache.read(np.array([0, 2]), np.array([-1, -1])), embeddings[[2, 0]])


def test_a_student_learns_from_clean_images_what_the_rows_say(tmp_path):
    """With one step, whose loss is that of the evaluation views and of the imported head."""
    kernel, bias = np.ones([WIDTH, IDENTITIES], np.float32), np.arange(IDENTITIES, dtype=np.float32)
    file = _write(tmp_path / "e.npz", embeddings=_embeddings(), kernel=kernel, bias=bias)
    cache = _imported(file, tmp_path / "cache", dtype="float16")
    np.testing.assert_array_equal(cache.head()[0], kernel)
    targets = DistillationConfig(teacher_cache=str(tmp_path / "cache"), alpha=1.0, beta=1.0)
    metrics = run(small_run(tmp_path / "run", distillation=targets))
    assert metrics["steps"] == 4
    assert load_network(str(tmp_path / "run"), "model", image_size=16).output["logits"].shape == (None, IDENTITIES)


@pytest.mark.parametrize("views", [1, 8])
def test_more_than_the_clean_view_is_refused(views, tmp_path):
    path = str(tmp_path / "cache")
    _imported(_write(tmp_path / "e.npz", embeddings=_embeddings()), path)
    config = small_run(tmp_path / "run", distillation=DistillationConfig(teacher_cache=path, beta=1.0))
    with pytest.raises(InputError) as error:
        run(dataclasses.replace(config, view=dataclasses.replace(VIEW, views=views)))
    assert str(error.value) == f"--views={views}, but --teacher_cache={path} has 0: only the evaluation view (--views=0) was stored"


def test_images_without_a_row_are_refused_when_they_are_needed(tmp_path):
    source = open_source(SOURCE)
    path = str(tmp_path / "cache")
    cache = _imported(_write(tmp_path / "e.npz", embeddings=_embeddings()), path)
    np.save(tmp_path / "cache" / "evaluation_records.npy", cache.evaluation_records[:-1])
    os.remove(tmp_path / "cache" / "evaluation" / "part_00000.npy")
    TeacherCache(path)._rows[-1].write(0, _embeddings(59))
    with pytest.raises(InputError) as error:
        run(small_run(tmp_path / "run", distillation=DistillationConfig(teacher_cache=path, beta=1.0)))
    assert "lacks 1 of the " in str(error.value) and source.describe(59) in str(error.value)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"hidden": _embeddings()}, "lacks the array 'embeddings' (it has: hidden)"),
        ({"embeddings": _embeddings()[0]}, "'embeddings' must be numbers of shape [n, width]"),
        ({"embeddings": _embeddings() * np.nan}, "row 0 is not finite"),
        ({"embeddings": _embeddings(7)}, "has 7 rows and synthetic"),
        ({"embeddings": _embeddings(), "names": np.array([f"{n}.png" for n in range(60)])}, "have no names to join"),
        ({"embeddings": _embeddings(), "kernel": np.ones([4, 6])}, "'kernel' [4, 6] and 'bias' [6] do not fit 'embeddings' of width 5"),
        ({"embeddings": _embeddings(), "kernel": np.ones([5, 6]), "bias": np.ones(7)}, "'bias' [7] do not fit"),
        ({"embeddings": _embeddings() * 1e6}, "use --cache_dtype=float32"),
    ],
)
def test_a_file_that_does_not_fit_is_named(arrays, message, tmp_path):
    file = _write(tmp_path / "e.npz", **arrays)
    with pytest.raises(InputError) as error:
        _imported(file, tmp_path / "cache", dtype="float16")
    assert message in str(error.value)
    assert not os.path.exists(tmp_path / "cache")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=f"--import={tmp_path}/none.npz does not exist"):
        _imported(f"{tmp_path}/none.npz", tmp_path / "cache")
