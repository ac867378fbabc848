"""Worker processes on this machine: each with a model of its own, replaced when one dies."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from bandmate_bridge.batch.lock import shared_lock
from bandmate_bridge.batch.plan import BatchPlan, Work
from bandmate_bridge.batch.song import Outcome, run_work
from bandmate_bridge.terminal.exit_words import exit_words
from bandmate_server import open_model
from bandmate_server.errors import BandmateError, Cancelled

POLL_SECONDS = 0.2
REPORT_SECONDS = 0.2  # between two reports of progress within a song

Done = Callable[[int, Outcome], None]
Part = Callable[[int, float], None]

logger = logging.getLogger(__name__)


def run_pool(
    plan: BatchPlan,
    works: dict[int, Work],
    jobs: int,
    done: Done,
    part: Part,
    warn: Callable[[str], None],
    cancel: Callable[[], bool],
) -> None:
    """Do all works with as many processes as `jobs`.

    Args:
        plan: what to do.
        works: by number, begun in this order.
        jobs: processes.
        done: called with each outcome.
        part: called with the share done of a work.
        warn: called with what the model has to say, once.
        cancel: true stops everything.

    Raises:
        Cancelled: `cancel` said so; no worker is left.
        BandmateError: the model cannot be used.
    """
    pool = _Pool(plan, works, done, part, warn)
    try:
        pool.run(min(jobs, len(works)), cancel)
    finally:
        pool.stop()


class _Worker:
    """A process, and the number of the work that it is at; None before it is ready."""

    def __init__(self, plan: BatchPlan):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(target=_serve, args=(theirs, plan))
        self.process.start()
        theirs.close()
        self.ready = False
        self.at: int | None = None


class _Pool:
    def __init__(
        self,
        plan: BatchPlan,
        works: dict[int, Work],
        done: Done,
        part: Part,
        warn: Callable[[str], None],
    ):
        self._plan, self._works = plan, works
        self._waiting = deque(works)
        self._done, self._part, self._warn = done, part, warn
        self._workers: list[_Worker] = []
        self._warned: set[str] = set()

    def run(self, jobs: int, cancel: Callable[[], bool]) -> None:
        self._workers = [_Worker(self._plan) for _ in range(jobs)]
        while self._workers:
            if cancel():
                raise Cancelled("cancelled")
            found = wait([worker.connection for worker in self._workers], POLL_SECONDS)
            for worker in [worker for worker in self._workers if worker.connection in found]:
                self._hear(worker)

    def stop(self) -> None:
        """End every worker, in the middle of its work if need be."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.connection.close()
        self._workers.clear()

    def _hear(self, worker: _Worker) -> None:
        try:
            kind, value = worker.connection.recv()
        except (EOFError, OSError):
            self._lost(worker)
            return
        if kind == "part":
            assert worker.at is not None
            self._part(worker.at, value)
        elif kind == "broken":
            raise BandmateError(value)
        else:
            if kind == "ready":
                worker.ready = True
                for warning in set(value) - self._warned:
                    self._warn(warning)
                self._warned |= set(value)
            else:
                assert worker.at is not None
                self._done(worker.at, value)
            self._give(worker)

    def _give(self, worker: _Worker) -> None:
        """Hand out the next work, or end the worker."""
        if not self._waiting:
            worker.connection.close()
            worker.process.join()
            self._workers.remove(worker)
            return
        worker.at = self._waiting.popleft()
        worker.connection.send(self._works[worker.at])

    def _lost(self, worker: _Worker) -> None:
        """Say that the work has failed with its process, and start another."""
        worker.process.join()
        how = exit_words(worker.process.exitcode)
        self._workers.remove(worker)
        worker.connection.close()
        if not worker.ready or worker.at is None:
            raise BandmateError(f"a worker process ended before it was ready ({how})")
        work = self._works[worker.at]
        error = f"{work.song.path}: the process at work on it ended ({how}); out of memory?"
        self._done(worker.at, Outcome(str(work.song.path), work.take, "failed", error))
        if self._waiting:
            self._workers.append(_Worker(self._plan))


def _serve(connection: Connection, plan: BatchPlan) -> None:
    """Do the works that come in, until no more come."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to handle.
    _end_with_parent()
    try:
        model = open_model(plan.model, device=plan.device, threads=plan.threads)
    except BandmateError as error:
        connection.send(("broken", str(error)))
        return
    with shared_lock(plan.out):
        connection.send(("ready", list(model.warnings)))
        while True:
            try:
                work: Work = connection.recv()
            except (EOFError, OSError):
                return
            connection.send(("done", do_work(plan, work, model, _reporter(connection))))


def do_work(plan: BatchPlan, work: Work, model: Any, advance: Callable[[float], None]) -> Outcome:
    """Do one unit of work; even an error of our own fails that unit only."""
    try:
        return run_work(plan, work, model, advance)
    except Exception as error:
        logger.exception("internal error with %s", work.song.path)
        message = f"{work.song.path}: internal error: {type(error).__name__}: {error}"
        return Outcome(str(work.song.path), work.take, "failed", message)


def _reporter(connection: Connection) -> Callable[[float], None]:
    last = time.monotonic()

    def advance(share: float) -> None:
        nonlocal last
        if time.monotonic() - last >= REPORT_SECONDS:
            last = time.monotonic()
            connection.send(("part", share))

    return advance


def _end_with_parent() -> None:
    """End this process when its parent does, however that ends."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
