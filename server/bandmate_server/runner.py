"""One job in the worker: a snapshot of its input, the engine, the stems in place at once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bandmate_server.bench import Bench
from bandmate_server.errors import OutputError
from bandmate_server.files import read_json, write_json
from bandmate_server.jobs import INPUT, REQUEST, RESULT, STEMS
from bandmate_server.options import CHANNELS, RATE
from bandmate_server.output import MANIFEST
from bandmate_server.part_files import add_files, fill_file, generate_files, vary_file
from bandmate_server.progress import Cancel, Progress
from bandmate_server.regions import requested_region
from bandmate_server.requests import JobRequest
from bandmate_server.session import Model
from bandmate_server.session_copy import SessionCopy, copy_session, crop
from bandmate_server.settings import part_settings, separate_settings, take_seeds
from bandmate_server.snapshot import OpenSound, copy_sound, plan_span
from bandmate_server.tasks import Result, add_warnings, separate_file
from bandmate_server.transfers import ServerFiles


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
        results = [add_warnings(result, bench.notes) for result in results]
        final, takes = _gather(bench, results)
        found = _describe(bench, takes, start)
        write_json(folder / RESULT, found)
        bench.check()
        final.rename(folder / STEMS)
    except OSError as error:
        raise OutputError(f"cannot write the job's folder: {error}") from error
    finally:
        shutil.rmtree(bench.work, ignore_errors=True)
    return found


def _separate(bench: Bench) -> tuple[int, list[Result]]:
    arguments = bench.request.arguments
    copy = bench.folder / INPUT
    with OpenSound(arguments["wav"], bench.files.open, bench.folder, bench.check) as sound:
        bench.notes.extend(sound.notes)
        asked = requested_region(bench.request, sound.name, sound.rate, sound.frames)
        span = plan_span(asked, sound.rate, sound.frames, bench.model.spec)
        copy_sound(sound, span, copy, bench.check)
    start, end = span.seconds
    settings = separate_settings(bench.request.options)
    results = []
    for take, seed in enumerate(take_seeds(settings.seed, bench.takes)):
        chosen = replace(settings, start=start, end=end, seed=seed)
        out = bench.work / f"take-{take + 1}"
        report, cancel = bench.share(take), bench.cancel
        results.append(
            separate_file(bench.model, copy, out, chosen, progress=report, cancel=cancel)
        )
    return span.start, results


def _add(bench: Bench) -> tuple[int, list[Result]]:
    session = copy_session(bench)
    stems = bench.request.arguments["stems"]
    return session.span.start, add_files(
        bench.model,
        stems,
        session.given,
        bench.out,
        session.settings,
        **_beside(bench, session),
    )


def _fill(bench: Bench) -> tuple[int, list[Result]]:
    session = copy_session(bench)
    results = fill_file(
        bench.model,
        bench.request.arguments["stem"],
        session.given,
        bench.out,
        session.settings,
        **_beside(bench, session),
    )
    return session.span.start, [crop(result, session.span) for result in results]


def _vary(bench: Bench) -> tuple[int, list[Result]]:
    session = copy_session(bench)
    arguments = bench.request.arguments
    return session.span.start, vary_file(
        bench.model,
        arguments["stem"],
        arguments["strength"],
        session.given,
        bench.out,
        session.settings,
        **_beside(bench, session),
    )


def _beside(bench: Bench, session: SessionCopy) -> dict[str, Any]:
    """Return what all tasks on a session are given besides."""
    return {"backing": session.backing, "progress": bench.progress, "cancel": bench.cancel}


def _generate(bench: Bench) -> tuple[int, list[Result]]:
    options = bench.request.options
    shape = {name: options[name] for name in (RATE.name, CHANNELS.name) if name in options}
    return 0, generate_files(
        bench.model,
        bench.request.arguments["seconds"],
        bench.out,
        part_settings(options),
        stems=options.get("stems"),
        progress=bench.progress,
        cancel=bench.cancel,
        **shape,
    )


TASKS: dict[str, Callable[[Bench], tuple[int, list[Result]]]] = {
    "separate": _separate,
    "add": _add,
    "fill": _fill,
    "vary": _vary,
    "generate": _generate,
}


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
