"""The process that holds the model and does jobs, one after the other.

A process of its own, so that the server answers at once however busy NumPy is, and outlives
a crash of the engine. Orders come as JSON lines on stdin, messages go out as JSON lines on stdout:

    in   {"do": job id}   {"cancel": job id}
    out  {"event": "ready", "model", "provider", "warnings", "megabytes"}
         {"event": "unusable", "error"}
         {"event": "progress", "job", "stage", "fraction"}
         {"event": "done", "job", "stems", "manifest"}
         {"event": "failed", "job", "error"}   {"event": "cancelled", "job"}

When stdin ends, the server is gone, and so is this process, at once.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from bandmate_server.errors import BandmateError, Cancelled
from bandmate_server.options import Task
from bandmate_server.structured_log import start_logging

if TYPE_CHECKING:
    from bandmate_server.model.opening import AnyModel

PROGRESS_SECONDS = 0.1

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker is started with.

    model: of every task; None: for each the one that was chosen.
    local: whether the workdir's allow file counts too.
    """

    workdir: str
    allow: tuple[str, ...]
    model: str | None
    device: str
    threads: int | None
    verbose: bool
    local: bool

    def to_argument(self) -> str:
        """Return the settings as the process' one argument."""
        return json.dumps(asdict(self))

    @classmethod
    def from_argument(cls, text: str) -> WorkerSettings:
        """Rebuild from `to_argument`."""
        values = json.loads(text)
        return cls(**values | {"allow": tuple(values["allow"])})


class Worker:
    """Does jobs, with models that stay open.

    Args:
        settings: folders and model.
        out: where messages go.
    """

    def __init__(self, settings: WorkerSettings, out: TextIO):
        self._settings, self._out = settings, out
        self._jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._cancelled: set[str] = set()
        self._models: Any = None
        self._is_ready = False
        self._last = ("", "", 0.0)

    def listen(self, orders: TextIO) -> None:
        """Take orders until they end, then end the process."""
        for line in orders:
            order = json.loads(line)
            if "cancel" in order:
                self._cancelled.add(order["cancel"])
            else:
                self._jobs.put(order["do"])
        os._exit(0)  # Nothing half-done is under a final name, whatever the other thread does.

    def work(self) -> None:
        """Do jobs for ever."""
        with contextlib.suppress(BandmateError):
            self._open_model("separate")
        while True:
            self._do(self._jobs.get())

    def _do(self, job: str) -> None:
        """Do one job and say how it ended."""
        try:
            found = self._run(job)
            self._say("done", job=job, **found)
        except Cancelled:
            self._say("cancelled", job=job)
        except BandmateError as error:
            self._say("failed", job=job, error=str(error))
        except MemoryError:
            self._say("failed", job=job, error="not enough memory")
        except Exception as error:
            _logger.exception("a job failed by our own fault", extra={"job": job})
            kind = type(error).__name__
            self._say("failed", job=job, error=f"{kind}: {error} (see the server's log)")
        self._cancelled.discard(job)

    def _run(self, job: str) -> dict[str, Any]:
        from bandmate_server.jobs.allow_file import read_allow_file
        from bandmate_server.jobs.allowed_files import AllowedFolders, ServerFiles
        from bandmate_server.jobs.runner import read_request, run_job

        workdir = Path(self._settings.workdir)
        model = self._open_model(read_request(workdir / "jobs" / job).task)
        later = read_allow_file(workdir).roots if self._settings.local else ()
        allowed = AllowedFolders([workdir, *map(Path, self._settings.allow), *later])

        def progress(stage: str, fraction: float) -> None:
            self._progress(job, stage, fraction)

        return run_job(
            model,
            workdir / "jobs" / job,
            ServerFiles(workdir, allowed),
            progress,
            lambda: job in self._cancelled,
        )

    def _open_model(self, task: Task) -> Any:
        """Return the model of a task, opened on first use and after a failure.

        Raises:
            BandmateError: if it cannot be opened, or cannot do the task.
        """
        if self._models is None:
            from bandmate_server.jobs.held_models import HeldModels

            wanted = self._settings
            self._models = HeldModels(wanted.model, wanted.device, wanted.threads, self._ready)
        try:
            return self._models.model_of(task)
        except BandmateError as error:
            if not self._is_ready:
                self._say("unusable", error=str(error))
            raise

    def _ready(self, model: AnyModel, names: str, megabytes: int | None) -> None:
        self._is_ready = True
        facts = {"warnings": list(model.warnings), "megabytes": megabytes}
        self._say("ready", model=names, provider=model.provider, **facts)

    def _progress(self, job: str, stage: str, fraction: float) -> None:
        before, now = self._last, time.monotonic()
        if (job, stage) == before[:2] and now - before[2] < PROGRESS_SECONDS:
            return
        self._last = (job, stage, now)
        self._say("progress", job=job, stage=stage, fraction=fraction)

    def _say(self, event: str, **facts: Any) -> None:
        self._out.write(json.dumps({"event": event, **facts}) + "\n")
        self._out.flush()


def main() -> None:
    """Run a worker until its stdin ends."""
    # What libraries print must not get between our messages.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Ctrl-C reaches the whole group; the server decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings = WorkerSettings.from_argument(sys.argv[1])
    start_logging(settings.verbose)
    worker = Worker(settings, out)
    threading.Thread(target=worker.listen, args=[sys.stdin], daemon=True).start()
    worker.work()


if __name__ == "__main__":
    main()
