"""The package as it is shipped: a wheel in an environment that has seen nothing else."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.bin.programs import ROOT

SHIPPED = ("kd_tf", "flags", "bin", "setup.py", "pyproject.toml", "README.md")


def check_output(*command: str, cwd: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in SHIPPED:
        path = os.path.join(ROOT, name)
        if os.path.isdir(path):
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source)
    check_output(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(source), cwd=str(folder))
    (wheel,) = folder.glob("kd_tf-*.whl")
    check_output(sys.executable, os.path.join(ROOT, ".ci", "make_environment.py"), "clean", str(wheel), cwd=str(folder))
    return folder


def test_the_scripts_train_and_score_away_from_the_sources(environment):
    scripts = environment / "clean" / "bin"
    small = ["--identities=4", "--pictures=10", "--picture_size=24"]
    network = ["--image_size=16", "--network=resnet14", "--width_divisor=8", "--steps=1", "--batch_size=8"]
    check_output(str(scripts / "kd-train"), *small, *network, "--model_dir=run", cwd=str(environment))
    assert '"top1"' in check_output(str(scripts / "kd-evaluate"), *small, "--model=run", cwd=str(environment))
    assert "kd-reproduce --scale=quick" in check_output(str(scripts / "kd-reproduce"), "--help", cwd=str(environment))


def test_nothing_called_flags_or_bin_is_installed_at_the_top(environment):
    python = str(environment / "clean" / "bin" / "python")
    program = "import importlib.util as u; print([u.find_spec(name) for name in ('flags', 'bin', 'tests')])"
    assert check_output(python, "-c", program, cwd=str(environment)).strip() == "[None, None, None]"
