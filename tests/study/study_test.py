import dataclasses
import os

import pytest

from kd_tf.data.sources import SourceConfig
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from kd_tf.networks.identity_names import recorded_identities
from kd_tf.networks.stored import load_network
from kd_tf.study.recipe import quick_recipe
from kd_tf.study.study import run_study
from kd_tf.training.run_directory import RunDirectory, recorded_flags


@pytest.mark.parametrize("data", ["synthetic", "lfw:/faces"])
def test_every_stage_comes_after_those_it_needs(data):
    done = set()
    for stage in quick_recipe(SourceConfig(data)).stages:
        assert {stage.init, stage.teacher} - {None} <= done
        assert (stage.alpha or stage.beta) == 0 or stage.teacher
        done.add(stage.name)
    assert len(done) == 8


def test_the_recipe_for_photographs_takes_people_with_ten_pictures():
    assert quick_recipe(SourceConfig("lfw:/faces")).source.min_images == 10


def test_other_data_sets_have_no_recipe():
    with pytest.raises(InputError, match="no recipe for --data=folder:/x; it has for: lfw, synthetic"):
        quick_recipe(SourceConfig("folder:/x"))


def test_the_whole_chain_runs_and_finished_stages_are_not_run_again(tmp_path, monkeypatch):
    recipe = quick_recipe(SourceConfig(identities=16, pictures=5, picture_size=24))
    stages = tuple(dataclasses.replace(stage, epochs=0.5, width_divisor=8) for stage in recipe.stages)
    recipe = dataclasses.replace(recipe, view=ViewConfig(image_size=16), batch_size=32, stages=stages)
    table = run_study(recipe, str(tmp_path), seed=0, precision="float32", strategy="one")
    assert (tmp_path / "tables" / "results.md").read_text() == table
    for stage in stages:
        directory = RunDirectory(str(tmp_path / stage.name))
        assert directory.metrics()["task"] == stage.task
        teacher = recorded_flags(directory.path).get("teacher")
        assert teacher == (os.path.join(tmp_path, stage.teacher) if stage.teacher else None)
    # A teacher keeps the head that serves later soft targets; a student has what its loss needs.
    for name, heads in (("teacher_alignment", {"logits", "landmarks"}), ("student_alignment", {"landmarks"})):
        network = load_network(str(tmp_path / name), "model", image_size=16)
        assert set(network.output) == {"hidden", "embedding"} | heads
    # Whoever has that head says whom it knows.
    people = [f"synthetic_{person:06d}" for person in range(16)]
    known = {stage.name: recorded_identities(str(tmp_path / stage.name)) for stage in stages}
    assert known == {stage.name: None if stage.name == "student_alignment" else people for stage in stages}
    monkeypatch.setattr("kd_tf.study.runs.run", lambda config: pytest.fail(f"{config.model_dir} was run again"))
    assert run_study(recipe, str(tmp_path), seed=0, precision="float32", strategy="one") == table
    with pytest.raises(InputError, match="--seed=0 instead of --seed=1"):
        run_study(recipe, str(tmp_path), seed=1, precision="float32", strategy="one")


def test_what_a_later_stage_lacks_is_said_before_anything_is_written(tmp_path):
    recipe = quick_recipe(SourceConfig(identities=12, pictures=5, picture_size=24))
    with pytest.raises(InputError, match="--identities_per_batch=16 needs"):
        run_study(recipe, str(tmp_path / "study"), seed=0, precision="float32", strategy="one")
    assert os.listdir(tmp_path) == []
