"""Which batches a run trains on and is tested on, and what it is scored by: all that its data must allow."""

import dataclasses
import math

import numpy as np

from kd_tf.data.dataset import FaceData
from kd_tf.data.order import IdentityBatches, Order, epoch_order, identity_order
from kd_tf.data.source import require_labels
from kd_tf.data.split import Split
from kd_tf.errors import InputError
from kd_tf.evaluation.score import TASK_PROTOCOLS
from kd_tf.training.config import RunConfig, TrainingConfig, flag_text

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
      tests: whether the test split has what the loss reads, so that it is scored on the way too.
      protocols: what the trained network is scored by.
    """

    order: Order
    batch_size: int
    steps: int
    test_order: Order | None
    test_batch_size: int
    tests: bool
    protocols: tuple[str, ...]


def plan_batches(config: RunConfig, data: FaceData, replicas: int) -> BatchPlan:
    """Plans a run over data that was opened.

    Raises:
      InputError: the data lacks the identities that batches or scores need, or a batch does not divide among the replicas.
    """
    if config.reads_labels or config.task == "verification":
        require_labels(data.train.source, f"--task={config.task}")
    training = config.training
    protocols = _protocols(config.task, data.test)
    if config.task == "verification":
        batches = IdentityBatches(training.identities_per_batch, training.images_per_identity)
        order, batch_size = identity_order(data.train.identities, batches, seed=training.seed), batches.batch_size
        test_order, test_batch_size = _test_order(training, data.test, replicas)
    else:
        order, batch_size = epoch_order(len(data.train), seed=training.seed), training.batch_size
        test_order, test_batch_size = None, _without_empty_parts(training.batch_size, len(data.test), replicas)
    if batch_size % replicas:
        raise InputError(f"a batch of {batch_size} images does not divide among the {replicas} replicas of --strategy={training.strategy}")
    steps = training.steps or max(1, round(training.epochs * len(data.train) / batch_size))
    if training.profile_steps and training.profile_steps[1] > steps:
        raise InputError(f"--profile_steps={flag_text(training.profile_steps)} ends after the {steps} steps of this run")
    tests = not (config.reads_labels and data.test.has_strangers)
    return BatchPlan(order, batch_size, steps, test_order, test_batch_size, tests, protocols)


def _test_order(training: TrainingConfig, split: Split, replicas: int) -> tuple[Order | None, int]:
    """Pairs of as many identities as a training batch has, or as there are, and as divide among the replicas; ascending order where no
    two identities have pairs.
    """
    multiple = replicas // math.gcd(replicas, TEST_IMAGES_PER_IDENTITY)
    identities = min(training.identities_per_batch, _identities_with_pairs(split)) // multiple * multiple
    while identities > multiple and 0 < len(split) % (identities * TEST_IMAGES_PER_IDENTITY) < replicas:
        identities -= multiple
    if identities < 2:
        batch_size = -(-training.identities_per_batch // multiple) * multiple * TEST_IMAGES_PER_IDENTITY
        return None, _without_empty_parts(batch_size, len(split), replicas)
    batches = IdentityBatches(identities, TEST_IMAGES_PER_IDENTITY)
    return identity_order(split.identities, batches, seed=training.seed), batches.batch_size


def _without_empty_parts(batch_size: int, images: int, replicas: int) -> int:
    """A size of test batches, a little above the given one, whose last batch has an image for each replica where that can be."""
    while batch_size < images and 0 < images % batch_size < replicas:
        batch_size += replicas
    return batch_size


def _protocols(task: str, test_split: Split) -> tuple[str, ...]:
    """What the test split allows: retrieval needs pairs, the accuracy of a classifier people it knows."""
    has_pairs = test_split.source.labelled and _identities_with_pairs(test_split) > 0
    allowed = {"landmarks": True, "classification": not test_split.has_strangers, "retrieval": has_pairs}
    protocols = tuple(protocol for protocol in TASK_PROTOCOLS.get(task, ()) if allowed[protocol])
    if task == "verification" and not protocols:
        raise InputError(f"--task=verification is scored by retrieval, and none of the {len(test_split)} test images has a second one")
    if task == "classification" and not protocols:
        raise InputError(f"the {len(test_split)} test images are of people that are not trained on, and none of them has a second image")
    return protocols


def _identities_with_pairs(split: Split) -> int:
    return int(np.sum(np.bincount(split.identities) >= 2))
