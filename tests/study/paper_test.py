"""The paper's study on made-up data in the real formats, one step a stage; networks and images are small."""

import dataclasses
import os

import cv2
import numpy as np
import pytest

from kd_tf.data.sources import SourceConfig
from kd_tf.data.synthetic.source import SyntheticSource
from kd_tf.study.jobs import JobGraph, Machine
from kd_tf.study.results import StudyResults, cell_values
from kd_tf.study.scales import PAIRS, Phase, Scale, make_scale
from kd_tf.study.stages import FACES, LANDMARKS, LARGE, make_stages, with_needs
from kd_tf.study.study import Study, StudyConfig
from tests.data.celeba.files import HEADER, IDENTITY, PARTITION, rows_of
from tests.data.celeba.files import LANDMARKS as LANDMARK_LIST
from tests.data.ms_celeb_1m.tsv import crop_row, write_rows
from tests.images import write_image, write_text

PEOPLE, PICTURES, PIXELS = 4, 10, 32
BATCHES = {"classification": 8, "hint": 8, "alignment": 4, "verification": 8}
CHAIN = ("large_scratch_soft_8", "alignment_distill_both_8", "joint_start_8")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Forty drawn faces as CASIA-WebFace, CelebA, MS-Celeb-1M and LFW have them, by role."""
    root, source = tmp_path_factory.mktemp("data"), SyntheticSource(identities=PEOPLE, pictures=PICTURES, picture_size=PIXELS)
    images = [cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1] for image in source.read(range(len(source)))]
    rows, people, points = [], {}, {}
    for record, image in enumerate(images):
        person, picture = source.identities[record], record % PICTURES + 1
        write_image(root / "casia" / "CASIA-WebFace" / f"{person:07d}" / f"{picture:03d}.jpg", image)
        write_image(root / "lfw" / "lfw-deepfunneled" / f"P{person}" / f"P{person}_{picture:04d}.jpg", image)
        write_image(root / "celeba" / "img_align_celeba" / f"{record + 1:06d}.jpg", image)
        people[f"{record + 1:06d}.jpg"] = person + 1
        points[f"{record + 1:06d}.jpg"] = " ".join(f"{value:.0f}" for value in (source.landmarks[record] * PIXELS).reshape(-1))
        rows.append(crop_row(f"m.{person}", str(picture), cv2.imencode(".jpg", image[:, :, ::-1])[1].tobytes()))
    parts = dict.fromkeys(people, 0)
    for stem, lines in ((IDENTITY, rows_of(people)), (PARTITION, rows_of(parts)), (LANDMARK_LIST, ["40", HEADER, *rows_of(points)])):
        write_text(root / "celeba" / f"{stem}.txt", "\n".join(lines) + "\n")
    write_rows(root / "ms1m" / "FaceImageCroppedWithAlignment.tsv", rows)
    write_text(root / "lfw" / "pairs.txt", "2 2\n" + "P0 1 2\nP1 3 4\nP0 1 P1 1\nP2 1 P3 1\n" * 2)
    names = {FACES: "casia_webface:casia", LANDMARKS: "celeba:celeba", LARGE: "ms_celeb_1m:ms1m", PAIRS: "lfw:lfw"}
    return {role: SourceConfig(name.replace(":", f":{root}/")) for role, name in names.items()}


def small_scale(data, **options) -> Scale:
    scale = make_scale("paper", data)
    schedules = {
        task: dataclasses.replace(schedule, scratch=Phase(0.001, 0.1), initialized=Phase(0.001, 0.01), batch_size=BATCHES[task])
        for task, schedule in scale.schedules.items()
    }
    view = dataclasses.replace(scale.view, image_size=16)
    return dataclasses.replace(scale, network="resnet14", view=view, schedules=schedules, evaluations=1, **options)


def run_study(scale, directory) -> StudyResults:
    return Study(StudyConfig(scale, str(directory), command="kd-reproduce --scale=paper")).run()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_chain_over_all_data_sets(data, tmp_path):
    scale = small_scale({role: source for role, source in data.items() if role != PAIRS}, stages=CHAIN)
    results = run_study(scale, tmp_path / "study")
    assert set(CHAIN) < results.scores.keys() and len(results.scores) == 8
    assert all(scores[0]["steps"] == 1 for scores in results.scores.values())
    sources = {name: results.runs[name][0].source.data.partition(":")[0] for name in CHAIN}
    assert list(sources.values()) == ["ms_celeb_1m", "celeba", "casia_webface"]
    assert {"nrmse", "failure_rate"} <= results.scores["alignment_distill_both_8"][0].keys()
    assert set(results.baselines) == {"majority", "pixel nearest neighbour", "mean shape"}
    score_on_pairs(small_scale(data), tmp_path / "study")


def score_on_pairs(scale, directory):
    """The teacher of a study that is finished."""
    stages = with_needs(make_stages(), {"teacher"})
    job = JobGraph(scale, stages, {"teacher"}, str(directory), [0], Machine()).pairs_job("teacher", 0)
    assert not job.finished
    job.run()
    assert job.finished and job.scores()["pairs"] == 8 and 0 <= job.scores()["lfw_accuracy"] <= 100


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_all_tables(data, tmp_path):
    results = run_study(small_scale(data), tmp_path / "study")
    for table in results.tables:
        assert all(cell_values(cell, results.scores) for cell in table.cells)
    assert len(os.listdir(tmp_path / "study" / "tables")) == 1 + 3 * 5
