"""Which batches a run trains on and is tested on, and what it is scored by: all that its data must allow."""

import dataclasses

import numpy as np

from kd_tf.data.dataset import FaceData
from kd_tf.data.order import IdentityBatches, Order, epoch_order, identity_order
from kd_tf.data.split import Split
from kd_tf.errors import InputError
from kd_tf.evaluation.score import TASK_PROTOCOLS
from kd_tf.training.config import RunConfig, TrainingConfig

TEST_IMAGES_PER_IDENTITY = 2


@dataclasses.dataclass(frozen=True)
class BatchPlan:
    """What `plan_batches` found.

    Attributes:
      order: of the training records.
      batch_size: images a global step.
      steps: updates.
      test_order: of the test records while it trains; None: ascending.
      test_batch_size: images a test batch.
      protocols: what the trained network is scored by.
    """

    order: Order
    batch_size: int
    steps: int
    test_order: Order | None
    test_batch_size: int
    protocols: tuple[str, ...]


def plan_batches(config: RunConfig, data: FaceData, replicas: int) -> BatchPlan:
    """Plans a run over data that was opened.

    Raises:
      InputError: the data lacks the identities that batches or scores need, or a batch does not divide among the replicas.
    """
    training = config.training
    protocols = _protocols(config.task, data.test)
    if config.task == "verification":
        batches = IdentityBatches(training.identities_per_batch, training.images_per_identity)
        order, batch_size = identity_order(data.train.identities, batches, seed=training.seed), batches.batch_size
        test_order, test_batch_size = _test_order(training, data.test)
    else:
        order, batch_size = epoch_order(len(data.train), seed=training.seed), training.batch_size
        test_order, test_batch_size = None, training.batch_size
    if batch_size % replicas:
        raise InputError(f"a batch of {batch_size} images does not divide among the {replicas} replicas of --strategy={training.strategy}")
    steps = training.steps or max(1, round(training.epochs * len(data.train) / batch_size))
    return BatchPlan(order, batch_size, steps, test_order, test_batch_size, protocols)


def _test_order(training: TrainingConfig, split: Split) -> tuple[Order | None, int]:
    """Pairs of as many identities as a training batch has, or as there are; ascending order where no two identities have pairs."""
    identities = min(training.identities_per_batch, _identities_with_pairs(split))
    if identities < 2:
        return None, training.identities_per_batch * TEST_IMAGES_PER_IDENTITY
    batches = IdentityBatches(identities, TEST_IMAGES_PER_IDENTITY)
    return identity_order(split.identities, batches, seed=training.seed), batches.batch_size


def _protocols(task: str, test_split: Split) -> tuple[str, ...]:
    """A classifier is scored by retrieval too where the test split has pairs; verification needs them."""
    has_pairs = _identities_with_pairs(test_split) > 0
    if task == "verification" and not has_pairs:
        raise InputError(f"--task=verification is scored by retrieval, and none of the {len(test_split)} test images has a second one")
    return tuple(protocol for protocol in TASK_PROTOCOLS[task] if protocol != "retrieval" or has_pairs)


def _identities_with_pairs(split: Split) -> int:
    return int(np.sum(np.bincount(split.identities) >= 2))
