"""Jobs on disk: a folder each, written so that a killed server finds every one again."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bandmate_server.errors import RequestError
from bandmate_server.files import read_json, write_json
from bandmate_server.jobs.request import JobRequest

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
FINISHED = (DONE, FAILED, CANCELLED)
UNDELIVERED = ("due", "sent")  # mail that a DAW has yet to take
REQUEST, STATE, RESULT, LOG = "request.json", "state.json", "result.json", "log.jsonl"
STEMS = "stems"
INPUT, INPUTS = "input.wav", "inputs"  # copies of what the model was given: one file, or several

_logger = logging.getLogger(__name__)
_PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass
class Job:
    """A job's state, as state.json holds it.

    stems: of a done job: {"stem", "wav", "take", "start", "frames", "rate", "channels"} each,
        and "midi", where its notes are known.
    mail: of a job with a position: due, sent, imported, linked or "error: ..."; else None.
    spare: its audio has been imported and is about to be removed.
    created: ns since 1970, rising in the order of the queue; started, finished: seconds.
    runs: how often it was begun.
    """

    job: str
    req: str
    address: str
    created: int
    state: str = QUEUED
    stage: str = ""
    fraction: float = 0.0
    error: str | None = None
    stems: list[dict[str, Any]] = field(default_factory=list)
    manifest: str | None = None
    mail: str | None = None
    started: float | None = None
    finished: float | None = None
    runs: int = 0
    spare: bool = False

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in FINISHED

    def summary(self) -> dict[str, Any]:
        """Return the entry of a list of jobs."""
        names = ("job", "address", "state", "stage", "fraction", "error")
        return {name: getattr(self, name) for name in names}

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return asdict(self)


def job_id(request: str) -> str:
    """Return the job of a request id: the id itself if it can name a folder, else its hash.

    So the same request always means the same folder, whatever happens to the server.
    """
    if _PLAIN_ID.fullmatch(request):
        return request
    return "job-" + hashlib.sha256(request.encode()).hexdigest()[:32]


class JobStore:
    """The jobs in a folder.

    Args:
        folder: made if missing.

    Raises:
        OSError: if it cannot be written.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.jobs: dict[str, Job] = {}
        self._last_created = 0
        folder.mkdir(parents=True, exist_ok=True)

    def load(self) -> None:
        """Read all jobs; what was being made or removed when the server died is removed."""
        for path in self.folder.iterdir():
            if path.name.startswith("."):
                shutil.rmtree(path, ignore_errors=True)
            elif path.is_dir():
                try:
                    job = Job(**read_json(path / STATE))
                    self.request(job.job)
                except (OSError, ValueError, TypeError) as error:
                    _logger.error("a job's folder is damaged", extra={"job": path.name})
                    job = self._damaged(path, error)
                self.jobs[job.job] = job
        self.jobs = {job.job: job for job in sorted(self.jobs.values(), key=_age)}
        self._last_created = max((job.created for job in self.jobs.values()), default=0)

    def forget(self, before: float) -> None:
        """Remove jobs that ended before a time in seconds since 1970, but for undelivered ones."""
        for job in list(self.jobs.values()):
            ended = job.finished or job.created / 1e9
            if job.is_finished and job.mail not in UNDELIVERED and ended < before:
                hidden = self.folder / f".old-{job.job}"  # all at once, whatever happens
                try:
                    (self.folder / job.job).rename(hidden)
                except OSError as error:
                    _logger.error("cannot remove a job: %s", error, extra={"job": job.job})
                    continue
                shutil.rmtree(hidden, ignore_errors=True)
                del self.jobs[job.job]

    def drop_audio(self, job: Job) -> None:
        """Remove a job's audio, which somebody else has; its manifests and its state stay."""
        folder = self.folder / job.job
        try:
            shutil.rmtree(folder / INPUTS, ignore_errors=True)
            (folder / INPUT).unlink(missing_ok=True)
            for path in (folder / STEMS).rglob("*"):
                if path.is_file() and path.suffix != ".json":
                    path.unlink()
        except OSError as error:
            _logger.error("cannot remove a job's audio: %s", error, extra={"job": job.job})
        job.spare = False
        self.save(job)

    def find(self, request: JobRequest) -> Job | None:
        """Return the job that a request has started before, or None.

        Raises:
            RequestError: 409 if its id was used for another address, or other arguments.
        """
        job = self.jobs.get(job_id(request.req))
        if job is None:
            return None
        same = (job.req, job.address) == (request.req, request.address)
        if not same or self._differs(job, request):
            what = "other arguments of " if same else ""
            raise RequestError(
                409, f"request id {request.req!r} was used for {what}{job.address}: make a new one"
            )
        return job

    def _differs(self, job: Job, request: JobRequest) -> bool:
        """Whether a job was asked for with other arguments or options."""
        try:
            before = self.request(job.job)
        except (OSError, ValueError):
            return False  # It is damaged, and says so.
        now = json.loads(json.dumps([request.arguments, request.options]))
        return bool(now != [before.arguments, before.options])

    def waiting_files(self) -> set[str]:
        """Return the files that jobs name which have not ended."""
        names: set[str] = set()
        for job in self.jobs.values():
            if not job.is_finished:
                names.update(self.request(job.job).files)
        return names

    def create(self, request: JobRequest) -> Job:
        """Make a new job, whole or not at all.

        Raises:
            RequestError: 507 if it cannot be written.
        """
        self._last_created = max(time.time_ns(), self._last_created + 1)
        name = job_id(request.req)
        request = replace(request, created=self._last_created, job=name)
        job = Job(name, request.req, request.address, self._last_created)
        hidden = self.folder / f".new-{name}"
        try:
            shutil.rmtree(hidden, ignore_errors=True)
            hidden.mkdir()
            (hidden / REQUEST).write_text(json.dumps(request.to_json()), "utf-8")
            (hidden / STATE).write_text(json.dumps(job.to_json()), "utf-8")
            hidden.rename(self.folder / name)
        except OSError as error:
            shutil.rmtree(hidden, ignore_errors=True)
            raise RequestError(507, f"cannot keep the job: {error.strerror}") from error
        self.jobs[name] = job
        return job

    def save(self, job: Job) -> None:
        """Write a job's state; if that fails, it is logged and the job goes on."""
        try:
            write_json(self.folder / job.job / STATE, job.to_json())
        except OSError as error:
            _logger.error("cannot save a job's state: %s", error, extra={"job": job.job})

    def note(self, job: Job, event: str, **facts: Any) -> None:
        """Add a line to a job's log."""
        line = {"time": round(time.time(), 3), "event": event, **facts}
        try:
            with (self.folder / job.job / LOG).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            _logger.error("cannot write a job's log: %s", error, extra={"job": job.job})

    def request(self, name: str) -> JobRequest:
        """Read what a job was asked for.

        Raises:
            OSError: if it cannot be read.
            ValueError: if it is damaged.
        """
        return JobRequest.from_json(read_json(self.folder / name / REQUEST))

    def _damaged(self, path: Path, error: Exception) -> Job:
        """Return a failed job for a folder that makes no sense, so that its client gets an end."""
        try:
            request = self.request(path.name)
            req, address, created = request.req, request.address, request.created
        except (OSError, ValueError):
            req, address, created = path.name, "", 0
        job = Job(path.name, req, address, created, FAILED)
        job.error = f"the job's folder was damaged while the server was down: {error}"
        self.save(job)
        return job


def _age(job: Job) -> int:
    return job.created


def finished_result(folder: Path) -> dict[str, Any] | None:
    """Return what a job's worker left, {"stems", "manifest"}, or None before its end."""
    if not (folder / STEMS).is_dir():
        return None
    try:
        return read_json(folder / RESULT)
    except (OSError, ValueError):
        return None
