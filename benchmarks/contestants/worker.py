"""What every contestant of compare_step.py has in common: its arguments, its batch, and how it talks with the one who compares.

Needs NumPy alone, since each contestant lives in an environment of its own.
"""

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable

import numpy as np

IMAGE_SIZE, TEACHER_WIDTH, TEMPERATURE = 112, 2048, 3.0
# Small enough that a batch that comes again and again is not learned by heart.
LEARNING_RATE, MOMENTUM = 0.001, 0.9


def parse_arguments() -> argparse.Namespace:
    """What to run: the contestant's name and the configuration."""
    parser = argparse.ArgumentParser()
    parser.add_argument("contestant")
    parser.add_argument("--width_divisor", type=int, default=8)
    parser.add_argument("--precision", choices=("float32", "mixed_bfloat16"), default="float32")
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--identities", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


def make_batch(batch_size: int, identities: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images `[batch, height, width, 3]`, 0 to 255, int32 identities `[batch]` and float16 teacher's K `[batch, 2048]`."""
    random = np.random.default_rng(0)
    images = random.uniform(0, 255, [batch_size, IMAGE_SIZE, IMAGE_SIZE, 3]).astype(np.float32)
    teacher_hidden = np.maximum(random.normal(size=[batch_size, TEACHER_WIDTH]), 0).astype(np.float16)
    return images, random.integers(0, identities, batch_size, np.int32), teacher_hidden


def serve(run: Callable[[int], object], description: dict) -> None:
    """Says what it is, then answers each line `go N` on standard input with the seconds of N steps and the peak memory, as JSON."""
    # Whatever a library prints goes to standard error.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    print(json.dumps(description), file=answers)
    for line in sys.stdin:
        begun = time.perf_counter()
        run(int(line.split()[1]))
        seconds = time.perf_counter() - begun
        print(json.dumps({"seconds": seconds, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), file=answers)
