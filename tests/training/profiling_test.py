import pytest
import tensorflow as tf
from absl import flags
from absl.testing import flagsaver

from kd_tf.errors import InputError
from kd_tf.flags import training_flags
from kd_tf.training.batches import plan_batches
from kd_tf.training.config import TrainingConfig
from kd_tf.training.prepared import open_run_data
from kd_tf.training.profiling import Profiler
from tests.runs import small_run


@pytest.fixture(name="calls")
def note_calls(monkeypatch) -> list:
    calls = []
    monkeypatch.setattr(tf.profiler.experimental, "start", lambda directory: calls.append(directory))
    monkeypatch.setattr(tf.profiler.experimental, "stop", lambda: calls.append("stop"))
    return calls


def train(profiler, steps, calls) -> None:
    for step in range(steps):
        profiler.on_train_batch_begin(step)
        calls.append(step)
        profiler.on_train_batch_end(step)


@pytest.mark.parametrize(
    ("first_step", "expected"),
    [
        (0, [0, 1, "board", 2, 3, "stop", 4]),
        # One that goes on in the middle of them, and one that goes on after them.
        (3, ["board", 0, "stop", 1, 2, 3, 4]),
        (4, [0, 1, 2, 3, 4]),
    ],
)
def test_the_steps_from_the_first_to_the_last(calls, first_step, expected):
    profiler = Profiler("board", (3, 4), first_step)
    train(profiler, 5, calls)
    profiler.close()
    assert calls == expected


def test_a_run_that_stops_on_the_way_leaves_no_profiler_behind(calls):
    profiler = Profiler("board", (1, 9), 0)
    train(profiler, 2, calls)
    profiler.close()
    profiler.close()
    assert calls == ["board", 0, 1, "stop"]


@pytest.mark.parametrize(("directory", "steps"), [(None, (1, 2)), ("board", None)])
def test_nothing_is_profiled_unless_it_is_asked_for(calls, directory, steps):
    train(Profiler(directory, steps, 0), 3, calls)
    assert calls == [0, 1, 2]


def _profile_steps(*given: str):
    with flagsaver.flagsaver():
        flags.FLAGS(["kd-train", "--steps=40", *given])
        return training_flags.training_config_from_flags().profile_steps


def test_the_flag():
    assert _profile_steps() is None
    assert _profile_steps("--profile_steps=20,30") == (20, 30)
    assert _profile_steps("--profile_steps=7,7") == (7, 7)


@pytest.mark.parametrize("value", ["20", "30,20", "0,5", "1,2,3", ""])
def test_steps_that_cannot_be_meant(value):
    with pytest.raises(InputError) as error:
        _profile_steps(f"--profile_steps={value}")
    assert str(error.value) == f"--profile_steps={value} must be the first and the last step, from 1: such as 20,30"


def test_steps_that_are_no_numbers():
    with pytest.raises(InputError, match="^--profile_steps=20,end must be whole numbers with commas between them$"):
        _profile_steps("--profile_steps=20,end")


def test_steps_that_the_run_does_not_have():
    config = small_run("/runs/x", training={"profile_steps": (3, 5)})
    with pytest.raises(InputError, match="^--profile_steps=3,5 ends after the 4 steps of this run$"):
        plan_batches(config, open_run_data(config), 1)
    assert TrainingConfig(steps=5, profile_steps=(3, 5)).profile_steps == (3, 5)
