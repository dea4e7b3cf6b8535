"""Runs kd-cache as a user does."""

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from kd_tf.teachers.cache.store import TeacherCache
from tests.bin.programs import ROOT, call, refused, script
from tests.images import smooth_image, write_image, write_text
from tests.runs import small_run
from tests.teachers.embedding.teachers import python_teacher

STUDENT = ("--network=resnet14", "--width_divisor=8", "--steps=2", "--batch_size=8", "--evaluations=1", "--learning_rate=0.01")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A run, made in a process of its own, and its flagfile's data flags."""
    path = tmp_path_factory.mktemp("teacher")
    config = small_run(path / "run")
    (path / "flags.txt").write_text(config.flagfile(), encoding="utf-8")
    result = script("kd-train", f"--flagfile={path}/flags.txt")
    assert result.returncode == 0, result.stderr
    return str(path / "run")


def cache(*flags, cwd=None):
    return script("kd-cache", *flags, cwd=cwd)


def parts(path) -> dict[str, np.ndarray]:
    found = (os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names if name.startswith("part_"))
    return {os.path.relpath(part, path): np.load(part) for part in found if part.endswith(".npy")}


def test_fills_a_cache_and_distills_from_it(teacher, tmp_path):
    """With the teacher's data flags; a student needs the teacher no more, and refuses another seed."""
    result = cache(f"--teacher={teacher}", "--views=3", "--output=caches/teacher", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    first, second, third = result.stdout.splitlines()
    assert first.startswith("156 outputs computed, ") and first.endswith(" images/s")
    assert second.startswith("156 of 156 outputs are there (100.0%), ") and second.endswith(" MiB")
    assert third == "use it: kd-distill --teacher_cache=caches/teacher"
    again = cache(f"--teacher={teacher}", "--views=3", "--output=caches/teacher", cwd=tmp_path)
    assert again.stdout.splitlines()[0] == "0 outputs computed, 0.0 images/s"
    data = ("--identities=6", "--pictures=10", "--picture_size=24", "--image_size=16")
    distill = (*data, *STUDENT, f"--teacher_cache={tmp_path}/caches/teacher")
    assert "is of views with seed 0; this run has seed 1" in refused(
        script("kd-distill", *distill, "--seed=1", f"--model_dir={tmp_path}/other")
    )
    student = script("kd-distill", *distill, "--targets=soft,hidden", f"--model_dir={tmp_path}/student")
    assert student.returncode == 0, student.stderr
    with open(tmp_path / "student" / "flags.txt", encoding="utf-8") as file:
        assert f"--teacher_cache={tmp_path}/caches/teacher\n" in file.readlines()
    with open(tmp_path / "student" / "identities.txt", encoding="utf-8") as file:
        assert len(file.readlines()) == 6


@pytest.mark.slow
def test_killed_at_any_moment_and_continued(teacher, tmp_path):
    """Twice; what was there stays, and the end is that of a process that nobody killed."""
    flags = (f"--teacher={teacher}", "--views=30", "--cache_dtype=float32")
    command = (sys.executable, "-m", "kd_tf.bin.cache", *flags)
    whole, path = tmp_path / "whole", tmp_path / "cache"
    assert cache(*flags, f"--output={whole}").returncode == 0
    for enough in (1, 12):
        process = subprocess.Popen([*command, f"--output={path}"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while len(parts(path)) < enough:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.001)
        process.kill()
        process.communicate()
        before = parts(path)
        assert enough <= len(before) < 31
    result = cache(*flags, f"--output={path}")
    assert result.returncode == 0, result.stderr
    found, expected = parts(path), parts(whole)
    assert found.keys() == expected.keys()
    for name, rows in expected.items():
        np.testing.assert_array_equal(found[name], rows)
    assert TeacherCache(str(path)).coverage() == (1452, 1452)


def test_imports_embeddings(tmp_path):
    np.savez(tmp_path / "e.npz", embeddings=np.ones([60, 4], np.float32))
    result = cache(f"--import={tmp_path}/e.npz", "--identities=6", "--pictures=10", "--picture_size=24", "--output=c", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[0].startswith("60 of 60 outputs are there (100.0%), ")


def test_the_documented_example_makes_a_cache(tmp_path):
    """The code of docs/CACHE.md, on fewer faces."""
    with open(os.path.join(ROOT, "docs", "CACHE.md"), encoding="utf-8") as file:
        code = file.read().partition("```python\n")[2].partition("```")[0]
    few = code.replace('SourceConfig(data="synthetic")', "SourceConfig(identities=6, pictures=10, picture_size=24)")
    assert few != code
    write_text(tmp_path / "fill.py", few)
    made = call(sys.executable, "fill.py", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert TeacherCache(str(tmp_path / "my_cache")).coverage() == (108, 108)
    data = ("--identities=6", "--pictures=10", "--picture_size=24", "--image_size=32")
    targets = (f"--teacher_cache={tmp_path}/my_cache", "--alpha=0", "--beta=1")
    student = script("kd-distill", *data, *STUDENT, *targets, f"--model_dir={tmp_path}/student")
    assert student.returncode == 0, student.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--output=c"], "give --teacher=RUN, or --import=FILE.npz"),
        (["--teacher=T", "--output=c"], "give --views=V; 0 stores the evaluation view alone"),
        (["--teacher=T", "--output=c", "--views=-1"], "--views=-1"),
        (["--teacher=T", "--output=c", "--views=2", "--worker=2/2"], "--worker=2/2: the first of 2 is 0/2, the last 1/2"),
        (["--teacher=T", "--output=c", "--views=2", "--worker=two"], "--worker=two cannot be read; wanted is INDEX/COUNT"),
        (["--teacher=T", "--output=c", "--views=2", "--image_size=32"], "takes images of 16x16 pixels, but --image_size=32"),
        (["--teacher=/none", "--output=c", "--views=2"], "--teacher=/none does not exist"),
        (["--import=e.npz", "--output=c", "--views=2"], "--views has no effect with --import"),
        (["--import=e.npz", "--output=c"], "e.npz does not exist"),
        (["--teacher=T", "--views=2"], "--output"),
        (["--teacher=T", "--output=T", "--views=2"], "is not empty and no teacher cache"),
        (["--teacher=T", "--output=c", "--views=2", "--noadmit"], "--noadmit has no effect with a teacher that is a run"),
    ],
)
def test_bad_flags_are_refused(flags, message, teacher, tmp_path):
    given = [flag.replace("=T", f"={teacher}") for flag in flags]
    assert message in refused(cache(*given, cwd=tmp_path))
    assert os.listdir(tmp_path) == []


def test_a_teacher_from_elsewhere(tmp_path):
    """A function of Python, named as from the current folder; its students find it from any other."""
    python_teacher(tmp_path, central_fraction=0.8)
    data = ("--identities=6", "--pictures=10", "--picture_size=24", "--image_size=16")
    found = cache("--teacher=python:faces.py:quarters", "--views=1", "--output=caches/faces", *data, "--noadmit", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert "as declared" not in found.stderr
    assert "60 of 60 outputs are there (100.0%)" in found.stdout
    student = ("--teacher=python:faces.py:quarters", "--targets=hidden", *data, *STUDENT, f"--model_dir={tmp_path}/run")
    live = refused(script("kd-distill", *student, cwd=tmp_path))
    assert f"--teacher=python:{tmp_path}/faces.py:quarters does not run in TensorFlow" in live
    result = script("kd-distill", *student, "--teacher_cache=caches/faces", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    with open(tmp_path / "run" / "flags.txt", encoding="utf-8") as file:
        assert f"--teacher=python:{tmp_path}/faces.py:quarters\n" in file.readlines()
    undeclared = [f"--teacher={tmp_path}/teacher.onnx", "--views=1", f"--output={tmp_path}/other"]
    assert f"--teacher={tmp_path}/teacher.onnx does not exist" in refused(cache(*undeclared))
    write_text(tmp_path / "teacher.onnx", "no model")
    assert f"--teacher={tmp_path}/teacher.onnx needs its view in {tmp_path}/teacher.onnx.view.json" in refused(cache(*undeclared))


def test_what_failed_before_its_first_outputs_is_begun_anew(tmp_path):
    data = ("--identities=6", "--pictures=10", "--picture_size=24", "--views=1", "--output=c")
    loud = f"--teacher={python_teacher(tmp_path, 'loud')}"
    line = cache(loud, *data, "--noadmit", cwd=tmp_path).stderr.splitlines()[-1]
    assert "cannot be stored as float16; use --cache_dtype=float32" in line
    assert cache(loud, *data, "--noadmit", "--cache_dtype=float32", cwd=tmp_path).returncode == 0
    other = cache(f"--teacher={python_teacher(tmp_path)}", *data, "--noadmit", "--cache_dtype=float32", cwd=tmp_path)
    assert f"--output={tmp_path}/c was begun with teacher " in refused(other)
    # Parts that were cut short are something, too.
    shutil.copytree(tmp_path / "c", tmp_path / "cut")
    for part in parts(tmp_path / "cut"):
        os.truncate(tmp_path / "cut" / part, 100)
    cut = cache(loud, *data, "--output=cut", "--noadmit", cwd=tmp_path)
    assert f"--output={tmp_path}/cut was begun with dtype float32, not float16" in refused(cut)
    assert (tmp_path / "cut" / "manifest.json").read_bytes() == (tmp_path / "c" / "manifest.json").read_bytes()
    # What --noadmit stored is not tried later either.
    later = cache(loud, *data, "--cache_dtype=float32", cwd=tmp_path)
    assert later.returncode == 0 and f"{tmp_path}/c has outputs already: {loud} is not tried again" in later.stderr


def test_an_image_that_the_teacher_says_nothing_of_is_named(tmp_path):
    for number in range(10):
        write_image(tmp_path / "photographs" / f"{number}.png", np.full([24, 24, 3], 40 if number == 1 else 200, np.uint8))
    teacher = python_teacher(tmp_path, "of_bright_ones")
    filled = cache(f"--teacher={teacher}", "--noadmit", "--views=0", "--data=folder:photographs", "--output=c", cwd=tmp_path)
    assert filled.returncode == 2
    assert f"--teacher={teacher} answers with 12 zeros to {tmp_path}/photographs/1.png: check" in filled.stderr.splitlines()[-1]


def write_people_of_colours(folder):
    """Six people, ten photographs each, who differ in the colours of their quarters."""
    random = np.random.default_rng(0)
    for person in range(6):
        for number in range(10):
            photograph = smooth_image(person, 24, 24) + random.normal(0, 10, [24, 24, 3])
            write_image(folder / f"person_{person}" / f"{number}.png", np.clip(photograph, 0, 255).astype(np.uint8))
    return folder


def test_a_teacher_from_elsewhere_is_tried_first(tmp_path):
    data = (f"--data=folder:{write_people_of_colours(tmp_path / 'people')}",)
    good, noisy = python_teacher(tmp_path), python_teacher(tmp_path, "noisy")
    tried = cache(f"--teacher={good}", "--admit", "--admit_pairs=20", *data, cwd=tmp_path)
    assert tried.returncode == 0, tried.stderr
    assert "as declared" in tried.stdout and "channel_order bgr" in tried.stdout
    assert sorted(os.listdir(tmp_path)) == ["faces.noisy.view.json", "faces.py", "faces.quarters.view.json", "people"]
    kept = cache(f"--teacher={good}", "--views=0", "--admit_pairs=20", "--output=caches/good", *data, cwd=tmp_path)
    assert kept.returncode == 0 and "as declared" in kept.stderr
    again = cache(f"--teacher={good}", "--views=0", "--admit_pairs=20", "--output=caches/good", *data, cwd=tmp_path)
    assert again.returncode == 0 and "as declared" not in again.stderr
    refusal = cache(f"--teacher={noisy}", "--views=0", "--output=caches/noisy", *data, cwd=tmp_path)
    assert refusal.returncode == 2
    assert refusal.stderr.splitlines()[-1].endswith("it must be in inference mode, without dropout or noise")
    assert not (tmp_path / "caches" / "noisy").exists()
    guesses = cache(f"--teacher={good}", "--views=0", "--output=caches/drawn", "--identities=6", "--pictures=10", cwd=tmp_path)
    assert guesses.returncode == 2
    assert "tells people no better than chance: an area of " in guesses.stderr.splitlines()[-1]
    assert guesses.stderr.endswith("(--noadmit stores its answers as they are)\n") and not (tmp_path / "caches" / "drawn").exists()
    stored = refused(cache(f"--teacher={good}", "--admit", "--views=2", *data))
    assert stored == "kd-cache: --views has no effect with --admit, which stores nothing"
    assert "give --output=DIR" in refused(cache(f"--teacher={good}", "--views=2", *data))
    several = (f"--teacher={good}", "--views=2", "--noadmit", "--admit_pairs=20", f"--output={tmp_path}/c")
    assert "--admit_pairs has no effect with --noadmit" in refused(cache(*several, *data))
    assert "--admit tries teachers from elsewhere" in refused(cache(f"--teacher={tmp_path}", "--admit", *data))
