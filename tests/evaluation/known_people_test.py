"""A run is scored on people by their names: in whatever order and company they come, and not on people that it does not know."""

import dataclasses
import shutil

import numpy as np
import pytest

from kd_tf.data.dataset import open_data
from kd_tf.data.sources import SourceConfig
from kd_tf.data.split import SplitConfig
from kd_tf.errors import InputError
from kd_tf.evaluation.evaluate import EvaluationConfig, evaluate
from kd_tf.files import write_whole
from kd_tf.networks.stored import save_network
from tests.evaluation.coloured_people import (
    COLOURS,
    IMAGES,
    LOOKS_LIKE,
    VIEW,
    is_recognised,
    nearest_colour_network,
    store_run,
    write_photos,
)
from tests.images import FOREIGN_NAME, write_image, write_text


@pytest.fixture(scope="module", name="run")
def make_run(tmp_path_factory):
    return store_run(tmp_path_factory.mktemp("runs") / "run")


def expected_top1(source):
    """Of the test images by their paths alone."""
    test = open_data(source, VIEW).test
    return 100 * np.mean([is_recognised(test.source.describe(record)) for record in test.records])


def score(model, source, protocol="classification", **changes):
    return evaluate(EvaluationConfig(str(model), protocol, source, VIEW), **changes)


@pytest.mark.parametrize("people", ["ann bob cat dan", "bob cat dan", "ann dan", "cat"])
def test_people_in_another_order_and_without_some(run, tmp_path, people):
    source = write_photos(tmp_path / "photos", *people.split())
    expected = expected_top1(source)
    assert expected < 100
    for model in (run, run / "student.keras", run / "saved_model"):
        scores = score(model, source)
        assert scores["top1"] == pytest.approx(expected, abs=1e-4)
        assert (scores["top5"], scores["data"]) == (100, source.data)


def test_numbers_are_compared_where_no_names_are_known(run, tmp_path):
    """By its place in the alphabet nobody is who the network takes them for, but for dan, who is third for both, and look-alikes."""
    save_network(nearest_colour_network(), str(tmp_path / "student.keras"))
    source = write_photos(tmp_path / "photos", *COLOURS)
    places = {"ann": 0, "bob": 1, "cat": 2, "dan": 3}
    logits = {name: place for place, name in enumerate(COLOURS)}
    test = open_data(source, VIEW).test
    named = [test.source.paths[record].partition("/") for record in test.records]
    right = [logits[LOOKS_LIKE[name] if int(number[0]) >= IMAGES - 3 else name] == places[name] for name, _, number in named]
    assert score(tmp_path, source)["top1"] == pytest.approx(100 * np.mean(right), abs=1e-4)
    assert score(run, source)["top1"] > 100 * np.mean(right)
    fewer = write_photos(tmp_path / "fewer", "ann", "bob", "cat")
    with pytest.raises(InputError, match="knows 4 identities, folder:.*/fewer has 3"):
        score(tmp_path, fewer)


def test_the_pictures_show_whom_it_took_somebody_for(run, tmp_path, monkeypatch):
    """Names are those of the run's labels, of people without images too."""
    shown = []
    monkeypatch.setitem(evaluate.__globals__["PROTOCOL_FIGURES"], "classification", lambda answers: shown.append(answers) or {})
    score(run, write_photos(tmp_path / "photos", "bob", "dan"), output=str(tmp_path / "scores"))
    (answers,) = shown
    assert answers.identity_names == list(COLOURS)
    pairs = [
        (answers.identity_names[one], answers.identity_names[other])
        for one, other in zip(answers.identities, answers.predicted, strict=True)
    ]
    assert len(pairs) == 4 and set(pairs) <= {("bob", "bob"), ("dan", "dan"), ("bob", "dan"), ("dan", "cat")}


@pytest.mark.parametrize(("people", "unknown"), [("ann eve", "1, first eve"), ("ann fay bob cat dan eve", "2, first eve")])
def test_somebody_unknown(run, tmp_path, people, unknown):
    source = write_photos(tmp_path / "photos", *people.split())
    for model in (run, run / "saved_model"):
        with pytest.raises(InputError) as error:
            score(model, source)
        assert str(error.value) == (
            f"--protocol=classification needs test images of identities that were trained on; identities of {source.data} that were not: "
            f"{unknown}; use --protocol=retrieval, or --exclude_identities"
        )


def test_names_that_are_no_text(run, tmp_path):
    """They are told apart all the same, and drawn with a sign for what is no letter."""
    source = write_photos(tmp_path / "photos", *COLOURS)
    expected = expected_top1(source)
    for name in COLOURS:
        (tmp_path / "photos" / name).rename(tmp_path / "photos" / f"{FOREIGN_NAME} {name}")
    shutil.copytree(run, tmp_path / "run")
    write_whole(str(tmp_path / "run" / "identities.txt"), "".join(f"{FOREIGN_NAME} {name}\n" for name in COLOURS))
    assert expected < 100
    assert score(tmp_path / "run", source, output=str(tmp_path / "scores"))["top1"] == pytest.approx(expected, abs=1e-4)
    assert (tmp_path / "scores" / "mistakes.png").exists()


def test_somebody_unknown_who_is_not_scored(run, tmp_path):
    """Only the test images count; here her one picture is for training."""
    source = write_photos(tmp_path / "photos", *COLOURS)
    write_image(tmp_path / "photos" / "eve" / "0.png", np.zeros([20, 20, 3], np.uint8))
    test = open_data(source, VIEW).test
    assert "eve" not in {test.source.paths[record].split("/")[0] for record in test.records}
    assert score(run, source)["top1"] == pytest.approx(expected_top1(source), abs=1e-4)


def test_other_protocols_ask_for_no_names(run, tmp_path):
    scores = score(run, write_photos(tmp_path / "photos", "ann", "eve", "zoe"), "retrieval")
    assert scores["queries"] > 0 and 0 < scores["rank1"] <= 100


def test_people_that_a_run_left_out_can_be_left_out_again(run, tmp_path):
    source = write_photos(tmp_path / "photos", "ann", "bob", "eve")
    path = write_text(tmp_path / "list.txt", "eve\n")
    known = SourceConfig(source.data, exclude_identities=str(path))
    assert score(run, known)["top1"] == pytest.approx(expected_top1(known), abs=1e-4)


def test_of_people_kept_apart_those_count_whom_the_run_knows(run, tmp_path):
    """They are kept apart from a training that this run has not seen."""
    source = write_photos(tmp_path / "photos", *COLOURS, "eve")
    splits = {_kept_apart(source, seed): SplitConfig("identity_disjoint", seed) for seed in range(20)}
    known = EvaluationConfig(str(run), "classification", source, VIEW, splits["ann"])
    # Seven of her ten pictures look like her.
    assert evaluate(known)["top1"] == 70
    with pytest.raises(InputError, match="that were not: 1, first eve; use --protocol=retrieval"):
        evaluate(dataclasses.replace(known, split=splits["eve"]))


def _kept_apart(source, seed):
    test = open_data(source, VIEW, SplitConfig("identity_disjoint", seed)).test
    (name,) = {test.source.paths[record].split("/")[0] for record in test.records}
    return name
