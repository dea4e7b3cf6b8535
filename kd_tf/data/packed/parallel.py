"""Threads that work a few items ahead of who takes the results, in order."""

import collections
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

SECONDS_BETWEEN_LINES = 15
_AHEAD = 4
_LOGGER = logging.getLogger(__name__)


def in_order(function: Callable[[Any], Any], items: Iterable[Any], workers: int) -> Iterator[Any]:
    """`map(function, items)` in `workers` threads; only so many results are kept as the threads need to be busy."""
    waiting = collections.deque()
    with ThreadPoolExecutor(workers) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= _AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def with_progress(results: Iterable[Any], total: int, what: str) -> Iterator[Any]:
    """The results; logs now and then how many of the total have come."""
    begun = shown = time.perf_counter()
    for done, result in enumerate(results, start=1):
        now = time.perf_counter()
        if now - shown > SECONDS_BETWEEN_LINES:
            shown = now
            _LOGGER.info("%d of %d %s, %.0f s left", done, total, what, (now - begun) / done * (total - done))
        yield result
