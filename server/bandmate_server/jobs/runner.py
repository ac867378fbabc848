"""One job in the worker: a snapshot of its input, the engine, the stems in place at once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bandmate_server.errors import OutputError
from bandmate_server.files import read_json, write_json
from bandmate_server.jobs.allowed_files import ServerFiles
from bandmate_server.jobs.context import JobContext
from bandmate_server.jobs.request import JobRequest
from bandmate_server.jobs.session_copy import copy_session, crop
from bandmate_server.jobs.store import REQUEST, RESULT, STEMS
from bandmate_server.model.opening import AnyModel
from bandmate_server.options import PARTS
from bandmate_server.parts.files import write_part
from bandmate_server.parts.task import part_task
from bandmate_server.progress import Cancel, Progress
from bandmate_server.results.folder import MANIFEST, amended
from bandmate_server.results.result import Result
from bandmate_server.separation.api import separate_file
from bandmate_server.settings import PartSettings, SeparateSettings, take_seeds


def run_job(
    model: AnyModel, folder: Path, files: ServerFiles, progress: Progress, cancel: Cancel
) -> dict[str, Any]:
    """Do the job in a folder and return {"stems": [...], "manifest": path}.

    The stems appear by one rename, after result.json has been written: a job whose
    `stems` folder is there is done, whatever happened to the process.

    Args:
        model: open.
        folder: the job's.
        files: which may be read.
        progress: called with (stage, fraction).
        cancel: called often; when it returns true the work stops.

    Raises:
        BandmateError: saying what went wrong.
        Cancelled: `cancel` said so.
    """
    request = read_request(folder)
    context = JobContext(model, request, folder, files, progress, cancel)
    try:
        shutil.rmtree(context.work, ignore_errors=True)
        context.work.mkdir()
        start, results = TASKS[request.task](context)
        for index, result in enumerate(results if context.notes else []):
            warnings = [*result.manifest["warnings"], *context.notes]
            results[index] = amended(result, {"warnings": warnings})
        final, takes = _gather(context, results)
        found = _describe(context, takes, start)
        write_json(folder / RESULT, found)
        context.check()
        final.rename(folder / STEMS)
    except OSError as error:
        raise OutputError(f"cannot write the job's folder: {error}") from error
    finally:
        shutil.rmtree(context.work, ignore_errors=True)
    return found


def read_request(folder: Path) -> JobRequest:
    """Return what the job in a folder was asked for."""
    return JobRequest.from_json(read_json(folder / REQUEST))


def _separate(context: JobContext) -> tuple[int, list[Result]]:
    session, results = copy_session(context), []
    (copy,), (start, end) = session.given.values(), session.seconds
    settings = SeparateSettings.of(context.request.options)
    for take, seed in enumerate(take_seeds(settings.seed, context.takes)):
        chosen = replace(settings, start=start, end=end, seed=seed)
        out = context.work / f"take-{take + 1}"
        report, cancel = context.share(take), context.cancel
        results.append(
            separate_file(context.model, copy, out, settings=chosen, progress=report, cancel=cancel)
        )
    return session.start, results


def _part(context: JobContext) -> tuple[int, list[Result]]:
    request, session = context.request, copy_session(context)
    start, end = session.seconds
    results = write_part(
        context.model,
        part_task(request.task, request.arguments | request.options),
        session.given,
        context.out,
        settings=replace(PartSettings.of(request.options), start=start, end=end),
        progress=context.progress,
        cancel=context.cancel,
    )
    return session.start, [crop(result, session.span) for result in results]


TASKS: dict[str, Callable[[JobContext], tuple[int, list[Result]]]] = {
    "separate": _separate,
    **dict.fromkeys(PARTS, _part),
}


def _gather(context: JobContext, results: list[Result]) -> tuple[Path, list[tuple[str, Result]]]:
    """Bring takes into one folder; return it, and each take with its place in there."""
    if len(results) == 1:
        return results[0].folder, [("", results[0])]
    final = context.work / "takes"
    final.mkdir()
    takes = []
    for number, result in enumerate(results, 1):
        result.folder.rename(final / f"take-{number}")
        takes.append((f"take-{number}", result))
    manifests = [f"{place}/{MANIFEST}" for place, _ in takes]
    write_json(final / MANIFEST, {"task": context.request.task, "takes": manifests})
    return final, takes


def _describe(context: JobContext, takes: list[tuple[str, Result]], start: int) -> dict[str, Any]:
    """Return result.json: every stem as it will lie in `stems`."""
    home = context.folder / STEMS
    stems = []
    for number, (place, result) in enumerate(takes, 1):
        facts = {key: result.manifest[key] for key in ("frames", "rate", "channels")}
        for stem, file in result.stems.items():
            entry = {"stem": stem, "wav": str(home / place / file.name), "take": number}
            if stem in result.midi:
                entry["midi"] = str(home / place / result.midi[stem].name)
            stems.append(entry | {"start": start, **facts})
    return {"stems": stems, "manifest": str(home / MANIFEST)}
