"""The same units of work on a Ray cluster: an actor with a model for each worker.

All machines see the batch's folders under the same paths. Needs the extra `ray`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bandmate_bridge.batch.plan import BatchPlan, Work
from bandmate_bridge.batch.pool import Done, do_work
from bandmate_bridge.batch.song import Outcome
from bandmate_server import open_model
from bandmate_server.errors import BandmateError, Cancelled

POLL_SECONDS = 0.5
KNOCK_SECONDS = 10.0
TRIES = 4  # of a unit of work whose node or worker was lost
LOST_STARTS = 20  # workers lost one after the other before they had done anything


def require_ray() -> None:
    """Make sure that Ray is there.

    Raises:
        BandmateError: saying how to install it.
    """
    if importlib.util.find_spec("ray") is None:
        raise BandmateError("--ray needs Ray, which is not installed: pip install 'bandmate[ray]'")


class SongActor:
    """A worker on the cluster; the model is loaded once."""

    def __init__(self, plan: BatchPlan):
        self._plan = plan
        self._model = open_model(plan.model, device=plan.device, threads=plan.threads)

    def warnings(self) -> list[str]:
        """Return what the model has to say."""
        return list(self._model.warnings)

    def run(self, work: Work, again: bool = False) -> Outcome:
        """Do one unit of work; `again` if a worker was lost that may have finished it."""
        plan = replace(self._plan, resume=self._plan.resume or again)
        outcome = do_work(plan, work, self._model, lambda share: None)
        if outcome.state == "skipped" and not self._plan.resume:
            outcome.state = "done"
        return outcome


def run_ray(
    plan: BatchPlan,
    works: dict[int, Work],
    address: str,
    jobs: int | None,
    done: Done,
    warn: Callable[[str], None],
    cancel: Callable[[], bool],
) -> int:
    """Do all works on a cluster and return how many workers it had at first.

    Args:
        plan: what to do; its paths are the same on all machines.
        works: by number.
        address: host:port, or auto.
        jobs: workers; None is as many as the cluster has room for.
        done: called with each outcome.
        warn: called with what the model has to say, once.
        cancel: true stops everything.

    Raises:
        BandmateError: there is no Ray, no cluster, or no room on it, or the model fails.
        Cancelled: `cancel` said so.
    """
    require_ray()
    import ray

    _check_reachable(address)
    with contextlib.redirect_stdout(sys.stderr):  # Ray prints what it has to say of lost nodes.
        try:
            ray.init(address=address, log_to_driver=False, configure_logging=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise BandmateError(f"no Ray cluster at {address}: {_line(error)}") from error
        try:
            return _ActorPool(ray, plan, works, done, warn).run(jobs, cancel)
        finally:
            ray.shutdown()


def _check_reachable(address: str) -> None:
    """Make sure that somebody answers there: Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal():
        return  # "auto", or a kind of address that Ray knows and we do not.
    try:
        socket.create_connection((host.rpartition("/")[2], int(port)), KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise BandmateError(f"no Ray cluster at {address}: {error}") from error


class _ActorPool:
    """The actors, what each is at, and what is left."""

    def __init__(
        self,
        ray: Any,
        plan: BatchPlan,
        works: dict[int, Work],
        done: Done,
        warn: Callable[[str], None],
    ):
        self._ray, self._works, self._done, self._warn = ray, works, done, warn
        self._waiting = deque(works)
        self._tries = dict.fromkeys(works, 0)
        self._at: dict[Any, tuple[Any, int | None]] = {}  # pending call -> (actor, work)
        self._lost = 0
        resources = ray.cluster_resources()
        gpus = resources.get("GPU", 0.0) if plan.device != "cpu" else 0.0
        needs = {"num_cpus": plan.threads, "num_gpus": 1 if gpus >= 1.0 else 0}
        room = resources.get("CPU", 0.0) // plan.threads
        self._room = int(min(room, gpus) if needs["num_gpus"] else room)
        actor = ray.remote(max_restarts=0, **needs)(SongActor)
        self._start_one: Callable[[], Any] = lambda: actor.remote(plan)
        self._threads = plan.threads

    def run(self, jobs: int | None, cancel: Callable[[], bool]) -> int:
        count = min(jobs or self._room, len(self._works))
        if self._room < 1:
            raise BandmateError(f"the cluster has no node with {self._threads} free processors")
        for _ in range(count):
            self._start()
        while self._at:
            if cancel():
                raise Cancelled("cancelled")
            ended, _ = self._ray.wait(list(self._at), timeout=POLL_SECONDS)
            for call in ended:
                self._hear(call)
        return count

    def _start(self) -> None:
        actor = self._start_one()
        self._at[actor.warnings.remote()] = (actor, None)

    def _hear(self, call: Any) -> None:
        actor, index = self._at.pop(call)
        try:
            answer = self._ray.get(call)
        except self._ray.exceptions.RayActorError as error:
            self._replace(index, error)
            return
        except self._ray.exceptions.RayTaskError as error:
            raise BandmateError(_line(error.cause or error)) from error
        self._lost = 0
        if index is None:
            for warning in answer:
                self._warn(warning)
        else:
            self._done(index, answer)
        if self._waiting:
            index = self._waiting.popleft()
            again = self._tries[index] > 0
            self._at[actor.run.remote(self._works[index], again)] = (actor, index)

    def _replace(self, index: int | None, error: Exception) -> None:
        """Give a lost worker's work to another, and start a worker in its place."""
        self._lost += 1
        if index is None and ("creation task" in str(error) or self._lost > LOST_STARTS):
            raise BandmateError(f"a worker could not start: {_line(error)}") from error
        if index is not None:
            self._tries[index] += 1
            if self._tries[index] < TRIES:
                self._waiting.appendleft(index)
            else:
                work = self._works[index]
                message = f"{work.song.path}: {TRIES} workers were lost at work on it"
                self._done(index, Outcome(str(work.song.path), work.take, "failed", message))
        if self._waiting:
            self._start()


def _line(error: BaseException) -> str:
    """Return the last line of an error's text: Ray's begin with a whole trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
