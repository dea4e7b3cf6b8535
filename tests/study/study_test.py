import dataclasses
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from kd_tf.data.sources import SourceConfig
from kd_tf.errors import InputError
from kd_tf.networks.identity_names import recorded_identities
from kd_tf.networks.stored import load_network
from kd_tf.study.study import Study
from kd_tf.training.run_directory import RunDirectory, recorded_flags
from tests.study.tiny_study import tiny_config

SECONDS = 300
TEACHERS = ("teacher", "alignment_teacher", "joint_teacher")
STAGES = (*TEACHERS, "scratch_soft_4", "pretrained_4", "ours_4", "alignment_distill_hidden_4", "joint_distill_soft_4")


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A study that nothing disturbed, and its results."""
    config = tiny_config(tmp_path_factory.mktemp("studied") / "study")
    return config, Study(config).run()


def scores(directory) -> dict[str, dict]:
    """Of each stage, without what it cost."""
    kept = ("task", "top1", "nrmse", "failure_rate", "rank1", "parameters", "steps", "seed")
    found = {name: json.loads((directory / "seed0" / name / "metrics.json").read_text()) for name in os.listdir(directory / "seed0")}
    return {name: {key: metrics[key] for key in kept if key in metrics} for name, metrics in found.items()}


def test_every_stage_is_run(studied):
    config, results = studied
    assert set(results.scores) == set(STAGES)
    for name in STAGES:
        path = os.path.join(config.directory, "seed0", name)
        assert RunDirectory(path).metrics() == results.scores[name][0]
        assert os.path.realpath(path) == os.path.realpath(results.runs[name][0].model_dir)
    flags = recorded_flags(os.path.join(config.directory, "seed0", "joint_distill_soft_4"))
    assert re.search(r"/teachers/joint_teacher_outputs_seed0-[0-9a-f]{8}$", flags["teacher_cache"])
    assert "teacher" not in flags


def test_networks_keep_what_later_ones_need(studied):
    config, _ = studied
    people = [f"synthetic_{person:06d}" for person in range(16)]
    for name, heads in (("alignment_teacher", {"logits", "landmarks"}), ("alignment_distill_hidden_4", {"landmarks"})):
        path = os.path.join(config.directory, "seed0", name)
        assert set(load_network(path, "model", image_size=16).output) == {"hidden", "embedding"} | heads
        assert recorded_identities(path) == (people if "logits" in heads else None)


def test_what_it_writes(studied):
    config, results = studied
    files = sorted(os.listdir(config.directory))
    assert files == ["baselines.json", "images", "lock", "report.html", "runs", "seed0", "tables", "teachers"]
    with open(os.path.join(config.directory, "tables", "overview.md"), encoding="utf-8") as file:
        lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in file]
    names = [line[0] for line in lines[2:]]
    assert names == ["teacher (Eq 3, 6, 8')", "student /4 from scratch (Eq 2)", "student /4 pre-trained (Eq 3)",
                     "student /4 distilled (Eq 4, 7, 9')", "majority", "pixel nearest neighbour", "mean shape"]  # fmt: skip
    teacher = [results.scores[name][0] for name in TEACHERS]
    assert lines[2][2:] == [f"{teacher[0]['top1']:.2f}", f"{teacher[1]['nrmse']:.2f}", f"{teacher[2]['rank1']:.2f}"]
    assert lines[-1][2:] == ["-", f"{results.baselines['mean shape']['nrmse']:.2f}", "-"]


def test_what_is_finished_is_not_done_again(studied, monkeypatch):
    config, results = studied
    monkeypatch.setattr("kd_tf.study.processes._Worker.start", lambda worker, job: pytest.fail(f"{job.name} is done again"))
    monkeypatch.setattr("kd_tf.study.study.majority_baseline", lambda *_: pytest.fail("baselines are measured again"))
    assert Study(config).run().scores == results.scores


def test_jobs_say_how_far_they_are(studied, tmp_path):
    config, _ = studied
    jobs = Study(config)._graph.jobs
    assert all(job.finished and job.begun for job in jobs.values())
    run, cache = jobs["ours_4_seed0"], jobs["teacher_outputs_seed0"]
    for job, lost in ((run, "metrics.json"), (cache, "view_00000*")):
        copy = tmp_path / job.name
        shutil.copytree(job.path, copy)
        found = dataclasses.replace(job, config=dataclasses.replace(job.config, **{"model_dir" if job is run else "output": str(copy)}))
        assert found.finished and found.begun
        removed = list(copy.glob(lost))
        assert removed
        for path in removed:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        assert found.begun and not found.finished


def test_a_plan_does_nothing(studied, tmp_path):
    plan = Study(tiny_config(tmp_path / "study")).plan()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in plan.splitlines() if line.startswith("|")][2:]
    assert [row[0] for row in rows if row[0].startswith("teacher")] == ["teacher_seed0", "teacher_outputs_seed0"]
    assert all(float(row[3]) > 0 and row[1] == "" for row in rows) and len(rows) == 11
    assert "11 of 11 jobs are to be done: about " in plan
    assert os.listdir(tmp_path) == []
    assert "0 of 11 jobs are to be done: about 0 min 0 s" in Study(studied[0]).plan()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_at_any_moment_and_continued(studied, tmp_path):
    """Twice; the end has the scores of the study that nothing disturbed."""
    config, _ = studied
    moments, kills = random.Random(0), 0
    command = [sys.executable, "-m", "tests.study.tiny_study", str(tmp_path / "study")]
    while kills < 2:
        study = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
        time.sleep(moments.uniform(8, 20))
        if study.poll() is not None:
            break
        study.send_signal(signal.SIGKILL)
        study.communicate(timeout=SECONDS)
        kills += 1
        # A job that ran learns of it within a second, and saves itself.
        time.sleep(5)
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    assert kills and scores(tmp_path / "study") == scores(pathlib.Path(config.directory))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": (0, 0)}, "--seeds=0,0 must be different numbers from 0 to 4294967295"),
        ({"seeds": (2**32,)}, "--seeds=4294967296 must be different numbers from 0 to 4294967295"),
        ({"processes": 0}, "--jobs=0 must be at least 1"),
        ({"source": SourceConfig(identities=6, pictures=5, picture_size=24)}, "--identities_per_batch=8 needs as many identities"),
        ({"only": ("table3",)}, "--only=table3 is no table of --scale=quick"),
    ],
)
def test_bad_input_is_found_before_anything_is_written(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        Study(tiny_config(tmp_path / "study", **options)).run()
    assert os.listdir(tmp_path) == []


def test_a_folder_of_something_else(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty and no study"):
        Study(tiny_config(tmp_path)).run()
    run = tmp_path / "run"
    run.mkdir()
    for name in ("flags.txt", "lock"):
        (run / name).write_text("")
    with pytest.raises(InputError, match="is not empty and no study"):
        Study(tiny_config(run)).plan()
    with pytest.raises(InputError, match="is no folder"):
        Study(tiny_config(tmp_path / "notes.txt")).run()
