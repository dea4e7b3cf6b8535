import dataclasses
import os
import re
import shutil

from kd_tf.networks.cost import multiply_adds
from kd_tf.networks.stored import load_network
from kd_tf.study.report.evidence import Evidence
from kd_tf.study.report.report import SECTIONS, write_report
from kd_tf.study.stages import make_stages
from tests.study.report.page import read_page


def written(results, path):
    write_report(results, str(path))
    return read_page(str(path))


def only(results, *stages, finished=True):
    """The study of some of the stages."""
    kept = {name: results.stages[name] for name in stages}
    scores = {name: results.scores[name] for name in stages if finished and name in results.scores}
    return dataclasses.replace(results, stages=kept, scores=scores, runs={name: results.runs[name] for name in stages})


def test_the_page_needs_nothing_else(page):
    found = read_page(page)
    with open(page, encoding="utf-8") as file:
        text = file.read()
    assert {tag for tag, _ in found.tags} & {"script", "link", "iframe", "object"} == set()
    assert re.findall(r"https?:|@import|url\(", text) == []
    pictures = found.attributes("img", "src")
    assert len(pictures) > 20 and all(re.match(r"data:image/(svg\+xml|png);base64,", picture) for picture in pictures)
    assert len(found.attributes("img", "alt")) == len(pictures)
    assert len(text) < 3e6


def test_links_lead_to_the_sections(page):
    found = read_page(page)
    assert list(found.sections) == [section.anchor for section in SECTIONS]
    assert found.attributes("a", "href") == [f"#{anchor}" for anchor in found.sections]
    ids = [values["id"] for _, values in found.tags if "id" in values]
    assert len(ids) == len(set(ids))


def test_the_study_is_told(page):
    text = read_page(page).sections["about"]
    assert "kd-reproduce --model_dir=<a&b>" in text
    assert "1 of 8 finished (7 of 16 runs)" in text
    assert "Not finished yet: teacher, ours_4, " in text
    assert "0, 1" in text and "tensorflow 2." in text
    assert "synthetic (6 identities x 10 pictures of 24 pixels, seed 1)" in text


def test_tables_and_baselines_are_there(page):
    rows = read_page(page).rows["tables"]
    assert ["majority", "16.67", "-", "-"] in rows
    assert ["mean shape", "-", "33.50", "100.00"] in rows
    assert len([row for row in rows if row[0] == "network"]) == 5


def test_costs_are_those_of_the_runs(study, page):
    head, *rows = read_page(page).rows["ledger"]
    rows = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert set(rows) == set(study.scores)
    columns = {
        "training s": "seconds",
        "images/s": "images_per_second",
        "evaluation s": "evaluation_seconds",
        "teacher % of a step": "teacher_share",
    }
    for name, seeds in study.scores.items():
        assert rows[name]["seeds"] == str(len(seeds))
        for column, key in columns.items():
            values = [metrics[key] for metrics in seeds.values() if key in metrics]
            assert rows[name][column] == (f"{sum(values) / len(values):,.1f}" if values else "-")
    assert rows["teacher"]["teacher % of a step"] == "-" != rows["joint_distill_soft_4"]["teacher % of a step"]
    assert "peak memory of the GPU MiB" not in head


def test_hours_are_summed(study, tmp_path):
    scores = {"teacher": {0: {"seconds": 3600.0, "evaluation_seconds": 1800.0}, 1: {"seconds": 3600.0, "checkpoint_seconds": 900.0}}}
    results = dataclasses.replace(study, stages={"teacher": study.stages["teacher"]}, scores=scores, tables=())
    text = written(results, tmp_path / "report.html").sections["ledger"]
    assert "In all 2.75 hours in 2 finished runs" in text


def test_faces_and_pairs_are_shown_with_names(page):
    found = read_page(page)
    assert "Of 12 test images those on which the student alignment_distill_hidden_4" in found.sections["faces"]
    assert len(re.findall(r"student \d+\.\d %", found.sections["faces"])) == 9
    assert len(re.findall(r"synthetic_00000\d", found.sections["faces"])) == 9
    # Of 12 images there are 66 pairs.
    same, different = map(int, re.search(r"Of (\d+) pairs of one person and (\d+) of two", found.sections["pairs"]).groups())
    assert same + different == 66
    shown = len(re.findall(r"distance \d\.\d{3}", found.sections["pairs"]))
    assert 1 < shown <= 12 and len(re.findall(r"synthetic_00000\d", found.sections["pairs"])) > shown


def test_nothing_is_finished(study, tmp_path):
    results = only(study, *study.stages, finished=False)
    found = written(dataclasses.replace(results, baselines={}), tmp_path / "report.html")
    assert found.attributes("img", "src") == []
    for anchor in ("cost", "learning", "curves", "faces", "pairs"):
        assert "none of the networks shown here is finished yet" in found.sections[anchor]
    assert "No stage is finished yet" in found.sections["ledger"]
    assert "No baselines were measured." in found.sections["tables"]
    assert "versionsnot recorded" in found.sections["about"].replace("\n", "")


def test_a_part_of_a_study_says_what_is_missing(study, tmp_path):
    results = dataclasses.replace(only(study, "alignment_teacher", "alignment_distill_hidden_4"), tables=())
    found = written(results, tmp_path / "report.html")
    assert "The study of the scale tiny has none of the paper's tables." in found.sections["tables"]
    for anchor in ("cost", "learning", "curves"):
        assert "Verification: this study has no such stage." in found.sections[anchor]
    assert "Alignment: this study" not in found.sections["learning"]
    assert found.sections["pairs"].split() == ["Hardest", "pairs", "Verification:", "this", "study", "has", "no", "such", "stage."]
    assert "student " in found.sections["faces"]


def test_a_teacher_alone_has_no_student_to_show(study, tmp_path):
    found = written(only(study, "alignment_teacher", "joint_teacher"), tmp_path / "report.html")
    assert "No student of alignment is finished yet." in found.sections["faces"]
    assert "No student of verification is finished yet." in found.sections["pairs"]
    assert len(found.attributes("img", "src")) == 4 + 2 + 2


def test_a_network_that_is_gone_costs_its_sections_alone(study, tmp_path):
    folder = tmp_path / "gone"
    shutil.copytree(study.runs["joint_distill_soft_4"][0].model_dir, folder)
    os.remove(folder / "student.keras")
    run = dataclasses.replace(study.runs["joint_distill_soft_4"][0], model_dir=str(folder))
    results = only(study, "joint_distill_soft_4", "alignment_teacher")
    found = written(dataclasses.replace(results, runs=results.runs | {"joint_distill_soft_4": {0: run}}), tmp_path / "report.html")
    for anchor in ("cost", "curves", "pairs"):
        assert f"This cannot be shown: --model={folder} is not a finished run" in found.sections[anchor]
    assert "Verification, triplet and softmax loss: joint_distill_soft_4" not in found.sections["learning"]
    assert "Distill is joint_distill_soft_4" in found.sections["learning"]


def test_a_report_is_written_again_in_place(study, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    written(only(study, "teacher", finished=False), path)
    assert os.listdir(tmp_path) == ["report.html"]


def test_multiply_adds_are_those_of_the_networks(study):
    evidence = Evidence(study)
    for name in ("teacher", "pretrained_4", "alignment_teacher"):
        network = load_network(study.runs[name][0].model_dir, "model", image_size=16)
        assert evidence.multiply_adds(study.stages[name]) == multiply_adds(network)


def test_every_stage_has_a_place_or_none(study):
    """Whatever the study holds, its report can be written before anything is finished."""
    results = dataclasses.replace(study, stages=make_stages(), scores={}, runs={})
    assert len(Evidence(results).comparisons) == 5
