import json
import os
import shutil

import pytest
import tensorflow as tf

from kd_tf.errors import InputError
from kd_tf.training.checkpoints import Checkpoints


@pytest.fixture(name="value")
def make_value():
    return tf.Variable([1.0, 2.0])


@pytest.fixture(name="checkpoints")
def make_checkpoints(tmp_path, value):
    return open_checkpoints(tmp_path, value)


def open_checkpoints(folder, value, *, keep=2, **options) -> Checkpoints:
    os.makedirs(folder / "checkpoints", exist_ok=True)
    return Checkpoints(str(folder / "checkpoints"), tf.train.Checkpoint(value=value), keep=keep, **options)


def save(checkpoints, value, *steps):
    for step in steps:
        value.assign([step, -step])
        checkpoints.save(step)


def names(folder) -> list[str]:
    return sorted(os.listdir(folder / "checkpoints"))


def test_the_last_one_is_restored(tmp_path, value, checkpoints):
    save(checkpoints, value, 3, 12)
    value.assign([0, 0])
    found = open_checkpoints(tmp_path, value).restore()
    assert (found.step, found.phase, found.scores) == (12, "trained", {})
    assert value.numpy().tolist() == [12, -12]


def test_without_one_nothing_is_restored(tmp_path, value, checkpoints):
    assert checkpoints.restore() is None
    assert value.numpy().tolist() == [1, 2]


def test_scores_come_later(tmp_path, value, checkpoints):
    save(checkpoints, value, 3)
    checkpoints.add_scores(3, {"loss": 0.5, "top1": 40.0})
    found = open_checkpoints(tmp_path, value).restore()
    assert (found.phase, found.scores, found.rank) == ("evaluated", {"loss": 0.5, "top1": 40.0}, 40.0)


def test_what_has_no_score_of_its_own_is_ranked_by_its_loss(tmp_path, value, checkpoints):
    """Embeddings and hints."""
    for step, loss in enumerate([0.9, 0.2, 0.4, 0.5, 0.6], start=1):
        save(checkpoints, value, step)
        checkpoints.add_scores(step, {"loss": loss, "cosine_agreement": 0.5})
    assert names(tmp_path) == ["step_000000002", "step_000000004", "step_000000005"]


def test_the_last_and_the_best_are_kept(tmp_path, value, checkpoints):
    for step, top1 in enumerate([10.0, 30.0, 20.0, 25.0, 26.0], start=1):
        save(checkpoints, value, step)
        checkpoints.add_scores(step, {"top1": top1, "nrmse": 5.0})
    assert names(tmp_path) == ["step_000000002", "step_000000004", "step_000000005"]


def test_of_errors_the_lowest_is_the_best_and_one_that_is_no_number_is_none(tmp_path, value, checkpoints):
    for step, nrmse in enumerate([9.0, 3.0, float("nan"), 5.0, 6.0], start=1):
        save(checkpoints, value, step)
        checkpoints.add_scores(step, {"nrmse": nrmse, "hidden": 0.0})
    assert names(tmp_path) == ["step_000000002", "step_000000004", "step_000000005"]


def test_what_was_not_scored_is_never_the_best(tmp_path, value):
    checkpoints = open_checkpoints(tmp_path, value, keep=1)
    save(checkpoints, value, 1)
    checkpoints.add_scores(1, {"batch_rank1": 0.0})
    save(checkpoints, value, 2, 3)
    assert names(tmp_path) == ["step_000000001", "step_000000003"]


@pytest.mark.parametrize("file", ["state.index", "state.data-00000-of-00001", "checkpoint.json"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_a_damaged_one_is_named_and_the_one_before_it_taken(tmp_path, value, checkpoints, caplog, file, damage):
    save(checkpoints, value, 3, 12)
    spoil(tmp_path / "checkpoints" / "step_000000012" / file, damage)
    found = open_checkpoints(tmp_path, value).restore()
    assert found.step == 3 and value.numpy().tolist() == [3, -3]
    assert any("step_000000012 is damaged" in message and file in message for message in caplog.messages)
    assert names(tmp_path) == ["step_000000003", "step_000000012.damaged"]


def test_damaged_ones_do_not_push_out_what_is_sound(tmp_path, value):
    checkpoints = open_checkpoints(tmp_path, value, keep=1)
    save(checkpoints, value, 3)
    for step in (11, 12):
        shutil.copytree(tmp_path / "checkpoints" / "step_000000003", tmp_path / "checkpoints" / f"step_0000000{step}")
    again = open_checkpoints(tmp_path, value, keep=1)
    assert again.restore().step == 3
    save(again, value, 4)
    again.add_scores(4, {"top1": 1.0})
    assert names(tmp_path) == ["step_000000004", "step_000000011.damaged", "step_000000012.damaged"]


def spoil(path, damage: str) -> None:
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])


def test_where_all_are_damaged_nothing_is_begun_anew(tmp_path, value, checkpoints):
    save(checkpoints, value, 3)
    spoil(tmp_path / "checkpoints" / "step_000000003" / "state.index", "cut")
    with pytest.raises(InputError, match="no checkpoint in .*checkpoints is sound; delete the folder to begin the run again"):
        open_checkpoints(tmp_path, value).restore()
    assert names(tmp_path) == ["step_000000003"]


def test_what_a_killed_process_left_is_no_checkpoint_and_goes(tmp_path, value, checkpoints):
    save(checkpoints, value, 3)
    shutil.copytree(tmp_path / "checkpoints" / "step_000000003", tmp_path / "checkpoints" / "step_000000005.partial")
    shutil.copytree(tmp_path / "checkpoints" / "step_000000003", tmp_path / "checkpoints" / "step_000000001.removed.host.1.partial")
    assert open_checkpoints(tmp_path, value).restore().step == 3
    save(checkpoints, value, 7)
    assert names(tmp_path) == ["step_000000003", "step_000000007"]


def test_of_another_network_it_is_refused(tmp_path, value, checkpoints):
    save(checkpoints, value, 3)
    with pytest.raises(InputError, match="step_000000003 is of another network or optimizer"):
        open_checkpoints(tmp_path, tf.Variable([1.0, 2.0, 3.0])).restore()
    os.makedirs(tmp_path / "other")
    state = tf.train.Checkpoint(value=value, projection=tf.Variable(0.0))
    with pytest.raises(InputError, match="step_000000003 is of another network or optimizer"):
        Checkpoints(str(tmp_path / "checkpoints"), state, keep=2).restore()


def test_a_run_whose_folder_is_gone_is_told_so(tmp_path, value, checkpoints):
    save(checkpoints, value, 3)
    shutil.rmtree(tmp_path / "checkpoints")
    with pytest.raises(InputError, match="cannot write the checkpoint .*step_000000004: No such file or directory"):
        save(checkpoints, value, 4)
    assert not os.path.exists(tmp_path / "checkpoints")


def test_a_step_is_saved_once(tmp_path, value, checkpoints):
    save(checkpoints, value, 3)
    before = os.stat(tmp_path / "checkpoints" / "step_000000003").st_ino
    checkpoints.save(3)
    assert os.stat(tmp_path / "checkpoints" / "step_000000003").st_ino == before


def test_who_does_not_write_reads(tmp_path, value, checkpoints):
    other = open_checkpoints(tmp_path, value, writes=False)
    save(other, value, 3)
    other.add_scores(3, {"top1": 1.0})
    assert names(tmp_path) == []
    save(checkpoints, value, 5)
    assert open_checkpoints(tmp_path, value, writes=False).restore().step == 5


def test_the_facts_are_readable(tmp_path, value, checkpoints):
    save(checkpoints, value, 3)
    facts = json.loads((tmp_path / "checkpoints" / "step_000000003" / "checkpoint.json").read_text())
    assert (facts["step"], facts["phase"], facts["scores"]) == (3, "trained", {})
    assert facts["files"].keys() == {"state.index", "state.data-00000-of-00001"}
