"""What a task of the worker works with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bandmate_server.jobs.allowed_files import ServerFiles
from bandmate_server.jobs.request import JobRequest
from bandmate_server.model.opening import AnyModel
from bandmate_server.options import TAKES
from bandmate_server.progress import Cancel, Monitor, Progress

WORK = "work"


@dataclass(frozen=True)
class JobContext:
    """What a task works with.

    folder: the job's; `work` in it is for results that are being made.
    files: which may be read.
    notes: what the user should know of the files that were read.
    """

    model: AnyModel
    request: JobRequest
    folder: Path
    files: ServerFiles
    progress: Progress
    cancel: Cancel
    notes: list[str] = field(default_factory=list)

    @property
    def work(self) -> Path:
        """Where results are made."""
        return self.folder / WORK

    @property
    def takes(self) -> int:
        """How many takes are wanted."""
        return int(self.request.options.get(TAKES.name, TAKES.default))

    @property
    def out(self) -> Path:
        """Where takes are written."""
        return self.work / "out"

    def check(self) -> None:
        """Raise Cancelled if the work should stop."""
        Monitor(None, self.cancel, {}).check()

    def share(self, take: int) -> Progress:
        """Return a progress callback for one take of several."""

        def report(stage: str, fraction: float) -> None:
            self.progress(stage, (take + fraction) / self.takes)

        return report
