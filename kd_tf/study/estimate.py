"""How long the jobs of a study will take on this machine, from a few steps of each of its networks."""

import dataclasses
import functools
import time

import numpy as np
import tensorflow as tf

from kd_tf.networks.face_network import NetworkConfig, make_face_network
from kd_tf.study.jobs import CacheJob, Job, RunJob
from kd_tf.training.ledger import median_seconds
from kd_tf.training.prepared import opening_once
from kd_tf.training.strategy import precision_policy

# Large enough to tell the speed of a step, small enough for the widest network on a CPU.
_IMAGES = {"small": 64, "large": 8}
_LARGE_IMAGE = 112
_IDENTITIES = 100
# To open data and networks, to save and to export.
_SECONDS_A_JOB = 6.0


@dataclasses.dataclass(frozen=True)
class Speed:
    """Of a network: seconds an image, and seconds until the first step is made."""

    training: float
    inference: float
    start: float


class Estimator:
    """Seconds that jobs will take; each network is timed once.

    Args:
      jobs: of a study, by name.
    """

    def __init__(self, jobs: dict[str, Job]):
        self._jobs = jobs
        self._open_data = opening_once()

    def seconds(self, name: str) -> float:
        """Of a job from its beginning."""
        job = self._jobs[name]
        if isinstance(job, RunJob):
            return self._run_seconds(job)
        return self._cache_seconds(job) if isinstance(job, CacheJob) else _SECONDS_A_JOB

    def _run_seconds(self, job: RunJob) -> float:
        config = job.config
        speed = _measure(config.network, config.view.image_size, config.training.precision)
        images = config.training.epochs * self._training_images(job)
        teacher = 0.0
        if config.distillation.teacher:
            teacher = _measure(self._network_at(config.distillation.teacher), config.view.image_size, config.training.precision).inference
        return _SECONDS_A_JOB + speed.start + images * (speed.training + teacher)

    def _cache_seconds(self, job: CacheJob) -> float:
        student = next(each for each in self._jobs.values() if job.name in each.needs)
        images = job.config.view.views * self._training_images(student)
        speed = _measure(self._network_at(job.config.teacher), job.config.view.image_size, job.config.precision)
        return _SECONDS_A_JOB + images * speed.inference

    def _network_at(self, path: str) -> NetworkConfig:
        """Of the run that lies there or will."""
        return next(job.config.network for job in self._jobs.values() if isinstance(job, RunJob) and job.path == path)

    def _training_images(self, job: RunJob) -> int:
        return len(self._open_data(job.config).train)


@functools.cache
def _measure(network: NetworkConfig, image_size: int, precision: str) -> Speed:
    begun = time.perf_counter()
    with precision_policy(precision):
        model = make_face_network(network, image_size=image_size, identities=_IDENTITIES)
    count = _IMAGES["large" if image_size >= _LARGE_IMAGE else "small"]
    images = tf.constant(np.random.default_rng(0).uniform(0, 255, [count, image_size, image_size, 3]), tf.float32)

    @tf.function
    def train():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(images, training=True)["logits"]))
        return tf.add_n([tf.reduce_sum(gradient) for gradient in tape.gradient(loss, model.trainable_variables)])

    @tf.function
    def infer():
        return tf.reduce_sum(model(images, training=False)["hidden"])

    train().numpy()
    start = time.perf_counter() - begun
    return Speed(median_seconds(train) / count, median_seconds(infer) / count, start)
