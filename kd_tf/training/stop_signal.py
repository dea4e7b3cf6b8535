"""Signals that ask a run to stop: the first waits until it has saved its state, a second one does not."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_NOTE = b"stopping after this step; a second signal stops at once\n"


class StopSignal:
    """Which signal came, its number; None: none so far."""

    def __init__(self):
        self.number: int | None = None

    @property
    def name(self) -> str:
        """As `SIGTERM`."""
        return signal.Signals(self.number).name


@contextlib.contextmanager
def noticing_stop_signals() -> Iterator[StopSignal]:
    """Inside, SIGTERM and SIGINT are noted; a second one ends the process. In a thread other than the main one nothing changes."""
    noticed = StopSignal()
    if threading.current_thread() is not threading.main_thread():
        yield noticed
        return

    def note(number, _):
        noticed.number = number
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        os.write(2, _NOTE)

    before = {each: signal.signal(each, note) for each in _SIGNALS}
    try:
        yield noticed
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
