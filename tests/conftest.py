"""Two logical CPU devices for every test, made before TensorFlow starts, and the one mirrored strategy over them."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration(), tf.config.LogicalDeviceConfiguration()]
)


from kd_tf.training.strategy import get_strategy


@pytest.fixture(scope="session")
def mirrored() -> tf.distribute.Strategy:
    """Over both devices."""
    return get_strategy("mirrored")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Reports travel between processes as UTF-8, and names of files that are none stand in what tests log."""
    report = yield
    report.sections = [(title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections]
    return report
