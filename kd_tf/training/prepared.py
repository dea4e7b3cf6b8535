"""What a run needs before it trains. What can be told without decoding an image is checked first."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from kd_tf.data.dataset import FaceData, open_data, prepare_data
from kd_tf.data.digest import data_digest
from kd_tf.data.pipeline import Share, evaluation_batches, training_batches
from kd_tf.distillers import Distiller
from kd_tf.teachers.cache.check import check_records
from kd_tf.training.batches import BatchPlan, plan_batches
from kd_tf.training.config import RunConfig
from kd_tf.training.optimizers import make_optimizer
from kd_tf.training.strategy import precision_policy, share_of
from kd_tf.training.student import make_distiller, open_cache
from kd_tf.training.workers import Worker


@dataclasses.dataclass(frozen=True, eq=False)
class PreparedRun:
    """All that a run needs to train.

    Attributes:
      data: what it reads.
      plan: which batches are made of it.
      distiller: compiled.
      strategy: where it computes.
      worker: which of the processes that train together this one is.
      start: what the student started from, in words.
      fingerprint: changes when what is read does.
    """

    data: FaceData
    plan: BatchPlan
    distiller: Distiller
    strategy: tf.distribute.Strategy
    worker: Worker
    start: str
    fingerprint: str

    @property
    def share(self) -> Share:
        """What this process reads of each batch."""
        return share_of(self.strategy, self.worker)

    def test_batches(self) -> tf.data.Dataset:
        """One pass over the test split, as it is scored on the way."""
        options = {"batch_size": self.plan.test_batch_size, "order": self.plan.test_order, "look_up": self.data.look_up}
        return evaluation_batches(self.data.test, self.data.view, share=self.share, **options)

    def training_batches(self, first: int, last: int) -> tf.data.Dataset:
        """Of the global steps from one to before another."""
        options = {"batch_size": self.plan.batch_size, "first_step": first, "steps": last, "look_up": self.data.look_up}
        return training_batches(self.data.train, self.plan.order, self.data.view, share=self.share, **options)


def prepare_run(config: RunConfig, strategy: tf.distribute.Strategy, worker: Worker) -> PreparedRun:
    """Opens the data, makes the networks and reads or decodes what is to be cached.

    Raises:
      InputError: bad input; nothing was written to the run directory.
    """
    replicas = strategy.num_replicas_in_sync
    cache, data = open_cache(config, open_run_data(config))
    # What the data must allow, before networks are made and images decoded.
    plan_batches(config, data, replicas)
    with precision_policy(config.training.precision), strategy.scope():
        distiller, start = make_distiller(config, data, cache, replicas=replicas)
    landmarks = data.train.source.landmarks
    data = prepare_data(data, config.image_cache, skip_broken=config.skip_broken)
    if cache:
        check_records(cache, data)
    plan = plan_batches(config, data, replicas)
    with precision_policy(config.training.precision), strategy.scope():
        distiller.compile(optimizer=make_optimizer(config.training, plan.steps))
    fingerprint = data_digest(data.train.source, data.train.records, data.test.records, landmarks)
    return PreparedRun(data, plan, distiller, strategy, worker, start, fingerprint)


def opening_once() -> Callable[[RunConfig], FaceData]:
    """`open_run_data` for many runs: what they share is listed and split once, whatever their seeds and numbers of views."""
    opened = {}

    def open_once(config: RunConfig) -> FaceData:
        seen = {"seed": config.view.seed, "views": config.view.views}
        key = (config.source, dataclasses.replace(config.view, seed=0, views=None), config.split, config.task == "alignment")
        if key not in opened:
            opened[key] = open_run_data(config)
        data = opened[key]
        return dataclasses.replace(data, view=dataclasses.replace(data.view, **seen))

    return open_once


def open_run_data(config: RunConfig) -> FaceData:
    """The data of a run, not yet prepared; for alignment only the records whose landmarks are known.

    Raises:
      InputError: see `open_data` and `Split.with_landmarks`.
    """
    data = open_data(config.source, config.view, config.split)
    return data.with_landmarks() if config.task == "alignment" else data
