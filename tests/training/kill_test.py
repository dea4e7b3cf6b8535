"""Real training processes, killed at random moments."""

import os
import subprocess
import sys

import pytest

SCRIPT = os.path.join(os.path.dirname(__file__), "..", "..", "benchmarks", "kill_runs.py")


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("kills", "tasks"), [(2, ["verification"]), pytest.param(24, ["classification", "alignment", "verification"], marks=pytest.mark.slow)]
)
def test_kills_change_no_bit(tmp_path, kills, tasks):
    command = [sys.executable, SCRIPT, f"--kills={kills}", f"--output={tmp_path}", *(f"--tasks={task}" for task in tasks)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in (tmp_path / "kills.md").read_text().splitlines()[2:]]
    assert [row[0] for row in rows] == [f"{task}, {teacher} teacher" for task in tasks for teacher in ("live", "cached")]
    assert sum(int(row[1]) for row in rows) == kills
    assert all(int(row[2]) >= 1 and row[3] == "nothing" for row in rows)
