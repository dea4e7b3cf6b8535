"""Packaging of kd_tf. `flags/` and `bin/` lie at the top of the repository and are installed as `kd_tf.flags` and `kd_tf.bin`."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.*)"', (ROOT / "kd_tf/__init__.py").read_text(encoding="utf-8")).group(1)
# Two lines of TensorFlow; `kd_tf/tensorflow_line.py` has what differs between them.
KERAS_2 = 'python_version < "3.12"'
TF_KERAS = 'python_version >= "3.12"'
# ONNX files and their runtime. onnx 1.19 needs a newer ml_dtypes than TensorFlow 2.15 allows; tf2onnx before 1.17 an older protobuf.
EXPORT = [
    f"onnx>=1.16,<1.19; {KERAS_2}",
    f"onnx>=1.18,<2; {TF_KERAS}",
    "onnxruntime>=1.17,<2",
    "tf2onnx>=1.17,<2",
]
TEST = ["pytest>=8,<10", "pytest-xdist>=3.5,<4", "pytest-timeout>=2.3,<3", "ruff>=0.9,<0.18", "selenium>=4.20,<5"]
BINARIES = ("train", "distill", "cache", "evaluate", "export", "reproduce", "prepare", "select-targets")

setup(
    name="kd_tf",
    version=VERSION,
    description="Knowledge distillation of face networks: classification, alignment and verification",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=[*find_packages(include=["kd_tf", "kd_tf.*"]), "kd_tf.flags", "kd_tf.bin"],
    package_data={"kd_tf": ["data/lists/*.txt", "study/report/*.html.jinja"]},
    package_dir={"kd_tf.flags": "flags", "kd_tf.bin": "bin"},
    install_requires=[
        f"tensorflow==2.15.1; {KERAS_2}",
        f"keras==2.15.0; {KERAS_2}",
        f"tensorflow-addons==0.23.0; {KERAS_2}",
        f"tensorboard>=2.15,<2.16; {KERAS_2}",
        # TensorBoard 2.15 imports pkg_resources.
        f"setuptools<81; {KERAS_2}",
        f"numpy>=1.23,<2; {KERAS_2}",
        f"opencv-python-headless>=4.8,<4.12; {KERAS_2}",
        f"tensorflow>=2.21,<2.22; {TF_KERAS}",
        f"tf-keras>=2.21,<2.22; {TF_KERAS}",
        f"tensorboard>=2.20,<2.22; {TF_KERAS}",
        f"numpy>=1.26,<3; {TF_KERAS}",
        f"opencv-python-headless>=4.12,<6; {TF_KERAS}",
        "absl-py>=1.4",
        "matplotlib>=3.8,<4",
        "scipy>=1.11,<2",
        "array_record>=0.8,<0.9",
        "jinja2>=3.1,<4",
    ],
    extras_require={"export": EXPORT, "test": [*TEST, *EXPORT]},
    entry_points={"console_scripts": [f"kd-{name} = kd_tf.bin.{name.replace('-', '_')}:run" for name in BINARIES]},
)
