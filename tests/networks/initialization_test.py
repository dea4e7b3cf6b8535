import numpy as np
import pytest
import tensorflow as tf

from kd_tf.errors import InputError
from kd_tf.networks.initialization import CopyReport, copy_weights, weights_by_path
from tests.networks_for_tests import make_network, snapshot


def _nested(seed, **options):
    inner = make_network(seed, **options)
    images = tf.keras.Input([8, 8, 3])
    outer = tf.keras.layers.Dense(2, name="outer")(inner(images)["hidden"])
    inner._name = "inner"
    return tf.keras.Model(images, outer)


def test_equal_networks_are_copied_whole():
    source, target = make_network(1, batch_norm=True), make_network(2, batch_norm=True)
    source.get_layer("norm").moving_mean.assign([1.0, 2.0, 3.0, 4.0])
    report = copy_weights(source, target)
    assert report.skipped == {} and report.unused == [] and len(report.copied) == len(source.weights) == 12
    for given, now in zip(snapshot(source), snapshot(target), strict=True):
        np.testing.assert_array_equal(now, given)


def test_what_does_not_fit_is_left_and_reported():
    source, target = make_network(1, identities=3, batch_norm=True), make_network(2, identities=5)
    before = {path: weight.numpy() for path, weight in weights_by_path(target).items()}
    report = copy_weights(source, target)
    assert report.skipped == {
        "logits/kernel": "shape (6, 3) in the source, (6, 5) here",
        "logits/bias": "shape (3,) in the source, (5,) here",
    }
    assert report.unused == ["norm/gamma", "norm/beta", "norm/moving_mean", "norm/moving_variance"]
    given = weights_by_path(source)
    for path, weight in weights_by_path(target).items():
        np.testing.assert_array_equal(weight, before[path] if path in report.skipped else given[path])


def test_weights_that_the_source_lacks_are_reported():
    report = copy_weights(make_network(1, without=("landmarks",)), make_network(2))
    assert report.skipped == {"coordinates/kernel": "not in the source", "coordinates/bias": "not in the source"}
    assert report.copied == ["conv/kernel", "conv/bias", "dense/kernel", "dense/bias", "logits/kernel", "logits/bias"]


def test_paths_lead_through_nested_models():
    source, target = _nested(1), _nested(2)
    report = copy_weights(source, target)
    assert "inner/conv/kernel" in report.copied and "outer/bias" in report.copied and not report.skipped
    np.testing.assert_array_equal(target.get_layer("inner").get_layer("conv").kernel, source.get_layer("inner").get_layer("conv").kernel)


class _TwoLayers(tf.keras.layers.Layer):
    """A layer of layers: both have a kernel."""

    def __init__(self):
        super().__init__(name="two")
        self.first, self.second = tf.keras.layers.Dense(3, name="first"), tf.keras.layers.Dense(3, name="second")

    def call(self, inputs):
        return self.second(self.first(inputs))


def test_layers_inside_a_layer_are_copied_each():
    source, target = (tf.keras.Sequential([tf.keras.Input([3]), _TwoLayers()]) for _ in range(2))
    report = copy_weights(source, target)
    assert len(report.copied) == len(target.weights) == 4
    for given, now in zip(snapshot(source), snapshot(target), strict=True):
        np.testing.assert_array_equal(now, given)


def test_the_source_is_not_changed():
    source, target = make_network(1), make_network(2)
    before = snapshot(source)
    copy_weights(source, target)
    for was, now in zip(before, snapshot(source), strict=True):
        np.testing.assert_array_equal(now, was)


def test_no_weight_fits():
    source = tf.keras.Sequential([tf.keras.Input([4]), tf.keras.layers.Dense(3, name="other")], name="source")
    with pytest.raises(InputError, match=r"no kernel of 'source' fits 'tiny_1' \(conv/kernel: not in the source\)"):
        copy_weights(source, make_network(1))


def test_summary():
    report = CopyReport(
        ["a/kernel"], {"b/kernel": "not in the source", "e/bias": "shape (3,) in the source, (5,) here"}, ["c/kernel", "d/kernel"]
    )
    assert (
        report.summary() == "copied 1 of 3 weights; e/bias: shape (3,) in the source, (5,) here; new: b/kernel; dropped: c/kernel, d/kernel"
    )
    assert CopyReport(["a/kernel"], {}, []).summary() == "copied 1 of 1 weights"


def test_a_summary_names_four_and_counts_the_rest():
    missing = {f"new{number}/kernel": "not in the source" for number in range(5)}
    report = CopyReport(["a/kernel"], missing, [f"old{number}/kernel" for number in range(10)])
    new, dropped = report.summary().split("; ")[1:]
    assert new == "new: new0/kernel, new1/kernel, new2/kernel, new3/kernel and 1 more"
    assert dropped == "dropped: old0/kernel, old1/kernel, old2/kernel, old3/kernel and 6 more"
