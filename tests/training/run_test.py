import dataclasses
import json
import os
import signal

import cv2
import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.dataset import open_data
from kd_tf.data.digest import data_digest
from kd_tf.data.sources import SourceConfig
from kd_tf.data.split import SplitConfig
from kd_tf.errors import InputError, RunStopped
from kd_tf.networks.face_network import NetworkConfig, output_shapes
from kd_tf.networks.projection import load_projection
from kd_tf.networks.stored import load_network
from kd_tf.tensorflow_line import HAS_ADDONS
from kd_tf.training.batches import plan_batches
from kd_tf.training.callbacks import TermLogger
from kd_tf.training.checkpoints import list_checkpoints
from kd_tf.training.config import DistillationConfig, TrainingConfig, VerificationConfig
from kd_tf.training.run import run
from kd_tf.training.saving import Saver
from tests.images import write_text
from tests.runs import SOURCE, VIEW, small_run
from tests.training.events import values_of, written

NARROW = NetworkConfig("resnet14", 16)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "teacher"
    metrics = run(small_run(path))
    return str(path), metrics


# What `metrics.json` has beside the scores.
COSTS = {"images_per_second", "input_wait_share", "evaluation_seconds", "checkpoint_seconds", "peak_memory_mib"}
MEASURED = {"task", "parameters", "steps", "seconds", "seed"} | COSTS


def log_of(path) -> str:
    return text_of(path, "log.txt")


def text_of(path, name) -> str:
    with open(os.path.join(path, name), encoding="utf-8") as file:
        return file.read()


# The names of the six labels, as every run on `SOURCE` writes them.
NAMES = "".join(f"synthetic_00000{label}\n" for label in range(6))


def source_name(data, record) -> str:
    return data.train.source.identity_names[data.train.source.identities[record]]


def scalars(directory: str) -> dict[str, list[int]]:
    found = {}
    for tag, step, _ in values_of(directory, "scalars"):
        found.setdefault(tag, []).append(step)
    return found


def test_a_run_directory_is_complete_and_its_metrics_are_what_was_returned(teacher):
    path, metrics = teacher
    expected = {
        "flags.txt",
        "run.json",
        "lock",
        "identities.txt",
        "log.txt",
        "checkpoints",
        "tensorboard",
        "student.keras",
        "saved_model",
        "metrics.json",
    }
    assert set(os.listdir(path)) == expected
    assert set(metrics) == {"top1", "rank1"} | MEASURED
    with open(os.path.join(path, "metrics.json"), encoding="utf-8") as file:
        assert json.load(file) == metrics
    assert metrics["task"] == "classification"
    assert metrics["steps"] == 4
    network = load_network(path, "model", image_size=16)
    assert metrics["parameters"] == sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    assert "4 steps of 8 images" in log_of(path)


def test_a_run_writes_the_names_of_its_labels(teacher):
    assert text_of(teacher[0], "identities.txt") == NAMES


def test_a_head_that_is_kept_keeps_its_names(teacher, tmp_path):
    """Of a teacher to come, that starts from a classifier: not those of the people it is trained on."""
    source = dataclasses.replace(SOURCE, identities=9)
    run(small_run(tmp_path / "aligner", task="alignment", init=teacher[0], source=source, training={"steps": 1, "evaluations": 1}))
    assert text_of(tmp_path / "aligner", "identities.txt") == NAMES
    assert output_shapes(load_network(str(tmp_path / "aligner"), "model", image_size=16))["logits"] == (None, 6)


def test_a_teacher_of_other_people_is_refused(teacher, tmp_path):
    """As many as the student's, and four of them the same."""
    path = write_text(tmp_path / "list.txt", "synthetic_000002\nsynthetic_000003\n")
    source = dataclasses.replace(SOURCE, identities=8, exclude_identities=str(path))
    config = small_run(tmp_path / "run", source=source, distillation=DistillationConfig(teacher=teacher[0], alpha=1.0))
    with pytest.raises(InputError) as error:
        run(config)
    assert str(error.value) == (
        f"--teacher={teacher[0]} knows other people: its identity 2 is synthetic_000002, that of synthetic (8 identities x 10 pictures of "
        "24 pixels, seed 1) is synthetic_000004; soft targets and logits need the same"
    )
    assert not os.path.exists(tmp_path / "run")


def test_the_same_flags_give_the_same_weights(teacher, tmp_path):
    run(small_run(tmp_path / "again"))
    first, second = (load_network(str(path), "model", image_size=16).get_weights() for path in (teacher[0], tmp_path / "again"))
    for before, after in zip(first, second, strict=True):
        np.testing.assert_allclose(before, after, atol=1e-5)


def _interrupt(config, monkeypatch, step) -> None:
    """Runs until after that step."""

    class Interruption(Exception):
        pass

    original = TermLogger.on_train_batch_end

    def interrupt(self, batch, logs=None):
        original(self, batch, logs)
        if self._step == step:
            raise Interruption

    with monkeypatch.context() as patch:
        patch.setattr(TermLogger, "on_train_batch_end", interrupt)
        with pytest.raises(Interruption):
            run(config)
    assert not os.path.exists(os.path.join(config.model_dir, "metrics.json"))


def _assert_same_weights(first, second) -> None:
    networks = (load_network(str(path), "model", image_size=16) for path in (first, second))
    for before, after in zip(*(network.get_weights() for network in networks), strict=True):
        np.testing.assert_allclose(before, after, atol=1e-5)


def test_an_interrupted_run_continues_with_the_same_data(teacher, tmp_path, monkeypatch):
    config = small_run(tmp_path / "run")
    _interrupt(config, monkeypatch, step=3)
    run(config)
    _assert_same_weights(teacher[0], tmp_path / "run")


@pytest.mark.skipif(not HAS_ADDONS, reason="this Python has no TensorFlow Addons")
def test_lamb_of_tensorflow_addons_continues_with_what_it_remembers(tmp_path, monkeypatch):
    training = {"optimizer": "lamb", "weight_decay": 0.01}
    run(small_run(tmp_path / "whole", training=training))
    _interrupt(small_run(tmp_path / "run", training=training), monkeypatch, step=3)
    run(small_run(tmp_path / "run", training=training))
    _assert_same_weights(tmp_path / "whole", tmp_path / "run")


@pytest.mark.parametrize(
    ("task", "options", "terms", "scores"),
    [
        ("classification", {"logits_weight": 0.5, "beta": 0.5}, {"identity", "logits", "hidden"}, {"top1", "rank1"}),
        ("alignment", {"alpha": 0.5, "beta": 0.1}, {"landmarks", "soft", "hidden"}, {"nrmse", "failure_rate"}),
        ("verification", {"alpha": 1.0}, {"triplet", "identity", "soft"}, {"rank1"}),
    ],
)
def test_each_task_is_distilled_and_logs_every_term_and_its_gradient(teacher, tmp_path, monkeypatch, task, options, terms, scores):
    monkeypatch.setattr("kd_tf.training.callbacks.LOG_STEPS", 2)
    path, _ = teacher
    config = small_run(
        tmp_path / task,
        task=task,
        init=path,
        distillation=DistillationConfig(teacher=path, **options),
        verification=VerificationConfig(identity_weight=1.0 if task == "verification" else 0.0),
        image_cache=str(tmp_path / "images"),
    )
    metrics = run(config)
    assert set(metrics) == scores | MEASURED | {"teacher_share"}
    steps = scalars(os.path.join(config.model_dir, "tensorboard"))
    for term in terms | {"loss"}:
        assert steps[f"train/{term}"] == [2, 4]
        assert steps[f"test/{term}"] == [2, 4]
    # The first of every ten steps is measured, and steps without a measurement have no entry.
    assert {tag: when for tag, when in steps.items() if "gradient" in tag} == {f"gradient/{term}": [2] for term in terms}
    assert "copied 89 of" in log_of(config.model_dir)
    assert text_of(config.model_dir, "identities.txt") == NAMES


def test_a_flagfile_names_every_value_and_leaves_out_what_the_program_lacks(tmp_path):
    flags = small_run("runs/x").flagfile().splitlines()
    assert flags[0] == "# a flagfile of kd-train"
    assert {"--task=classification", "--steps=4", "--image_size=16", "--jitter=true", "--width_divisor=8"} <= set(flags)
    assert {"--split=random", "--split_seed=0", "--validation=false"} <= set(flags)
    assert not any(line.startswith(("--alpha", "--teacher", "--init", "--hint_stage", "--logits_weight")) for line in flags)
    distill = small_run("runs/x", distillation=DistillationConfig(teacher="/t", alpha=0.5)).flagfile().splitlines()
    assert distill[0] == "# a flagfile of kd-distill"
    assert {"--teacher=/t", "--alpha=0.5", "--temperature=3.0", "--logits_weight=0.0", "--hidden_reduction=mean"} <= set(distill)
    disjoint = small_run("runs/x", split=SplitConfig("identity_disjoint", 3, True)).flagfile().splitlines()
    assert {"--split=identity_disjoint", "--split_seed=3", "--validation=true"} <= set(disjoint)


def test_a_flagfile_names_the_seed_once():
    flags = small_run("runs/x", training={"seed": 5}).flagfile().splitlines()
    assert [flag for flag in flags if flag.startswith("--seed")] == ["--seed=5"]
    assert small_run("runs/x", training={"seed": 5}).view.seed == 5


def test_a_finished_run_is_not_run_again(teacher):
    path, _ = teacher
    with pytest.raises(InputError, match="holds a finished run"):
        run(small_run(path))


def test_a_run_begun_with_other_flags_is_refused_with_the_difference(tmp_path):
    config = small_run(tmp_path / "run")
    os.makedirs(config.model_dir)
    with open(tmp_path / "run" / "flags.txt", "w", encoding="utf-8") as file:
        file.write(config.flagfile().replace("--seed=0", "--seed=7"))
    with pytest.raises(InputError, match="--seed=7 instead of --seed=0"):
        run(config)


def test_a_folder_with_other_things_is_not_written_to(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty and not a run"):
        run(small_run(tmp_path))
    assert os.listdir(tmp_path) == ["thesis.txt"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": SourceConfig("celebrities")}, "--data=celebrities is unknown"),
        ({"source": SourceConfig("lfw:/nowhere")}, "--data=lfw:/nowhere: /nowhere does not exist"),
        ({"source": SourceConfig("lfw:/nowhere", index_dir="/index")}, "--index_dir=/index has no effect on --data=lfw:/nowhere"),
        ({"source": dataclasses.replace(SOURCE, exclude_identities="/nowhere")}, "--exclude_identities=/nowhere cannot be read"),
        ({"init": "/nowhere"}, "--init=/nowhere does not exist"),
        ({"init_rule": "fitnet"}, "--init_rule=fitnet starts from a run of --task=hint: name it with --init"),
        ({"split": SplitConfig("official")}, "comes with no official split; use --split=random or identity_disjoint"),
        ({"distillation": ("/nowhere", 1.0)}, "--teacher=/nowhere does not exist"),
        ({"training": {"precision": "float8"}}, "--precision=float8 is unknown"),
        ({"training": {"optimizer": "magic"}}, "--optimizer=magic is unknown"),
        ({"training": {"strategy": "tpu"}}, "--strategy=tpu is unknown"),
        ({"training": {"identities_per_batch": 7}, "task": "verification"}, "--identities_per_batch=7 needs"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(tmp_path, changes, message):
    if "distillation" in changes:
        path, alpha = changes["distillation"]
        changes = {"distillation": DistillationConfig(teacher=path, alpha=alpha)}
    with pytest.raises(InputError, match=message):
        run(small_run(tmp_path / "run", **changes))
    assert not os.path.exists(tmp_path / "run")


def test_a_teacher_of_other_identities_is_refused_with_both_numbers(teacher, tmp_path):
    config = small_run(
        tmp_path / "run",
        source=dataclasses.replace(SOURCE, identities=9),
        distillation=DistillationConfig(teacher=teacher[0], alpha=1.0),
    )
    with pytest.raises(InputError, match="student has 9 identities and the teacher 6"):
        run(config)
    assert not os.path.exists(tmp_path / "run")


def test_a_teacher_without_the_needed_output_is_refused(tmp_path):
    images = tf.keras.Input([16, 16, 3])
    headless = tf.keras.Model(images, {"hidden": tf.keras.layers.GlobalAveragePooling2D()(images)}, name="headless")
    headless.save(tmp_path / "headless.keras")
    distillation = DistillationConfig(teacher=str(tmp_path / "headless.keras"), alpha=1.0)
    with pytest.raises(InputError, match=r"the teacher 'headless' lacks the output 'logits' \(it has: hidden\)"):
        run(small_run(tmp_path / "run", distillation=distillation))
    assert not os.path.exists(tmp_path / "run")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "give one of --epochs and --steps, not neither"),
        ({"epochs": 1.0, "steps": 1}, "not both"),
        ({"steps": 0}, "--steps=0 must be above 0"),
        ({"steps": 1, "learning_rate": -0.1}, "--learning_rate=-0.1 must be above 0"),
    ],
)
def test_training_values_out_of_range(values, message):
    with pytest.raises(InputError, match=message):
        TrainingConfig(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"alpha": 1.0}, "--alpha=1.0 needs a teacher"),
        ({"beta": 0.5}, "--beta=0.5 needs a teacher"),
        ({"teacher": "t", "alpha": -1.0}, "--alpha=-1.0 must not be below 0"),
        ({"teacher": "t", "temperature": 0.0}, "--temperature=0.0 must be above 0"),
    ],
)
def test_distillation_values_that_cannot_be_meant(values, message):
    with pytest.raises(InputError, match=message):
        DistillationConfig(**values)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    with pytest.raises(InputError, match="the loss is no number any more"):
        run(small_run(tmp_path / "run", training={"learning_rate": 1e30, "learning_rate_schedule": "constant"}))
    assert not os.path.exists(tmp_path / "run" / "metrics.json")


@pytest.fixture(scope="module")
def hint(teacher, tmp_path_factory):
    """A narrower student that has learned the third stage of the teacher."""
    path = tmp_path_factory.mktemp("runs") / "hint"
    config = small_run(path, task="hint", network=NARROW, distillation=DistillationConfig(teacher=teacher[0], beta=1.0))
    return str(path), run(config)


def test_a_hint_is_a_shallow_network_and_its_loss(hint):
    path, metrics = hint
    assert set(metrics) == {"hidden", "teacher_share"} | MEASURED and metrics["hidden"] > 0
    assert set(os.listdir(path)) == {
        "flags.txt",
        "run.json",
        "lock",
        "log.txt",
        "checkpoints",
        "tensorboard",
        "student.keras",
        "metrics.json",
    }
    network = load_network(path, "model", image_size=16)
    assert output_shapes(network) == {"hidden": (None, 4, 4, 32)}
    assert metrics["parameters"] == sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    assert "--hint_stage=stage3" in open(os.path.join(path, "flags.txt"), encoding="utf-8").read().splitlines()
    assert "dropped: the projection of the hidden layer to the teacher's 64 channels" in log_of(path)
    costs = {f"cost/{name}" for name in COSTS | {"teacher_share"}}
    told = {"train/loss", "train/hidden", "train/learning_rate", "gradient/hidden", "agreement/cosine", "score/hidden"}
    assert set(scalars(os.path.join(path, "tensorboard"))) == {"test/loss", "test/hidden"} | told | costs


def test_a_run_that_learned_the_hidden_layer_keeps_its_projection(teacher, tmp_path):
    path, training = tmp_path / "run", {"steps": 2, "evaluations": 1}
    run(small_run(path, network=NARROW, distillation=DistillationConfig(teacher=teacher[0], beta=1.0), training=training))
    assert "kept: the projection of the hidden layer to the teacher's 256 channels" in log_of(path)
    projection = load_projection(str(path / "projection.npz"))
    (checkpoint,) = list_checkpoints(str(path / "checkpoints"))
    state = tf.train.load_checkpoint(os.path.join(checkpoint.path, "state"))
    for name in ("kernel", "bias"):
        np.testing.assert_array_equal(getattr(projection, name), state.get_tensor(f"projection/{name}/.ATTRIBUTES/VARIABLE_VALUE"))


def test_fitnet_starts_from_a_hint_and_says_what_is_new(hint, tmp_path):
    path, _ = hint
    metrics = run(small_run(tmp_path / "run", init=path, init_rule="fitnet", network=NARROW, training={"steps": 1, "evaluations": 1}))
    assert set(metrics) == {"top1", "rank1"} | MEASURED
    norm = "trunk/stage4_block1_reduce_norm"
    new = f"trunk/stage4_block1_reduce_conv/kernel, {norm}/gamma, {norm}/beta, {norm}/moving_mean"
    # 2 + 5 weights before the second stage, 20 of each of the four stages, 2 of the head.
    assert f"student resnet14_16 from {path}: copied 47 of 89 weights; new: {new} and 38 more\n" in log_of(tmp_path / "run")


def test_people_kept_apart_are_scored_by_retrieval_alone(tmp_path):
    source = dataclasses.replace(SOURCE, identities=10)
    metrics = run(
        small_run(tmp_path / "run", source=source, split=SplitConfig("identity_disjoint"), training={"steps": 2, "evaluations": 1})
    )
    assert set(metrics) == {"rank1"} | MEASURED
    # Eight of ten people have a logit, and the test images of the other two no loss.
    assert output_shapes(load_network(str(tmp_path / "run"), "model", image_size=16))["logits"] == (None, 8)
    assert "80 training and 20 test images of 8 identities" in log_of(tmp_path / "run")
    data = open_data(source, VIEW, SplitConfig("identity_disjoint"))
    # Ascending: labels are given in the order of the source.
    trained = sorted({source_name(data, record) for record in data.train.records})
    assert text_of(tmp_path / "run", "identities.txt").splitlines() == trained and len(trained) == 8
    assert not any(tag.startswith("test/") for tag in scalars(str(tmp_path / "run" / "tensorboard")))


@pytest.fixture
def single_pictures(tmp_path):
    """Twelve people with one picture each."""
    for person in range(12):
        os.makedirs(tmp_path / "faces" / f"person{person:02d}")
        cv2.imwrite(str(tmp_path / "faces" / f"person{person:02d}" / "1.png"), np.full([20, 20, 3], 20 * person, np.uint8))
    return SourceConfig(f"folder:{tmp_path}/faces")


def test_a_classifier_of_single_pictures_is_scored_without_retrieval(single_pictures, tmp_path):
    metrics = run(small_run(tmp_path / "run", source=single_pictures, training={"steps": 1}))
    assert "top1" in metrics
    assert "rank1" not in metrics


def test_alignment_without_landmarks_is_refused(single_pictures, tmp_path):
    with pytest.raises(InputError, match="has no landmarks, which --task=alignment needs"):
        run(small_run(tmp_path / "run", source=single_pictures, task="alignment"))
    assert not os.path.exists(tmp_path / "run")


def test_starting_from_another_width_is_refused(teacher, tmp_path):
    config = small_run(tmp_path / "run", init=teacher[0], network=NetworkConfig("resnet14", 4))
    with pytest.raises(InputError, match=r"no kernel of 'resnet14_8' fits 'resnet14_4' \(trunk/stem_conv/kernel: shape \(3, 3, 3, 8\)"):
        run(config)
    assert not os.path.exists(tmp_path / "run")


def test_half_precision_trains_and_continues(tmp_path, monkeypatch):
    config = small_run(tmp_path / "run", training={"precision": "mixed_float16", "steps": 2})
    with monkeypatch.context() as patch:
        patch.setattr("kd_tf.training.run.save_network", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(config)
    metrics = run(config)
    assert metrics["steps"] == 2
    assert load_network(config.model_dir, "model", image_size=16).get_layer("logits").dtype == "float32"


def test_the_cheap_checks_come_before_the_cache_is_written(teacher, tmp_path):
    distillation = DistillationConfig(teacher=teacher[0], alpha=1.0)
    config = small_run(tmp_path / "run", source=dataclasses.replace(SOURCE, identities=9), distillation=distillation)
    with pytest.raises(InputError, match="9 identities"):
        run(dataclasses.replace(config, image_cache=str(tmp_path / "cache")))
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_mirrored_runs_of_different_widths_in_one_process(tmp_path):
    """A study does this; two strategies in a process would abort."""
    mirrored = {"strategy": "mirrored", "steps": 2}
    run(small_run(tmp_path / "teacher", network=NetworkConfig("resnet14", 4), training=mirrored))
    distillation = DistillationConfig(teacher=str(tmp_path / "teacher"), alpha=1.0, beta=1.0)
    run(small_run(tmp_path / "student", task="alignment", distillation=distillation, training=mirrored))
    losses = scalars(str(tmp_path / "student" / "tensorboard"))
    assert losses["test/hidden"] == [1, 2]


def whole_state(path, step=4) -> dict[str, np.ndarray]:
    """All that a checkpoint holds."""
    reader = tf.train.load_checkpoint(os.path.join(path, "checkpoints", f"step_{step:09d}", "state"))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map() if name != "_CHECKPOINTABLE_OBJECT_GRAPH"}


def curves(path) -> dict[str, dict[int, float]]:
    return {tag: values for tag, values in written(os.path.join(path, "tensorboard")).items() if not tag.startswith("cost/")}


@pytest.mark.parametrize(
    ("moment", "precision"), [("training", "float32"), pytest.param("evaluation", "mixed_float16", marks=pytest.mark.slow)]
)
def test_a_run_that_is_asked_to_stop_goes_on_as_if_nothing_had_happened(teacher, tmp_path, monkeypatch, moment, precision):
    """The third of four steps is in the middle of the means for TensorBoard; the evaluation is the first of two."""
    monkeypatch.setattr("kd_tf.training.callbacks.LOG_STEPS", 4)
    distillation = DistillationConfig(teacher=teacher[0], alpha=1.0, beta=0.5)
    changes = {"task": "verification", "distillation": distillation, "training": {"precision": precision}}
    configs = [small_run(tmp_path / name, **changes) for name in ("whole", "stopped")]
    run(configs[0])
    with monkeypatch.context() as patch:
        if moment == "training":
            ask_to_stop(patch, "on_train_batch_end", step=3)
        else:
            ask_to_stop(patch, "on_test_batch_end", step=2)
        with pytest.raises(RunStopped, match="stopped by SIGTERM after step [23], which is saved") as stopped:
            run(configs[1])
    assert stopped.value.exit_status == 128 + signal.SIGTERM
    run(configs[1])
    whole, stopped = (whole_state(config.model_dir) for config in configs)
    assert whole.keys() == stopped.keys()
    for name, value in whole.items():
        assert value.tobytes() == stopped[name].tobytes(), name
    assert curves(configs[0].model_dir) == curves(configs[1].model_dir)


def ask_to_stop(patch, moment: str, step: int) -> None:
    original = getattr(Saver, moment)

    def stop(self, batch, logs=None):
        if self._step + (moment == "on_train_batch_end") == step:
            os.kill(os.getpid(), signal.SIGTERM)
        original(self, batch, logs)

    patch.setattr(Saver, moment, stop)


def test_a_damaged_checkpoint_costs_the_steps_since_the_one_before(teacher, tmp_path, monkeypatch):
    config = small_run(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr("kd_tf.training.run.save_network", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(config)
    with open(tmp_path / "run" / "checkpoints" / "step_000000004" / "state.data-00000-of-00001", "r+b") as file:
        file.truncate(1000)
    run(config)
    assert "step_000000004 is damaged (state.data-00000-of-00001 is not what was written)" in log_of(tmp_path / "run")
    assert "continuing from " in log_of(tmp_path / "run")
    whole, mended = whole_state(teacher[0]), whole_state(tmp_path / "run")
    for name, value in whole.items():
        assert value.tobytes() == mended[name].tobytes(), name


def test_the_images_of_a_step_whose_loss_is_no_number_are_named(tmp_path):
    config = small_run(tmp_path / "run", training={"learning_rate": 1e30, "learning_rate_schedule": "constant", "checkpoint_steps": 1})
    with pytest.raises(InputError, match=f"its images are in {tmp_path}/run/bad_batch.json; a lower --learning_rate may help") as error:
        run(config)
    step = int(str(error.value).split(":")[0].removeprefix("step "))
    batch = json.loads(text_of(tmp_path / "run", "bad_batch.json"))
    data = open_data(SOURCE, VIEW)
    plan = plan_batches(config, data, 1)
    places = [int(plan.order(tf.constant(8 * (step - 1) + place, tf.int64))[0]) for place in range(8)]
    assert batch["step"] == step and not np.isfinite(batch["loss"]["loss"])
    assert [image["record"] for image in batch["images"]] == data.train.records[places].tolist()
    assert {image["view"] for image in batch["images"]} == {0}
    assert batch["images"][0]["image"] == data.train.source.describe(batch["images"][0]["record"])
    kept = list_checkpoints(str(tmp_path / "run" / "checkpoints"))
    assert all(checkpoint.step < step for checkpoint in kept)


def test_weights_that_are_no_numbers_are_never_saved(tmp_path, monkeypatch):
    original = TermLogger.on_train_batch_end

    def spoil(self, batch, logs=None):
        original(self, batch, logs)
        if self._step == 3:
            self.model.student.get_layer("logits").bias.assign(np.full(6, np.inf))

    monkeypatch.setattr(TermLogger, "on_train_batch_end", spoil)
    with pytest.raises(InputError, match="step 3: the weights logits/bias:0 are no numbers any more; the last checkpoint was kept"):
        run(small_run(tmp_path / "run", training={"checkpoint_steps": 1}))
    assert [checkpoint.step for checkpoint in list_checkpoints(str(tmp_path / "run" / "checkpoints"))] == [1, 2]


def test_other_flags_need_override_and_are_written_down(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        ask_to_stop(patch, "on_train_batch_end", step=3)
        with pytest.raises(RunStopped):
            run(small_run(tmp_path / "run"))
    changed = small_run(tmp_path / "run", training={"learning_rate": 0.02, "steps": 5})
    difference = "--learning_rate=0.01 --steps=4 instead of --learning_rate=0.02 --steps=5"
    with pytest.raises(InputError, match=f"was begun with other flags: {difference}; give another directory, or --override"):
        run(changed)
    assert run(changed, override=True)["steps"] == 5
    assert f"going on with other flags: {difference}" in log_of(tmp_path / "run")
    first, second = json.loads(text_of(tmp_path / "run", "run.json"))
    assert "--steps=4" in first["flags"] and "--steps=5" in second["flags"]


def test_fewer_steps_than_were_trained_are_refused(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        ask_to_stop(patch, "on_train_batch_end", step=3)
        with pytest.raises(RunStopped):
            run(small_run(tmp_path / "run"))
    with pytest.raises(InputError, match="step_000000003 is beyond the 2 steps of this run"):
        run(small_run(tmp_path / "run", training={"steps": 2}), override=True)


def test_a_run_records_what_it_was_made_with(teacher):
    (record,) = json.loads(text_of(teacher[0], "run.json"))
    data = open_data(SOURCE, VIEW)
    source = data.train.source
    fingerprint = data_digest(source, data.train.records, data.test.records, source.landmarks)
    assert record["data"] == {"name": source.name, "fingerprint": fingerprint, "teacher": None}
    assert record["seed"] == 0 and record["replicas"] == 1
    assert record["versions"]["tensorflow"] == tf.__version__ and record["versions"]["kd-tf"]
    assert record["flags"] == text_of(teacher[0], "flags.txt").splitlines()[1:]


def test_other_weights_of_the_teacher_are_refused(teacher, tmp_path, monkeypatch):
    network = load_network(teacher[0], "teacher", image_size=16)
    network.save(tmp_path / "teacher.keras")
    distillation = DistillationConfig(teacher=str(tmp_path / "teacher.keras"), alpha=1.0)
    config = small_run(tmp_path / "run", distillation=distillation)
    with monkeypatch.context() as patch:
        ask_to_stop(patch, "on_train_batch_end", step=3)
        with pytest.raises(RunStopped):
            run(config)
    assert log_of(tmp_path / "run").endswith(" stopped by SIGTERM after step 3, which is saved; the same command continues\n")
    network.get_layer("logits").bias.assign_add(np.ones(6))
    network.save(tmp_path / "teacher.keras")
    with pytest.raises(InputError, match="was begun with other weights of its teacher; give another directory, or --override"):
        run(config)


def test_other_data_of_the_same_name_are_refused(tmp_path, monkeypatch):
    for person in range(4):
        os.makedirs(tmp_path / "faces" / str(person))
        for picture in range(6):
            cv2.imwrite(str(tmp_path / "faces" / str(person) / f"{picture}.png"), np.full([20, 20, 3], 40 * person + picture, np.uint8))
    config = small_run(tmp_path / "run", source=SourceConfig(f"folder:{tmp_path}/faces"))
    with monkeypatch.context() as patch:
        ask_to_stop(patch, "on_train_batch_end", step=3)
        with pytest.raises(RunStopped):
            run(config)
    os.utime(tmp_path / "faces" / "2" / "3.png", (1, 1))
    with pytest.raises(InputError, match="was begun on other data: .* with fingerprint .*; give another directory, or --override"):
        run(config)
    assert run(config, override=True)["steps"] == 4


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_replicas(teacher, tmp_path, monkeypatch):
    """From one to two and back. The step of a momentum and of batch norms over the global batch; moving variances differ by N / (N - 1)."""
    distillation = DistillationConfig(teacher=teacher[0], alpha=1.0, beta=0.5)

    def config(name, strategy):
        return small_run(tmp_path / name, distillation=distillation, training={"strategy": strategy})

    whole, continued = config("whole", "one"), config("run", "one")
    run(whole)
    for strategy, step in (("one", 1), ("mirrored", 3)):
        with monkeypatch.context() as patch:
            ask_to_stop(patch, "on_train_batch_end", step)
            with pytest.raises(RunStopped, match=f"after step {step},"):
                run(config("run", strategy))
    run(continued)
    one, other = (load_network(config.model_dir, "model", image_size=16) for config in (whole, continued))
    for weight, other_weight in zip(one.weights, other.weights, strict=True):
        tolerance = {"rtol": 0.15, "atol": 1e-4} if "moving_variance" in weight.name else {"rtol": 1e-4, "atol": 1e-5}
        np.testing.assert_allclose(other_weight, weight, err_msg=weight.name, **tolerance)
