import dataclasses
import logging
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from kd_tf.errors import InputError, RunStopped
from kd_tf.study import processes
from kd_tf.study.processes import run_jobs
from tests.study.fake_jobs import FakeJob

SECONDS = 120


def make_jobs(folder, *jobs):
    """Of (name, needs, does)."""
    return {name: FakeJob(name, str(folder / name), needs, does) for name, needs, does in jobs}


def test_each_after_those_it_needs_and_in_few_processes(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(processes, "JOBS_A_PROCESS", 2)
    jobs = make_jobs(tmp_path, ("a", (), ""), ("b", ("a",), ""), ("c", ("b",), ""))
    finished = []
    with caplog.at_level(logging.INFO, "kd_tf"):
        run_jobs(jobs, 1, lambda: finished.append(sorted(os.listdir(tmp_path))))
    assert finished == [["a"], ["a", "b"], ["a", "b", "c"]]
    first, second, third = ((tmp_path / name).read_text() for name in "abc")
    assert first == second != third and str(os.getpid()) not in (first, third)
    said = [record.getMessage() for record in caplog.records]
    assert said == ["job 1 of 3: a", "a is at it", "job 2 of 3: b", "b is at it", "job 3 of 3: c", "c is at it"]


def test_two_at_once_and_none_twice(tmp_path, caplog):
    jobs = make_jobs(tmp_path, ("a", (), ""), ("b", (), ""), ("c", ("a", "b"), ""))
    (tmp_path / "a").write_text("finished")
    with caplog.at_level(logging.INFO, "kd_tf"):
        run_jobs(jobs, 2)
    assert (tmp_path / "a").read_text() == "finished" and (tmp_path / "c").exists()
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "1 of 3 jobs were finished before" and "[b] b is at it" in said


def test_bad_input_of_a_job_is_that_of_the_study(tmp_path):
    jobs = make_jobs(tmp_path, ("bad", (), "refuse"), ("next", (), ""))
    with pytest.raises(InputError, match="^--flag=1 must not be$"):
        run_jobs(jobs, 1)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("does", "message"),
    [("die", "bad: its process ended with SIGKILL; the same command continues"), ("crash", "bad: ZeroDivisionError: nothing to divide by")],
)
def test_a_job_that_fails_stops_the_study_and_saves_the_others(tmp_path, does, message):
    jobs = make_jobs(tmp_path, ("long", (), "wait"), ("bad", (), does))
    jobs["bad"] = dataclasses.replace(jobs["bad"], after=str(tmp_path / "long.waits"))
    with pytest.raises(RunStopped, match=message) as stopped:
        run_jobs(jobs, 2)
    assert stopped.value.exit_status == 1
    assert (tmp_path / "long.saved").read_text() == "SIGTERM"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_to_the_study_reaches_its_jobs(tmp_path, number):
    """Of SIGKILL they learn by themselves."""
    command = [sys.executable, "-m", "tests.study.fake_jobs", str(tmp_path / "long")]
    study = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(tmp_path / "long.waits")
    study.send_signal(number)
    errors = study.communicate(timeout=SECONDS)[1]
    wait_for(tmp_path / "long.saved")
    assert (tmp_path / "long.saved").read_text() == "SIGTERM"
    if number != signal.SIGKILL:
        assert f"RunStopped: stopped by {number.name}; the same command continues" in errors


def wait_for(path):
    begun = time.monotonic()
    while not path.exists() or not path.read_text():
        assert time.monotonic() - begun < SECONDS
        time.sleep(0.05)


def test_a_process_that_is_not_up_yet_learns_of_it_too(tmp_path):
    study = subprocess.Popen([sys.executable, "-m", "tests.study.fake_jobs", str(tmp_path / "long")], stderr=subprocess.DEVNULL)
    children = pathlib.Path(f"/proc/{study.pid}/task/{study.pid}/children")
    while not (started := [int(child) for child in children.read_text().split() if "spawn_main" in command_of(child)]):
        time.sleep(0.01)
    study.kill()
    study.wait()
    begun = time.monotonic()
    while "spawn_main" in command_of(started[0]):
        assert time.monotonic() - begun < SECONDS
        time.sleep(0.1)


def command_of(process) -> str:
    """Empty where it has ended."""
    try:
        return pathlib.Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""
