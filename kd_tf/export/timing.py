"""How long an exported model takes for one photograph, on this machine."""

import multiprocessing
import os
import platform
import re
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import tensorflow as tf

from kd_tf.evaluation.programs import open_program

WARM_UP, CALLS, SECONDS = 3, 20, 1.0


def milliseconds(paths: Sequence[str], image: np.ndarray, threads: int) -> list[float]:
    """The median time of each exported model for one image, in a process of its own: TensorFlow's threads are chosen once.

    Args:
      paths: see `open_program`.
      image: uint8 `[height, width, 3]`.
      threads: how many compute.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(_measure, list(paths), image, threads).result()


def machine() -> str:
    """Processor and cores."""
    model = platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            found = re.search(r"model name\s*:\s*(.*)", file.read())
        model = found[1] if found else model
    return f"{model}, {os.cpu_count()} cores, TensorFlow {tf.__version__}"


def _measure(paths: list[str], image: np.ndarray, threads: int) -> list[float]:
    # As TFLite and ONNX files do, all compute on the processor.
    tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    return [_median(path, image, threads) for path in paths]


def _median(path: str, image: np.ndarray, threads: int) -> float:
    program = open_program(path, threads)
    for _ in range(WARM_UP):
        program.answer_image(image)
    times: list[float] = []
    while len(times) < CALLS or sum(times) < SECONDS:
        begin = time.perf_counter()
        program.answer_image(image)
        times.append(time.perf_counter() - begin)
    return 1000 * float(np.median(times))
