"""Makes a virtual environment with the package installed, from nothing but a Python interpreter.

    python3 .ci/make_environment.py FOLDER WHAT_TO_INSTALL...

One of another Python is made anew.

Debian's python3 comes without ensurepip unless python3-venv is installed; pip is then fetched from PyPI, which is needed anyway.
"""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
import venv

SUPPORTED = ((3, 10), (3, 11), (3, 12), (3, 13))
PIP_WHEEL = "pip-24.3.1-py3-none-any.whl"


def main(folder: str, requirements: list[str]) -> None:
    """Makes the environment and installs the requirements into it."""
    check_interpreter()
    if not is_environment_of_this_python(folder):
        has_pip = importlib.util.find_spec("ensurepip") is not None
        venv.create(folder, with_pip=has_pip, symlinks=True, clear=os.path.exists(os.path.join(folder, "pyvenv.cfg")))
        if not has_pip:
            fetch_pip(folder)
    python = os.path.join(folder, "bin", "python")
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
    print("installing", *requirements, "(TensorFlow is large: this may take some minutes)", flush=True)
    sys.exit(subprocess.run(command, check=False).returncode)


def check_interpreter() -> None:
    """Stops with one line where this Python is not supported."""
    if sys.version_info[:2] not in SUPPORTED:
        wanted = "{}.{} to {}.{}".format(*SUPPORTED[0], *SUPPORTED[-1])
        found = ".".join(map(str, sys.version_info[:3]))
        sys.exit(f"kd_tf needs Python {wanted}, but {sys.executable} is {found}: call make with PYTHON=python3.13")


def is_environment_of_this_python(folder: str) -> bool:
    """Whether there is one, complete, and it is of this version of Python."""
    packages = "python{}.{}".format(*sys.version_info[:2])
    return os.path.exists(os.path.join(folder, "bin", "pip")) and os.path.exists(os.path.join(folder, "lib", packages))


def fetch_pip(folder: str) -> None:
    """Installs pip into an environment that was made without it; a wheel can run itself."""
    index = urllib.request.Request("https://pypi.org/simple/pip/", headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    try:
        with urllib.request.urlopen(index, timeout=60) as answer:
            wheel = next(file for file in json.load(answer)["files"] if file["filename"] == PIP_WHEEL)
        with urllib.request.urlopen(wheel["url"], timeout=60) as answer:
            content = answer.read()
    except OSError as error:
        sys.exit(f"this Python has no ensurepip and pip cannot be fetched ({error}): apt-get install python3-venv")
    if hashlib.sha256(content).hexdigest() != wheel["hashes"]["sha256"]:
        sys.exit(f"{wheel['url']} does not have the checksum that PyPI gives")
    with tempfile.TemporaryDirectory() as temporary:
        path = os.path.join(temporary, PIP_WHEEL)
        with open(path, "wb") as file:
            file.write(content)
        python = os.path.join(folder, "bin", "python")
        subprocess.run([python, os.path.join(path, "pip"), "install", "--quiet", "--no-index", path], check=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
