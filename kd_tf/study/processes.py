"""Jobs in processes of their own: several at once where there are devices for them, and a new process now and then, since TensorFlow does
not give back the memory of networks that are gone.
"""

import contextlib
import logging
import logging.handlers
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait

import tensorflow as tf

from kd_tf.errors import InputError, RunStopped
from kd_tf.study.jobs import Job
from kd_tf.training.stop_signal import StopSignal, noticing_stop_signals

JOBS_A_PROCESS = 12
_SECONDS = 1.0
_LOGGER = logging.getLogger(__name__)


def run_jobs(jobs: dict[str, Job], processes: int, finished: Callable[[], None] = lambda: None) -> None:
    """Runs what is not finished, each job after those that it needs.

    Args:
      jobs: by name; what a job needs comes before it.
      processes: how many work at once; each has its GPU, or its share of the cores.
      finished: called whenever a job was finished.

    Raises:
      InputError: of a job.
      RunStopped: by a signal, or a process died. Whatever is raised, jobs that ran are saved or continue from their last checkpoint.
    """
    waiting = {name: job for name, job in jobs.items() if not job.finished}
    total = len(waiting)
    if total < len(jobs):
        _LOGGER.info("%d of %d jobs were finished before", len(jobs) - total, len(jobs))
    workers = [_Worker(place, processes) for place in range(min(processes, total))]
    # A second signal ends the process at once, here too; jobs notice that it is gone.
    with noticing_stop_signals() as stop:
        try:
            while waiting or any(worker.job for worker in workers):
                for worker in workers:
                    name = None if worker.job else _next(waiting, workers)
                    if name:
                        _LOGGER.info("job %d of %d: %s", total - len(waiting) + 1, total, name)
                        worker.start(waiting.pop(name))
                news = _with_news([worker for worker in workers if worker.job])
                _check_not_stopped(stop)
                if sum(worker.ended() for worker in news):
                    finished()
        finally:
            for worker in workers:
                worker.stop()
            for worker in workers:
                worker.close()
        _check_not_stopped(stop)


def share_gpus() -> None:
    """Has this process take only what it needs of the GPUs, whose memory its jobs need; nothing where TensorFlow has begun already."""
    for device in tf.config.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(device, True)


def _check_not_stopped(stop: StopSignal) -> None:
    if stop.number:
        raise RunStopped(f"stopped by {stop.name}; the same command continues", 128 + stop.number)


def _next(waiting: dict[str, Job], workers: "list[_Worker]") -> str | None:
    """The first job whose needs are finished."""
    unfinished = waiting.keys() | {worker.job for worker in workers}
    return next((name for name, job in waiting.items() if not unfinished.intersection(job.needs)), None)


def _with_news(busy: "list[_Worker]") -> "list[_Worker]":
    ready = wait([worker.connection for worker in busy], _SECONDS)
    return [worker for worker in busy if worker.connection in ready]


class _Worker:
    """A process that does one job after the other.

    Args:
      place: of all at once, which.
      count: how many there are.

    Attributes:
      job: the name of the one that it does; None: none.
      connection: to its process, while it does one.
    """

    def __init__(self, place: int, count: int):
        self.job: str | None = None
        self.connection: Connection | None = None
        self._place, self._count = place, count
        self._process: multiprocessing.process.BaseProcess | None = None
        self._jobs = 0

    def start(self, job: Job) -> None:
        """Begins a job."""
        if self._jobs == JOBS_A_PROCESS:
            self.close()
        if self._process is None:
            spawn = multiprocessing.get_context("spawn")
            self.connection, theirs = spawn.Pipe()
            self._process = spawn.Process(target=_work, args=(theirs, self._place, self._count, os.getpid()), daemon=True)
            self._process.start()
            theirs.close()
            self._jobs = 0
        self._jobs += 1
        self.job = job.name
        # Whether its process has died, `ended` finds out.
        with contextlib.suppress(OSError):
            self.connection.send(job)

    def ended(self) -> bool:
        """Takes what its process says: logs it, raises it, or says whether the job is finished."""
        try:
            news = self.connection.recv()
        except (EOFError, OSError):
            job, self.job = self.job, None
            self._process.join()
            code = self._process.exitcode
            how = signal.Signals(-code).name if code < 0 else f"status {code}"
            raise RunStopped(f"{job}: its process ended with {how}; the same command continues") from None
        if isinstance(news, logging.LogRecord):
            if self._count > 1:
                news.msg = f"[{self.job}] {news.msg}"
            logging.getLogger(news.name).handle(news)
            return False
        self.job = None
        if news is not None:
            raise news
        return True

    def stop(self) -> None:
        """Has a job that runs save itself and end."""
        if self.job and self._process.is_alive():
            os.kill(self._process.pid, signal.SIGTERM)

    def close(self) -> None:
        """Ends the process, when its job has ended."""
        if self._process is None:
            return
        with contextlib.suppress(OSError, EOFError):
            while self.job:
                if not isinstance(self.connection.recv(), logging.LogRecord):
                    self.job = None
        self.connection.close()
        self._process.join()
        self._process = None


def _work(connection: Connection, place: int, count: int, parent: int) -> None:
    """What a process does."""
    # A signal from the terminal comes to all processes at once; this one is told by the study's.
    os.setsid()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _take_share(place, count)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logger = logging.getLogger("kd_tf")
    logger.setLevel(logging.INFO)
    study = _Study(connection)
    logger.addHandler(study)
    logger.propagate = False
    try:
        while True:
            study.tell(_outcome(connection.recv()))
    except (EOFError, OSError):
        # The study is gone, or wants no more.
        pass
    finally:
        # Threads that read images may keep the interpreter from ending.
        os._exit(0)


def _outcome(job: Job) -> Exception | None:
    """Does a job; why it did not come to its end, None where it did."""
    try:
        job.run()
    except (InputError, RunStopped) as error:
        return error
    except Exception as error:
        traceback.print_exc()
        return RunStopped(f"{job.name}: {type(error).__name__}: {error}")
    return None


def _take_share(place: int, count: int) -> None:
    share_gpus()
    if count == 1:
        return
    devices = tf.config.list_physical_devices("GPU")
    if devices:
        tf.config.set_visible_devices(devices[place], "GPU")
    threads = max(1, len(os.sched_getaffinity(0)) // count)
    tf.config.threading.set_intra_op_parallelism_threads(threads)


def _end_with(parent: int) -> None:
    """Whoever kills the study's process kills its jobs: they save themselves."""
    while os.getppid() == parent:
        time.sleep(_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


class _Study(logging.handlers.QueueHandler):
    """The study's process, which is told what is logged, and how jobs end; threads that read images log too."""

    def tell(self, message: logging.LogRecord | Exception | None) -> None:
        """Sends it in one piece."""
        with self.lock:
            self.queue.send(message)

    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):
            self.tell(record)
