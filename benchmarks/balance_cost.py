"""What it costs to measure the norm of every term's gradient at the student's hidden layer: the same step with and without, alternating.

    python benchmarks/balance_cost.py

Prints the median time of a step that is measured, of one that is not, and their ratio, for a classifier with three teacher's terms. A run
measures one step in `BALANCE_STEPS`.
"""

import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

from kd_tf.distillers import ClassificationDistiller, balance
from kd_tf.distillers.balance import BALANCE_STEPS, GradientBalance
from kd_tf.networks.face_network import NetworkConfig, make_face_network

IMAGE_SIZE, BATCH_SIZE, ROUNDS, STEPS = 32, 64, 20, 20


class _Unmeasured(GradientBalance):
    def update(self, *arguments, **options) -> None:
        """Does nothing."""


def make_distiller(identities: int, *, measures: bool) -> ClassificationDistiller:
    """A `resnet26` /8 under a /2 teacher, compiled."""
    student, teacher = (
        make_face_network(NetworkConfig("resnet26", divisor), image_size=IMAGE_SIZE, identities=identities) for divisor in (8, 2)
    )
    distiller = ClassificationDistiller(student, teacher, alpha=1.0, beta=1.0, logits_weight=0.1)
    if not measures:
        distiller._balance = _Unmeasured(())
    distiller.compile(optimizer=tf.keras.optimizers.SGD(0.001))
    return distiller


def timed_steps(distiller: ClassificationDistiller, data: tuple) -> Callable[[], float]:
    """A function that makes `STEPS` steps and gives the milliseconds of one."""
    step = tf.function(lambda: distiller.train_step(data)["loss"])

    def run() -> float:
        begun = time.perf_counter()
        for _ in range(STEPS):
            loss = step()
        loss.numpy()
        return 1000 * (time.perf_counter() - begun) / STEPS

    return run


def main() -> None:
    """Measures heads of two sizes."""
    images = tf.random.stateless_uniform([BATCH_SIZE, IMAGE_SIZE, IMAGE_SIZE, 3], [1, 2], maxval=255.0)
    data = (images, {"identity": tf.zeros([BATCH_SIZE], tf.int32)})
    run_measures_one_in, balance.BALANCE_STEPS = BALANCE_STEPS, 1
    for identities in (100, 10_000):
        measuring, plain = (timed_steps(make_distiller(identities, measures=measures), data) for measures in (True, False))
        measuring(), plain()
        rounds = []
        for number in range(ROUNDS):
            # Each goes first half of the time.
            order = (measuring, plain) if number % 2 else (plain, measuring)
            times = {run: run() for run in order}
            rounds.append((times[measuring], times[plain]))
        ratio = statistics.median(one / other for one, other in rounds)
        step, without = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(
            f"{identities} identities: {step:.1f} ms a step with, {without:.1f} ms without, median ratio {ratio:.3f}; "
            f"one in {run_measures_one_in}: {(ratio - 1) / run_measures_one_in:.2%} of a step"
        )


if __name__ == "__main__":
    main()
