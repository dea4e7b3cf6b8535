"""How far a long task is, said now and then."""

import logging
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

SECONDS_BETWEEN_LINES = 15
_LOGGER = logging.getLogger(__name__)
_Result = TypeVar("_Result")


def with_progress(results: Iterable[_Result], total: int, what: str) -> Iterator[_Result]:
    """The results; logs now and then how many of the total have come."""
    begun = shown = time.perf_counter()
    for done, result in enumerate(results, start=1):
        now = time.perf_counter()
        if now - shown > SECONDS_BETWEEN_LINES:
            shown = now
            _LOGGER.info("%d of %d %s, %.0f s left", done, total, what, (now - begun) / done * (total - done))
        yield result
