import logging
import os

import pytest

from kd_tf.networks.identity_names import recorded_identities
from kd_tf.training.run_directory import RunDirectory, recorded_flags
from tests.images import FOREIGN_NAME

NAMES = ["Zoe", "ann", "0000045", "m.0b_c", "José Müller", "two words", "# 7"]


def begin(path, names=None):
    with RunDirectory(str(path)).begin("--steps=1\n", names):
        pass
    return path


def test_the_names_of_the_labels_are_a_line_each(tmp_path):
    begin(tmp_path / "run", NAMES)
    assert (tmp_path / "run" / "identities.txt").read_bytes() == "Zoe\nann\n0000045\nm.0b_c\nJosé Müller\ntwo words\n# 7\n".encode()
    assert sorted(os.listdir(tmp_path / "run")) == ["flags.txt", "identities.txt", "lock", "log.txt"]


def test_without_an_identity_head_there_are_none(tmp_path):
    begin(tmp_path / "run")
    assert sorted(os.listdir(tmp_path / "run")) == ["flags.txt", "lock", "log.txt"]
    assert recorded_identities(str(tmp_path / "run")) is None


@pytest.mark.parametrize("place", ["", "saved_model", "student.keras"])
def test_names_are_found_from_all_that_a_run_holds(tmp_path, place):
    begin(tmp_path / "run", NAMES)
    assert recorded_identities(os.path.join(tmp_path / "run", place)) == NAMES


@pytest.mark.parametrize("names", [[], ["only one"], ["a\u2028b", "c\x85d", "\x0ce", " f ", "g\r"], ["", ""], ["ann", FOREIGN_NAME]])
def test_names_come_back_as_they_were(tmp_path, names):
    """Whatever a folder may be called; a line ends where one was ended."""
    assert recorded_identities(str(begin(tmp_path / "run", names))) == names


@pytest.mark.parametrize("place", ["nowhere", "other", "other/checkpoints/ckpt-1", "run/checkpoints/ckpt-1"])
def test_names_of_no_run(tmp_path, place):
    """Nor are they those of a run around it by chance, two folders up."""
    begin(tmp_path / "run", NAMES)
    begin(tmp_path / "other")
    assert recorded_identities(str(tmp_path / place)) is None


def test_a_run_that_goes_on_writes_the_same_again(tmp_path):
    begin(begin(tmp_path / "run", NAMES), NAMES)
    assert recorded_identities(str(tmp_path / "run")) == NAMES


def test_a_path_that_is_no_text(tmp_path):
    """Of a data set that was found below such a folder."""
    flags = f"--data=folder:/photos/{FOREIGN_NAME}\n"
    with RunDirectory(str(tmp_path)).begin(flags):
        logging.getLogger("kd_tf.data").warning("left out: %s/1.jpg", FOREIGN_NAME)
    assert recorded_flags(str(tmp_path)) == {"data": f"folder:/photos/{FOREIGN_NAME}"}
    RunDirectory(str(tmp_path)).check(flags)
    assert (tmp_path / "log.txt").read_bytes().endswith(b" left out: Jos\xe9/1.jpg\n")


def test_what_was_logged_earlier_comes_first_and_is_not_logged_again(tmp_path, caplog):
    with RunDirectory(str(tmp_path)).begin("--steps=1\n", earlier=["left out: 100 % of a.jpg", "left out: b.jpg"]):
        logging.getLogger("kd_tf.training").info("begun")
    lines = [line.split(" ", 2)[2] for line in (tmp_path / "log.txt").read_text().splitlines()]
    assert lines == ["left out: 100 % of a.jpg", "left out: b.jpg", "begun"]
    assert caplog.messages == ["begun"]
