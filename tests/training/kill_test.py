"""Real training processes, killed at random moments."""

import os
import subprocess
import sys

import pytest

SCRIPT = os.path.join(os.path.dirname(__file__), "..", "..", "benchmarks", "kill_runs.py")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_kills_change_no_bit(tmp_path):
    done = subprocess.run([sys.executable, SCRIPT, "--kills=24", f"--output={tmp_path}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in (tmp_path / "kills.md").read_text().splitlines()[2:]]
    assert [row[0] for row in rows] == [
        f"{task}, {teacher} teacher" for task in ("classification", "alignment", "verification") for teacher in ("live", "cached")
    ]
    assert sum(int(row[1]) for row in rows) == 24
    assert all(int(row[2]) >= 1 and row[3] == "nothing" for row in rows)
