import dataclasses

import pytest

from kd_tf.data.sources import SourceConfig
from kd_tf.study.jobs import CacheJob, JobGraph, Machine, PairsJob, RunJob
from kd_tf.study.scales import PAIRS, Phase, Schedule, make_scale
from kd_tf.study.stages import FACES, make_stages, with_needs

DRAWN = {FACES: SourceConfig()}
STAGES = make_stages()


def make_graph(scale=None, stages=("ours_8", "alignment_distill_soft_8"), directory="/study", seeds=(0,), machine=None, on_pairs=()):
    scale = scale or make_scale("small", DRAWN)
    return JobGraph(scale, with_needs(STAGES, set(stages)), set(on_pairs), directory, list(seeds), machine or Machine())


def addresses(graph):
    return {name: job.path for name, job in graph.jobs.items()}


def test_jobs_and_what_they_need():
    assert {name: job.needs for name, job in make_graph().jobs.items()} == {
        "teacher_seed0": (),
        "pretrained_8_seed0": (),
        "teacher_outputs_seed0": ("teacher_seed0",),
        "ours_8_seed0": ("pretrained_8_seed0", "teacher_outputs_seed0"),
        "alignment_teacher_seed0": ("teacher_seed0",),
        "alignment_teacher_outputs_seed0": ("alignment_teacher_seed0",),
        "alignment_distill_soft_8_seed0": ("ours_8_seed0", "alignment_teacher_outputs_seed0"),
    }


def test_a_run_is_what_its_stage_and_scale_say():
    graph = make_graph()
    config = graph.run_job("alignment_distill_soft_8", 0).config
    assert (config.network.network, config.network.width_divisor) == ("resnet26", 16)
    assert (config.distillation.alpha, config.distillation.beta) == (1, 0)
    assert config.distillation.teacher_cache == graph.jobs["alignment_teacher_outputs_seed0"].path
    assert config.init == graph.run_job("ours_8", 0).path
    assert (config.training.epochs, config.training.learning_rate, config.training.optimizer) == (5, 0.01, "adam")
    assert graph.run_job("pretrained_8", 0).config.training.learning_rate == 0.2
    assert graph.run_job("ours_8", 0).config.training.learning_rate == 0.1


def test_a_cache_has_the_views_that_its_students_see():
    graph = make_graph(seeds=[3])
    cache = graph.jobs["alignment_teacher_outputs_seed3"]
    assert isinstance(cache, CacheJob)
    assert (cache.config.view.views, cache.config.view.seed) == (5, 3)
    assert cache.config.teacher == graph.run_job("alignment_teacher", 3).path


def test_a_control_sees_the_views_that_are_stored_for_the_others():
    cells = [f"triplet_distill_{targets}_8" for targets in ("none", "soft")]
    graph = make_graph(stages=cells)
    assert [graph.run_job(cell, 0).config.view.views for cell in cells] == [3, 3]
    assert graph.jobs["triplet_teacher_outputs_seed0"].config.view.views == 3
    assert graph.run_job("triplet_teacher", 0).config.view.views is None
    live = make_graph(dataclasses.replace(make_scale("small", DRAWN), stores_teachers=False), stages=cells)
    assert [live.run_job(cell, 0).config.view.views for cell in cells] == [None, None]


def test_a_live_teacher_and_one_of_hints():
    live = make_graph(dataclasses.replace(make_scale("small", DRAWN), stores_teachers=False), stages=["fitnet_8"])
    assert not any(isinstance(job, CacheJob) for job in live.jobs.values())
    stored = make_graph(stages=["fitnet_8"])
    for graph in (live, stored):
        assert graph.run_job("hint_8", 0).config.distillation.teacher == graph.run_job("teacher", 0).path
    assert stored.run_job("fitnet_8", 0).config.distillation.teacher is None


def test_a_changed_setting_reaches_what_follows_from_it():
    scale = make_scale("small", DRAWN)
    schedules = scale.schedules | {"alignment": Schedule(Phase(9, 0.01), Phase(9, 0.01), 64)}
    before, after = addresses(make_graph(scale)), addresses(make_graph(dataclasses.replace(scale, schedules=schedules)))
    assert {name for name in before if before[name] != after[name]} == {
        "alignment_teacher_seed0", "alignment_teacher_outputs_seed0", "alignment_distill_soft_8_seed0",
    }  # fmt: skip


def test_another_teacher_reaches_its_students():
    before = addresses(make_graph())
    scale = make_scale("small", DRAWN)
    after = addresses(make_graph(dataclasses.replace(scale, teacher_divisor=4)))
    assert not set(before.values()) & set(after.values())


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"machine": Machine(strategy="mirrored")}, True),
        ({"machine": Machine(precision="mixed_bfloat16")}, False),
        ({"stages": ("ours_8", "joint_start_2")}, True),
        ({"directory": "/elsewhere"}, True),
        ({"seeds": (1, 0)}, True),
    ],
)
def test_what_is_part_of_an_address(changes, same):
    before, after = (graph.run_job("ours_8", 0).path.rpartition("/")[2] for graph in (make_graph(), make_graph(**changes)))
    assert (before == after) == same


def test_seeds_share_nothing():
    graph = make_graph(seeds=[0, 1])
    assert len(set(addresses(graph).values())) == len(graph.jobs) == 14
    assert graph.run_job("ours_8", 1).config.init == graph.run_job("pretrained_8", 1).path


def test_addresses_stay():
    """A finished study is found again by later versions: whoever changes this runs everything anew."""
    names = {name: job.path for name, job in make_graph().jobs.items()}
    assert names["teacher_seed0"] == "/study/runs/teacher_seed0-e73dcb99"
    assert names["ours_8_seed0"] == "/study/runs/ours_8_seed0-ceb28368"
    assert names["teacher_outputs_seed0"] == "/study/teachers/teacher_outputs_seed0-8023698f"
    scale = make_scale("small", DRAWN | {PAIRS: SourceConfig("lfw:/pairs")})
    assert make_graph(scale, on_pairs=["ours_8"]).pairs_job("ours_8", 0).path == "/study/pairs/ours_8_pairs_seed0-80d510d6"


def test_stages_are_scored_on_pairs_where_there_are_some():
    scale = make_scale("small", DRAWN | {PAIRS: SourceConfig("lfw:/pairs")})
    graph = make_graph(scale, on_pairs=["ours_8"])
    job = graph.pairs_job("ours_8", 0)
    assert isinstance(job, PairsJob) and job.needs == ("ours_8_seed0",)
    assert (job.config.model, job.config.source.data) == (graph.run_job("ours_8", 0).path, "lfw:/pairs")
    assert graph.pairs_job("teacher", 0) is None
    assert make_graph(on_pairs=["ours_8"]).pairs_job("ours_8", 0) is None


def test_a_job_says_how_far_it_is(tmp_path):
    graph = make_graph(directory=str(tmp_path))
    for job in graph.jobs.values():
        assert not job.finished and not job.begun
    assert all(isinstance(job, RunJob) for job in graph.runs.values()) and len(graph.runs) == 5
