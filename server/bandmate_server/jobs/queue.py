"""The queue: first in, first out, one job at a time on each worker, nothing twice."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bandmate_server.errors import RequestError
from bandmate_server.jobs import mailbox
from bandmate_server.jobs.request import JobRequest, Mail
from bandmate_server.jobs.store import (
    CANCELLED,
    DONE,
    FAILED,
    FINISHED,
    QUEUED,
    RUNNING,
    Job,
    JobStore,
    finished_result,
)
from bandmate_server.jobs.worker_process import WorkerProcess

MAX_QUEUED = 1_000
PROGRESS_SECONDS = 0.3  # between two progress events of a running job, at most
STOP_SECONDS = 10.0  # that a cancelled job may take to stop
SAVE_SECONDS = 0.3
SPARE_SECONDS = 3.0  # that imported audio stays
FAILED_CODE = 500

_logger = logging.getLogger(__name__)

Announce = Callable[..., None]  # (job id, address, types, *values)


class JobQueue:
    """Brings jobs from the store to workers and their results to whoever waits.

    Args:
        store: of the jobs; loaded.
        inbox: the mailbox.
        announce: sends an event of a job.
    """

    def __init__(self, store: JobStore, inbox: Path, announce: Announce):
        self._store, self._inbox, self._announce = store, inbox, announce
        self._waiting: deque[str] = deque()
        self._mailed: set[str] = set()
        self._spare: dict[str, float] = {}  # job -> when its audio was imported
        self._workers: list[WorkerProcess] = []
        self._told: dict[str, float] = {}  # job -> when progress was last announced
        self._saved: dict[str, float] = {}
        self._asked_to_stop: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    def recover(self) -> None:
        """Take up the jobs of a server before: finished ones stay, the others run (again)."""
        for job in self._store.jobs.values():
            if job.state in (QUEUED, RUNNING):
                found = finished_result(self._store.folder / job.job)
                if found is not None:
                    # It died between the last stem and saying so.
                    self._finish(job, DONE, **found)
                else:
                    job.state, job.stage, job.fraction = QUEUED, "", 0.0
                    self._store.save(job)
                    self._waiting.append(job.job)
            if job.mail == "due":
                self._deliver(job)
            if job.mail == "sent":
                self._mailed.add(job.job)
            if job.spare:
                self._spare[job.job] = time.monotonic()

    @property
    def is_busy(self) -> bool:
        """Whether jobs wait or run."""
        return bool(self._waiting) or any(worker.job is not None for worker in self._workers)

    def start_workers(self, workers: list[WorkerProcess]) -> None:
        """Give the queue its workers; they start at once, to have the model warm."""
        self._workers = workers
        for worker in workers:
            self._in_background(worker.start())
        self._assign()

    def submit(self, request: JobRequest) -> Job:
        """Queue a new job.

        Raises:
            RequestError: if too many wait, or it cannot be kept.
        """
        if len(self._waiting) >= MAX_QUEUED:
            raise RequestError(503, f"{MAX_QUEUED} jobs are waiting: try again later")
        job = self._store.create(request)
        self._store.note(job, "queued")
        mailbox.remove_failure(self._inbox, job.job)
        self._waiting.append(job.job)
        # Its first event must not come before the reply.
        asyncio.get_running_loop().call_soon(self._assign)
        return job

    def cancel(self, job: Job) -> None:
        """Stop a job: now if it waits, at its next step if it runs, not at all if it is over."""
        if job.job in self._asked_to_stop or job.state in FINISHED:
            return
        if job.state == QUEUED:
            self._waiting.remove(job.job)
            self._finish(job, CANCELLED, error="cancelled before it began")
            return
        self._asked_to_stop[job.job] = time.monotonic()
        for worker in self._workers:
            if worker.job == job.job:
                worker.cancel(job.job)

    def tick(self) -> None:
        """Keep listeners informed, stop what does not stop, look for the DAW's answers."""
        now = time.monotonic()
        for worker in self._workers:
            if worker.job is None:
                continue
            if now - self._told.get(worker.job, 0.0) >= PROGRESS_SECONDS:
                self._announce_progress(self._store.jobs[worker.job])
            if now - self._asked_to_stop.get(worker.job, now) > STOP_SECONDS:
                worker.kill()
        for name in list(self._mailed):
            answer = mailbox.read_answer(self._inbox, name)
            if answer is not None:
                job = self._store.jobs[name]
                job.mail, job.spare = answer, answer == "imported"
                if job.spare:
                    self._spare[name] = now
                self._store.save(job)
                self._store.note(job, "mail", answer=answer)
                self._mailed.discard(name)
                failed = answer.startswith("error")
                level = logging.WARNING if failed else logging.INFO
                _logger.log(level, "the DAW answered: %s", answer, extra={"job": name})
        self._drop_spare(now)

    def _drop_spare(self, now: float) -> None:
        """Remove audio that a DAW has imported, once others who follow its job had time to."""
        for name, since in list(self._spare.items()):
            if now - since > SPARE_SECONDS:
                del self._spare[name]
                self._store.drop_audio(self._store.jobs[name])

    async def stop(self) -> None:
        """End the workers; what they were at waits for the next server."""
        self._stopping = True
        await asyncio.gather(*(worker.stop() for worker in self._workers))
        for job in self._store.jobs.values():
            if job.state == RUNNING:
                job.state, job.stage, job.fraction = QUEUED, "", 0.0
                self._store.save(job)
                self._store.note(job, "put back")

    def on_event(self, worker: WorkerProcess, message: dict[str, Any]) -> None:
        """Take a worker's message."""
        event = message["event"]
        if event == "ready":
            taken = f", {message['megabytes']} MB in use" if message["megabytes"] else ""
            _logger.info("model %s on %s%s", message["model"], message["provider"], taken)
            for warning in message["warnings"]:
                _logger.warning(warning)
        elif event == "unusable":
            _logger.error("the model cannot be used: %s", message["error"])
        elif event == "gone":
            self._worker_gone(worker, message["status"])
        elif event == "progress":
            job = self._store.jobs[message["job"]]
            job.stage, job.fraction = message["stage"], max(job.fraction, message["fraction"])
            self._announce_progress(job)
        else:
            job, worker.job = self._store.jobs[message["job"]], None
            facts = {key: value for key, value in message.items() if key not in ("event", "job")}
            if event == "cancelled":
                facts["error"] = "cancelled"
            self._finish(job, event, **facts)
            self._assign()

    def _worker_gone(self, worker: WorkerProcess, status: int) -> None:
        name, worker.job = worker.job, None
        if self._stopping:
            return
        _logger.error("a worker ended with status %d", status, extra={"job": name})
        if name is not None:
            job = self._store.jobs[name]
            found = finished_result(self._store.folder / name)
            if found is not None:
                self._finish(job, DONE, **found)
            elif name in self._asked_to_stop:
                self._finish(job, CANCELLED, error="cancelled")
            else:
                why = f"the engine's process ended unexpectedly (status {status})"
                self._finish(job, FAILED, error=why)
        self._assign()

    def _assign(self) -> None:
        """Give waiting jobs to free workers, the oldest first."""
        for worker in self._workers:
            if not self._waiting:
                return
            if worker.job is None:
                job = self._store.jobs[self._waiting.popleft()]
                job.state, job.stage, job.fraction = RUNNING, "start", 0.0
                job.started, job.runs = time.time(), job.runs + 1
                self._store.save(job)
                self._store.note(job, "started", run=job.runs)
                self._announce_progress(job)
                worker.job = job.job
                self._in_background(self._begin(worker, job))

    async def _begin(self, worker: WorkerProcess, job: Job) -> None:
        try:
            await worker.do(job.job)
            if job.job in self._asked_to_stop:
                worker.cancel(job.job)
        except OSError as error:
            worker.job = None
            self._finish(job, FAILED, error=f"the engine's process cannot be started: {error}")

    def _in_background(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _announce_progress(self, job: Job) -> None:
        """Announce progress, and save it where a DAW without OSC can look."""
        now = time.monotonic()
        self._told[job.job] = now
        self._announce(job.job, "/bandmate/progress", "ssf", job.job, job.stage, job.fraction)
        if now - self._saved.get(job.job, 0.0) >= SAVE_SECONDS:
            self._saved[job.job] = now
            self._store.save(job)

    def _finish(
        self,
        job: Job,
        state: str,
        stems: list[dict[str, Any]] | None = None,
        manifest: str | None = None,
        error: str | None = None,
    ) -> None:
        """Record how a job ended, mail it if a DAW wants it, and announce it once."""
        job.state, job.error, job.finished = state, error, time.time()
        job.stems, job.manifest = stems or [], manifest
        if state == DONE:
            job.stage, job.fraction = "done", 1.0
        if self._wanted_mail(job) is not None:
            job.mail = "due"
        self._store.save(job)
        self._store.note(job, state, error=error)
        _logger.info("%s%s", state, f": {error}" if error else "", extra={"job": job.job})
        for memory in (self._told, self._saved, self._asked_to_stop):
            memory.pop(job.job, None)
        if job.mail == "due":
            self._deliver(job)
        self._announce_end(job)

    def _announce_end(self, job: Job) -> None:
        for stem in job.stems:
            facts = [stem[key] for key in ("stem", "wav", "start", "frames", "rate", "channels")]
            self._announce(job.job, "/bandmate/stem", "ssshhii", job.job, *facts)
        if job.state == FAILED:
            facts = [job.req, job.address, FAILED_CODE, job.error]
            self._announce(job.job, "/bandmate/error", "ssis", *facts)
        self._announce(job.job, "/bandmate/done", "sss", job.job, job.state, job.manifest or "")

    def _wanted_mail(self, job: Job) -> Mail | None:
        try:
            return self._store.request(job.job).mail
        except (OSError, ValueError):
            return None  # The folder was damaged or removed under way.

    def _deliver(self, job: Job) -> None:
        """Put a finished job's mail into the inbox, unless it was there before a crash."""
        mail = self._wanted_mail(job)
        try:
            if mail is not None and not mailbox.has_mail(self._inbox, job.job):
                if job.state == DONE:
                    mailbox.post_stems(self._inbox, job.job, mail, job.stems)
                else:
                    mailbox.post_failure(self._inbox, job.job, mail, job.error or job.state)
        except OSError as error:
            _logger.error("cannot write the mailbox: %s", error, extra={"job": job.job})
            return
        job.mail = "sent"
        self._store.save(job)
        if job.state == DONE:
            self._mailed.add(job.job)
