import os
import signal
import subprocess
import sys
import threading

import pytest

from kd_tf.training.stop_signal import noticing_stop_signals

TWICE = """
import os, signal, time
from kd_tf.training.stop_signal import noticing_stop_signals
with noticing_stop_signals() as stop:
    os.kill(os.getpid(), signal.{first})
    print(stop.name, flush=True)
    os.kill(os.getpid(), signal.{second})
    print("still here", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_noted_and_what_was_set_before_comes_back(number, capfd):
    before = signal.getsignal(number)
    with noticing_stop_signals() as stop:
        assert stop.number is None
        os.kill(os.getpid(), number)
        assert (stop.number, stop.name) == (number, number.name)
    assert signal.getsignal(number) is before
    assert capfd.readouterr().err == "stopping after this step; a second signal stops at once\n"


@pytest.mark.parametrize(("first", "second"), [("SIGINT", "SIGINT"), ("SIGTERM", "SIGINT"), ("SIGTERM", "SIGTERM")])
def test_a_second_one_ends_the_process(first, second):
    done = subprocess.run([sys.executable, "-c", TWICE.format(first=first, second=second)], capture_output=True, text=True)
    assert done.returncode == -signal.Signals[second]
    assert done.stdout == f"{first}\n"


def test_in_another_thread_signals_stay_as_they_are():
    found = []

    def look():
        with noticing_stop_signals() as stop:
            found.extend([signal.getsignal(signal.SIGTERM), stop.number])

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [before, None]
