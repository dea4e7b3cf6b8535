"""Jobs that write files instead of training."""

import dataclasses
import logging
import os
import signal
import sys
import time

from kd_tf.errors import InputError
from kd_tf.study.processes import run_jobs
from kd_tf.training.stop_signal import noticing_stop_signals


@dataclasses.dataclass(frozen=True)
class FakeJob:
    """Writes which process it was in, after `does`: nothing, `refuse`, `crash`, `die` or `wait` (until a signal comes, which it notes).

    Where `after` names a file it begins when that is there.
    """

    name: str
    path: str
    needs: tuple[str, ...] = ()
    does: str = ""
    after: str = ""

    @property
    def finished(self) -> bool:
        return os.path.exists(self.path)

    def run(self) -> None:
        logging.getLogger("kd_tf.fake").info("%s is at it", self.name)
        while self.after and not os.path.exists(self.after):
            time.sleep(0.05)
        if self.does == "refuse":
            raise InputError("--flag=1 must not be")
        if self.does == "crash":
            raise ZeroDivisionError("nothing to divide by")
        if self.does == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.does == "wait":
            self._wait()
            return
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(str(os.getpid()))

    def _wait(self) -> None:
        with noticing_stop_signals() as stop:
            with open(f"{self.path}.waits", "w", encoding="utf-8") as file:
                file.write(str(os.getpid()))
            while stop.number is None:
                time.sleep(0.05)
        with open(f"{self.path}.saved", "w", encoding="utf-8") as file:
            file.write(stop.name)


if __name__ == "__main__":
    jobs = {"long": FakeJob("long", sys.argv[1], does="wait")}
    run_jobs(jobs, 1)
