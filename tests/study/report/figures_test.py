"""What is drawn, by value."""

import base64
import re
import statistics

import numpy as np
import pytest

from kd_tf.evaluation.pairs import area_under_roc
from kd_tf.study.report import curves, learning, tradeoff
from kd_tf.study.report.evidence import Evidence
from kd_tf.study.report.figures import finish, style
from kd_tf.study.report.learning import read_scores
from kd_tf.study.report.parts import Picture
from kd_tf.training.callbacks import TermLogger
from tests.training.events import written


@pytest.fixture(name="evidence", scope="module")
def make_evidence(study):
    return Evidence(study)


def drawn(module, make, evidence, monkeypatch):
    """The axes of each figure of a section, by its caption."""
    axes = {}

    def keep(figure, each, alt, caption):
        figure.legend()
        axes[caption] = each
        return Picture("", alt, caption)

    monkeypatch.setattr(module, "finish", keep)
    make(evidence)
    return axes


def lines(axes):
    """Points by label; error bars by their own line."""
    handles, labels = axes.get_legend_handles_labels()
    return {label: getattr(handle, "lines", [handle])[0].get_xydata() for handle, label in zip(handles, labels, strict=True)}


def test_scores_stand_over_costs(study, evidence, monkeypatch):
    axes = drawn(tradeoff, tradeoff.tradeoff, evidence, monkeypatch)
    assert list(axes) == [
        f"{title}, against {what}"
        for title in ("Classification", "Alignment", "Verification, triplet and softmax loss")
        for what in ("parameters", "multiply-adds for an image")
    ]
    found = lines(axes["Classification, against parameters"])
    assert list(found) == ["teacher", "W_S0"]
    metrics = study.scores["teacher"][0]
    np.testing.assert_allclose(found["teacher"], [[metrics["parameters"], metrics["top1"]]])
    values = [study.scores["pretrained_4"][seed] for seed in (0, 1)]
    assert found["W_S0"][0, 1] == pytest.approx(statistics.mean(each["top1"] for each in values))
    # A little beside what it costs.
    assert 1 < found["W_S0"][0, 0] / values[0]["parameters"] < 1.2
    found = lines(axes["Alignment, against multiply-adds for an image"])
    np.testing.assert_allclose(
        found["teacher"], [[evidence.multiply_adds(study.stages["alignment_teacher"]), study.scores["alignment_teacher"][0]["nrmse"]]]
    )


def test_the_bar_is_the_spread_over_the_seeds(study, evidence, monkeypatch):
    axes = drawn(tradeoff, tradeoff.tradeoff, evidence, monkeypatch)["Classification, against parameters"]
    bar = axes.containers[1].lines[2][0].get_segments()[0]
    scores = [study.scores["pretrained_4"][seed]["top1"] for seed in (0, 1)]
    assert bar[1, 1] - bar[0, 1] == pytest.approx(2 * statistics.stdev(scores))
    assert [text.get_text().partition("\n")[2] for text in axes.get_xticklabels()] == ["teacher", "/4"]


def test_learning_curves_are_what_the_runs_wrote(study, evidence, monkeypatch):
    axes = drawn(learning, learning.learning_curves, evidence, monkeypatch)
    assert [each.get_ylabel() for each in axes.values()] == [
        "top-1, %", "NRMSE, % (lower is better)", "rank-1 within a test batch, %",
    ]  # fmt: skip
    classification = axes["Classification: teacher, W_S0 is pretrained_4"]
    # The second seed's line has no label of its own.
    assert len(classification.lines) == 3
    for line, (name, seed) in zip(classification.lines, [("teacher", 0), ("pretrained_4", 0), ("pretrained_4", 1)], strict=True):
        scores = written(f"{study.runs[name][seed].model_dir}/tensorboard")["test/top1"]
        assert dict(line.get_xydata().tolist()) == scores
        assert sorted(scores) == [2, 4]


def test_scores_of_tensorboard(tmp_path):
    assert read_scores(str(tmp_path / "none"), "test/top1") == {}
    logger = TermLogger(str(tmp_path), first_step=0)
    for step in range(1, 31):
        logger._step = step
        logger.on_test_end({"top1": step / 2})
    assert read_scores(str(tmp_path), "test/top1") == {step: step / 2 for step in range(1, 31)}
    assert read_scores(str(tmp_path), "test/nrmse") == {}


def test_errors_are_those_that_the_runs_scored(study, evidence, monkeypatch):
    axes = drawn(curves, curves.threshold_curves, evidence, monkeypatch)
    (caption,) = (caption for caption in axes if caption.startswith("Landmark errors"))
    assert caption.endswith("teacher is alignment_teacher, Distill is alignment_distill_hidden_4")
    found = lines(axes[caption])
    names = {"teacher": "alignment_teacher", "Distill": "alignment_distill_hidden_4"}
    assert list(found) == [f"{label}: {study.scores[name][0]['nrmse']:.2f} %" for label, name in names.items()]
    for points in found.values():
        assert points[0].tolist() == [0, 0] and (np.diff(points, axis=0) >= 0).all()
    # Of the worst network nine images in ten have a place.
    assert min(points[-1, 1] for points in found.values()) >= 90


def test_accept_rates_are_those_of_all_pairs(study, evidence, monkeypatch):
    axes = drawn(curves, curves.threshold_curves, evidence, monkeypatch)
    found = lines(next(each for caption, each in axes.items() if caption.startswith("Verification")))
    answers = evidence.answers(study.stages["joint_distill_soft_4"])
    count = len(answers.identities)
    pairs = [(first, second) for first in range(count) for second in range(first)]
    distances = [np.sum((answers.embedding[first] - answers.embedding[second]) ** 2) for first, second in pairs]
    same = [answers.identities[first] == answers.identities[second] for first, second in pairs]
    (label,) = (label for label in found if label.startswith("Distill"))
    assert label == f"Distill: {area_under_roc(np.array(distances), np.array(same)):.3f}"
    assert found[label][0].tolist() == [0, 0] and found[label][-1].tolist() == [100, 100]


def test_the_same_figure_is_the_same_file():
    pictures = []
    for _ in range(2):
        figure, axes = curves.ced_axes(10, "")
        axes.plot([0, 10], [0, 100], label="teacher", **style("teacher"))
        pictures.append(finish(figure, axes, "alt", "caption"))
    assert pictures[0] == pictures[1]
    svg = base64.b64decode(pictures[0].uri.partition("base64,")[2]).decode()
    # Letters are outlines: no font is needed, and nothing is looked up elsewhere.
    assert "<text" not in svg and re.findall(r"(?:xlink:)?href=\"(?!#)", svg) == []
