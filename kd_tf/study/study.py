"""Runs the stages of a recipe, each into a run directory of its own, and tells what came out."""

import json
import logging
import os
import time

from kd_tf.data.dataset import FaceData, open_data, prepare_data
from kd_tf.evaluation.baselines import majority_baseline, mean_shape_baseline, pixel_baseline
from kd_tf.files import write_whole
from kd_tf.networks.face_network import NetworkConfig
from kd_tf.study.recipe import Recipe, Stage
from kd_tf.study.runs import check_runs, run_all
from kd_tf.study.table import results_table
from kd_tf.training.config import DistillationConfig, RunConfig, TrainingConfig, VerificationConfig

_LOGGER = logging.getLogger(__name__)
IMAGES_PER_IDENTITY = 4


def run_study(recipe: Recipe, directory: str, *, seed: int, precision: str, strategy: str) -> str:
    """Runs what is not finished yet.

    Args:
      recipe: the stages.
      directory: gets one run directory a stage, `images/` (the decoded data set), `baselines.json` and `tables/results.md`.
      seed: of weights, order and views, in every stage.
      precision: see `TrainingConfig`.
      strategy: likewise.

    Returns:
      The table of the results, Markdown.
    """
    begun = time.perf_counter()
    configs = {stage.name: _run_config(recipe, stage, directory, seed, precision, strategy) for stage in recipe.stages}
    check_runs(configs)
    baselines = _baselines(recipe, directory)
    metrics = run_all({f"{stage.name} ({stage.equation})": configs[stage.name] for stage in recipe.stages})
    table = results_table(dict(zip(configs, metrics.values(), strict=True)), baselines)
    os.makedirs(os.path.join(directory, "tables"), exist_ok=True)
    write_whole(os.path.join(directory, "tables", "results.md"), table)
    _LOGGER.info("%d stages in %.0f s", len(recipe.stages), time.perf_counter() - begun)
    return table


def _run_config(recipe: Recipe, stage: Stage, directory: str, seed: int, precision: str, strategy: str) -> RunConfig:
    def path(name: str | None) -> str | None:
        return os.path.join(directory, name) if name else None

    return RunConfig(
        task=stage.task,
        model_dir=path(stage.name),
        training=TrainingConfig(
            epochs=stage.epochs,
            batch_size=recipe.batch_size,
            identities_per_batch=recipe.batch_size // IMAGES_PER_IDENTITY,
            images_per_identity=IMAGES_PER_IDENTITY,
            optimizer=stage.optimizer,
            learning_rate=stage.learning_rate,
            weight_decay=recipe.weight_decay,
            precision=precision,
            strategy=strategy,
            seed=seed,
            evaluations=2,
        ),
        source=recipe.source,
        view=recipe.view,
        network=NetworkConfig(recipe.network, stage.width_divisor),
        distillation=DistillationConfig(teacher=path(stage.teacher), alpha=stage.alpha, beta=stage.beta),
        verification=VerificationConfig(identity_weight=stage.identity_weight),
        init=path(stage.init),
        image_cache=path("images"),
    )


def _baselines(recipe: Recipe, directory: str) -> dict[str, dict[str, float]]:
    path = os.path.join(directory, "baselines.json")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    data = prepare_data(open_data(recipe.source, recipe.view), os.path.join(directory, "images"))
    baselines = _measure_baselines(data)
    write_whole(path, json.dumps(baselines, indent=2) + "\n")
    return baselines


def _measure_baselines(data: FaceData) -> dict[str, dict[str, float]]:
    return {
        "majority": {"top1": majority_baseline(data.train, data.test)},
        "pixel nearest neighbour": pixel_baseline(data.train, data.test, data.view),
        "mean shape": mean_shape_baseline(data.train, data.test, data.view),
    }
