import dataclasses

import pytest

from kd_tf.data.split import SplitConfig
from kd_tf.data.views import ViewConfig
from kd_tf.training import prepared
from kd_tf.training.prepared import opening_once
from tests.runs import small_run


@pytest.fixture(name="opened")
def count_openings(monkeypatch):
    """The configurations for which data were opened."""
    opened, original = [], prepared.open_data
    monkeypatch.setattr(prepared, "open_data", lambda *config: opened.append(config) or original(*config))
    return opened


def test_runs_that_read_the_same_share_it_and_keep_their_views(opened):
    open_once = opening_once()
    configs = [
        small_run("run", training={"seed": seed}, view=ViewConfig(image_size=16, views=views)) for seed in (0, 5) for views in (None, 3)
    ]
    found = [open_once(config) for config in configs]
    assert len(opened) == 1
    assert [(data.view.seed, data.view.views) for data in found] == [(0, None), (0, 3), (5, None), (5, 3)]
    assert all(data.train is found[0].train for data in found)


@pytest.mark.parametrize(
    "changes", [{"task": "alignment"}, {"split": SplitConfig(split_seed=1)}, {"view": ViewConfig(image_size=16, central_fraction=0.5)}]
)
def test_runs_that_read_something_else_do_not(opened, changes):
    open_once = opening_once()
    config = small_run("run")
    one, other = open_once(config), open_once(dataclasses.replace(config, **changes))
    assert len(opened) == 2
    assert other.view.central_fraction == changes.get("view", config.view).central_fraction
    assert (one.train.records.tolist() == other.train.records.tolist()) == ("split" not in changes)
