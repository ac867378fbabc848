"""`bandmate add`, `fill`, `vary` and `generate`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bandmate_bridge.arguments.parsing import UsageError
from bandmate_bridge.arguments.parts import PART_COMMANDS, read_subject
from bandmate_bridge.commands.separate import check_name
from bandmate_bridge.terminal.console import print_json, print_note, print_result, print_warning
from bandmate_bridge.terminal.interrupts import Interrupt
from bandmate_bridge.terminal.pipes import PipedInputs
from bandmate_bridge.terminal.progress_bar import progress_bar
from bandmate_server import open_model
from bandmate_server.errors import AudioError, SettingsError
from bandmate_server.model.bundle import read_spec
from bandmate_server.model.library.choice import check_task, model_for
from bandmate_server.option_arguments import given
from bandmate_server.options import options_of
from bandmate_server.parts.files import write_part
from bandmate_server.parts.task import PartTask, part_task
from bandmate_server.settings import PartSettings, check_region, check_wanted

if TYPE_CHECKING:
    from bandmate_server.model.opening import AnyModel
    from bandmate_server.results.result import Result


def run(options: argparse.Namespace, interrupt: Interrupt) -> int:
    """Make every take and return the exit status.

    Raises:
        UsageError: if the options make no sense together.
        BandmateError: if anything cannot be read, made or written.
        Cancelled: if the user stopped the work.
    """
    try:
        name = model_for(options.command, options.model)
        settings = _settings(options)
        task, files = _task(options, settings, name)
        for path in (*files.values(), options.out):
            check_name(path)
        model = open_model(name, device=options.device, threads=options.threads)
        for warning in model.warnings:
            print_warning(warning)
        with PipedInputs(options.out, print_note) as pipes:
            files = {name: pipes.file(path) for name, path in files.items()}
            results = _made(model, options, task, files, settings, interrupt)
    except SettingsError as error:
        raise UsageError(str(error)) from error
    except MemoryError as error:
        raise AudioError("not enough memory: choose a shorter region") from error
    _print_results(model, options, results)
    return 0


def _settings(options: argparse.Namespace) -> PartSettings:
    rows = options_of(options.command, "command").values()
    settings = PartSettings.of(given(options, rows, "settings"))
    check_region(settings.start, settings.end)
    return settings


def _task(
    options: argparse.Namespace, settings: PartSettings, model: str
) -> tuple[PartTask, dict[str, Path]]:
    """Return the task and the files that are given, checked before the model is opened.

    Raises:
        SettingsError: if the command makes no sense.
    """
    spec = read_spec(model)
    check_task(spec.name, spec, options.command)
    stems = spec.stems
    chosen, found = read_subject(options, stems)
    for role, paths in found.items():
        if len(paths) > 1:
            raise UsageError(f"{role} is given twice: {paths[0]} and {paths[1]}")
    task = part_task(options.command, chosen)
    check_wanted(task.wanted(stems), stems)
    task.check_given(found)
    task.check_settings(settings)
    return task, {role: path for role, (path,) in found.items()}


def _made(
    model: AnyModel,
    options: argparse.Namespace,
    task: PartTask,
    files: dict[str, Path],
    settings: PartSettings,
    interrupt: Interrupt,
) -> list[Result]:
    title = ", ".join(task.wanted(model.spec.stems))
    with progress_bar(title, quiet=options.quiet) as progress, interrupt.polled():
        return write_part(
            model,
            task,
            files,
            options.out,
            settings=settings,
            force=options.force,
            progress=progress,
            cancel=interrupt.requested,
        )


def _print_results(model: AnyModel, options: argparse.Namespace, results: list[Result]) -> None:
    """Print what was made, and each warning once."""
    warnings = [warning for result in results for warning in result.manifest["warnings"]]
    for warning in dict.fromkeys(warnings):
        if warning not in model.warnings:
            print_warning(warning)
    if options.json:
        report = {"name": model.bundle.name, "hash": model.bundle.hash, "provider": model.provider}
        takes = [_report(result) for result in results]
        print_json({"command": options.command, "ok": True, "model": report, "results": takes})
    elif not options.quiet:
        done = PART_COMMANDS[options.command].done
        for result in results:
            length = result.manifest["region"]["seconds"]
            spent = result.manifest["timings"]["total"]
            names = " ".join(f.name for f in (*result.stems.values(), *result.midi.values()))
            print_result(f"{length:.2f} s {done} in {spent:.2f} s into {result.folder}: {names}")


def _report(result: Result) -> dict[str, Any]:
    return {
        "take": result.manifest["settings"]["take"],
        "folder": str(result.folder),
        "stems": {stem: str(file) for stem, file in result.stems.items()},
        "midi": {stem: str(file) for stem, file in result.midi.items()},
        "manifest": result.manifest,
    }
