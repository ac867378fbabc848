"""What became of a batch: report.json, a table, and progress."""

from __future__ import annotations

import datetime
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bandmate_bridge.batch.plan import BatchPlan, Work
from bandmate_bridge.batch.song import Outcome
from bandmate_server.files import write_json
from bandmate_server.progress import Progress, ignore_progress
from bandmate_server.version import bandmate_version

NAME = "report.json"
STATES = ("done", "skipped", "failed", "cancelled")


class BatchProgress:
    """Collects outcomes and tells the share of the work that is done.

    Args:
        works: all units, in order.
        progress: called with (what is at work, share done).
    """

    def __init__(self, works: list[Work], progress: Progress | None):
        self.outcomes: dict[int, Outcome] = {}
        self._works = works
        self._weights = [work.song.weight for work in works]
        self._parts: dict[int, float] = {}
        self._progress = progress or ignore_progress
        self._began, self._started = time.perf_counter(), datetime.datetime.now(datetime.UTC)

    def done(self, index: int, outcome: Outcome) -> None:
        """Take an outcome."""
        self.outcomes[index] = outcome
        self.part(index, 1.0)

    def part(self, index: int, share: float) -> None:
        """Take the share done of a unit."""
        self._parts[index] = share
        total = sum(self._weights[index] * share for index, share in self._parts.items())
        ended = f"{len(self.outcomes)}/{len(self._works)}"
        self._progress(ended, total / max(sum(self._weights), 1.0))

    def report(self, plan: BatchPlan, model: dict[str, Any], jobs: int) -> dict[str, Any]:
        """Return the whole report as JSON values; what has no outcome was cancelled."""
        files = []
        for index, work in enumerate(self._works):
            cancelled = Outcome(str(work.song.path), work.take, "cancelled")
            files.append(asdict(self.outcomes.get(index, cancelled)))
        counts = Counter(file["state"] for file in files)
        seconds = time.perf_counter() - self._began
        audio = sum(file["seconds"] for file in files if file["state"] == "done")
        return {
            "version": bandmate_version(),
            "started": self._started.isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
            "audio_seconds": round(audio, 3),
            "realtime_factor": round(seconds / audio, 5) if audio else None,
            "jobs": jobs,
            "model": model,
            "settings": asdict(plan.settings),
            "counts": {state: counts[state] for state in STATES},
            "files": files,
        }


def write_report(report: dict[str, Any], out: Path) -> Path:
    """Write report.json, whole or not at all, and return its path."""
    write_json(out / NAME, report, indent=2, durable=True)
    return out / NAME


def table(report: dict[str, Any]) -> list[str]:
    """Return the summary's lines."""
    lines = [f"{'state':<10}{'songs':>7}{'audio':>12}"]
    for state, count in report["counts"].items():
        if count:
            audio = sum(file["seconds"] for file in report["files"] if file["state"] == state)
            lines.append(f"{state:<10}{count:>7}{_clock(audio):>12}")
    speed = ""
    if report["realtime_factor"]:
        speed = f", {1.0 / report['realtime_factor']:.1f} times real time"
    jobs = f"{report['jobs']} worker{'s' if report['jobs'] != 1 else ''}"
    return [*lines, f"in {_clock(report['seconds'])} with {jobs}{speed}"]


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"
