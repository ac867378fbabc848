"""One job in the worker: a snapshot of its input, the engine, the stems in place at once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bandmate_server.errors import OutputError
from bandmate_server.files import read_json, write_json
from bandmate_server.jobs import REQUEST, RESULT, STEMS
from bandmate_server.output import MANIFEST
from bandmate_server.progress import Cancel, Monitor, Progress
from bandmate_server.requests import JobRequest, separate_settings
from bandmate_server.session import Model
from bandmate_server.snapshot import OpenSound, take_snapshot
from bandmate_server.tasks import Result, separate_file
from bandmate_server.transfers import ServerFiles

WORK = "work"
INPUT = "input.wav"


@dataclass(frozen=True)
class Bench:
    """What a task works with.

    folder: the job's; `work` in it is for results that are being made.
    start: of the region, for what is reported of the stems.
    """

    model: Model
    request: JobRequest
    folder: Path
    files: ServerFiles
    progress: Progress
    cancel: Cancel

    @property
    def work(self) -> Path:
        """Where results are made."""
        return self.folder / WORK

    @property
    def takes(self) -> int:
        """How many takes are wanted."""
        return int(self.request.options.get("takes", 1))

    def share(self, take: int) -> Progress:
        """Return a progress callback for one take of several."""

        def report(stage: str, fraction: float) -> None:
            self.progress(stage, (take + fraction) / self.takes)

        return report


def run_job(
    model: Model, folder: Path, files: ServerFiles, progress: Progress, cancel: Cancel
) -> dict[str, Any]:
    """Do the job in a folder and return {"stems": [...], "manifest": path}.

    The stems appear by one rename, after result.json has been written: a job whose
    `stems` folder is there is done, whatever happened to the process.

    Args:
        model: open.
        folder: the job's.
        files: which may be read.
        progress: hears (stage, fraction).
        cancel: true stops the work.

    Raises:
        BandmateError: saying what went wrong.
        Cancelled: `cancel` said so.
    """
    request = JobRequest.from_json(read_json(folder / REQUEST))
    bench = Bench(model, request, folder, files, progress, cancel)
    try:
        shutil.rmtree(bench.work, ignore_errors=True)
        bench.work.mkdir()
        start, results = TASKS[request.task](bench)
        final, takes = _gather(bench, results)
        found = _describe(bench, takes, start)
        write_json(folder / RESULT, found)
        Monitor(None, cancel, {}).check()
        final.rename(folder / STEMS)
    except OSError as error:
        raise OutputError(f"cannot write the job's folder: {error}") from error
    finally:
        shutil.rmtree(bench.work, ignore_errors=True)
    return found


def _separate(bench: Bench) -> tuple[int, list[Result]]:
    arguments, spec = bench.request.arguments, bench.model.spec
    monitor = Monitor(bench.progress, bench.cancel, {"read": 1.0})
    with OpenSound(arguments["wav"], bench.files.open) as sound:
        copy = take_snapshot(
            sound,
            arguments["start"],
            arguments["frames"],
            spec,
            bench.folder / INPUT,
            monitor.check,
        )
    start, end = copy.seconds
    settings = separate_settings(bench.request.options)
    results = []
    for take in range(bench.takes):
        chosen = replace(settings, start=start, end=end, seed=settings.seed + take)
        out = bench.work / f"take-{take + 1}"
        results.append(
            separate_file(
                bench.model,
                copy.path,
                out,
                chosen,
                progress=bench.share(take),
                cancel=bench.cancel,
            )
        )
    return arguments["start"], results


TASKS: dict[str, Callable[[Bench], tuple[int, list[Result]]]] = {"separate": _separate}


def _gather(bench: Bench, results: list[Result]) -> tuple[Path, list[tuple[str, Result]]]:
    """Bring takes into one folder; return it, and each take with its place in there."""
    if len(results) == 1:
        return results[0].folder, [("", results[0])]
    final = bench.work / "takes"
    final.mkdir()
    takes = []
    for number, result in enumerate(results, 1):
        result.folder.rename(final / f"take-{number}")
        takes.append((f"take-{number}", result))
    manifests = [f"{place}/{MANIFEST}" for place, _ in takes]
    write_json(final / MANIFEST, {"task": bench.request.task, "takes": manifests})
    return final, takes


def _describe(bench: Bench, takes: list[tuple[str, Result]], start: int) -> dict[str, Any]:
    """Return result.json: every stem as it will lie in `stems`."""
    home = bench.folder / STEMS
    stems = []
    for number, (place, result) in enumerate(takes, 1):
        facts = {key: result.manifest[key] for key in ("frames", "rate", "channels")}
        for stem, file in result.stems.items():
            wav = str(home / place / file.name)
            stems.append({"stem": stem, "wav": wav, "take": number, "start": start, **facts})
    return {"stems": stems, "manifest": str(home / MANIFEST)}
