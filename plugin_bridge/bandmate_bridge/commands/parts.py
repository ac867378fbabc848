"""`bandmate add`, `fill`, `vary` and `generate`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bandmate_bridge.arguments.parsing import UsageError
from bandmate_bridge.arguments.parts import Given
from bandmate_bridge.commands.separate import check_name
from bandmate_bridge.terminal.console import print_json, print_note, print_result, print_warning
from bandmate_bridge.terminal.interrupts import Interrupt
from bandmate_bridge.terminal.pipes import PipedInputs
from bandmate_bridge.terminal.progress_bar import progress_bar
from bandmate_server import add_files, fill_file, generate_files, open_model, vary_file
from bandmate_server.errors import AudioError, SettingsError
from bandmate_server.model.library.choice import model_for
from bandmate_server.option_arguments import given
from bandmate_server.options import CHANNELS, RATE, options_of
from bandmate_server.settings import PartSettings, check_added, check_region, part_settings
from bandmate_server.spec import BACKING

if TYPE_CHECKING:
    from bandmate_server.model.opening import AnyModel
    from bandmate_server.results.result import Result

DONE = {"add": "added", "fill": "filled", "vary": "varied", "generate": "generated"}


def run(options: argparse.Namespace, interrupt: Interrupt) -> int:
    """Make every take and return the exit status.

    Raises:
        UsageError: if the options make no sense together.
        BandmateError: if anything cannot be read, made or written.
        Cancelled: if the user stopped the work.
    """
    try:
        settings = _settings(options)
        stems, given = _stems(options), _given(options)
        _check(options, stems, given)
        for path in (*given.values(), options.out):
            check_name(path)
        name = model_for(options.command, options.model)
        model = open_model(name, device=options.device, threads=options.threads)
        for warning in model.warnings:
            print_warning(warning)
        with PipedInputs(options.out, print_note) as pipes:
            files = {name: pipes.file(path) for name, path in given.items()}
            results = _made(model, options, stems, files, settings, interrupt)
    except SettingsError as error:
        raise UsageError(str(error)) from error
    except MemoryError as error:
        raise AudioError("not enough memory: choose a shorter region") from error
    _tell(model, options, results)
    return 0


def _settings(options: argparse.Namespace) -> PartSettings:
    rows = options_of(options.command, "command").values()
    settings = part_settings(given(options, rows, "settings"))
    check_region(settings.start, settings.end)
    return settings


def _stems(options: argparse.Namespace) -> tuple[str, ...] | None:
    """Return the stems wanted; None for all."""
    if options.command == "add":
        return tuple(stem for names in options.stems for stem in names)
    if options.command == "fill":
        return (options.stem,)
    return (options.source[0],) if options.command == "vary" else options.stems


def _given(options: argparse.Namespace) -> dict[str, Path]:
    """Return name -> file of all that is given, a backing among it."""
    pairs: list[Given] = list(getattr(options, "given", []))
    if options.command == "vary":
        pairs.insert(0, options.source)
    found: dict[str, Path] = {}
    for name, path in pairs:
        if name in found:
            raise UsageError(f"{name} is given twice: {found[name]} and {path}")
        found[name] = path
    return found


def _check(
    options: argparse.Namespace, stems: tuple[str, ...] | None, given: dict[str, Path]
) -> None:
    """Refuse what the engine would refuse too, before a model is opened.

    Raises:
        SettingsError: if the command makes no sense.
    """
    if options.command == "generate":
        return
    if options.command == "add":
        check_added(stems or (), tuple(given), BACKING in given)
    elif stems and stems[0] not in given:
        raise SettingsError(f"{stems[0]} is not among what is given with --in: add {stems[0]}=FILE")
    elif options.command == "vary":
        if stems == (BACKING,):
            raise SettingsError("a backing has no takes: name the stem that the file holds")
    elif options.start is None and options.end is None:
        raise SettingsError("name the range to fill: --start and --end")


def _made(
    model: AnyModel,
    options: argparse.Namespace,
    stems: tuple[str, ...] | None,
    given: dict[str, Path],
    settings: PartSettings,
    interrupt: Interrupt,
) -> list[Result]:
    title = ", ".join(stems or model.spec.stems)
    files = {name: path for name, path in given.items() if name != BACKING}
    with progress_bar(title, quiet=options.quiet) as progress:
        how: dict[str, Any] = {"settings": settings, "force": options.force, "progress": progress}
        how |= {"cancel": interrupt.requested}
        interrupt.begin()
        try:
            if options.command == "generate":
                return generate_files(
                    model,
                    options.seconds,
                    options.out,
                    stems=stems,
                    sample_rate=options.rate or RATE.default,
                    channels=options.channels or CHANNELS.default,
                    **how,
                )
            assert stems is not None
            how["backing"] = given.get(BACKING)
            if options.command == "add":
                return add_files(model, stems, files, options.out, **how)
            if options.command == "fill":
                return fill_file(model, stems[0], files, options.out, **how)
            how["strength"] = options.strength
            return vary_file(model, stems[0], files, options.out, **how)
        finally:
            interrupt.end()


def _tell(model: AnyModel, options: argparse.Namespace, results: list[Result]) -> None:
    """Say what was made."""
    told = set(model.warnings)
    for result in results:
        for warning in result.manifest["warnings"]:
            if warning not in told:
                print_warning(warning)
                told.add(warning)
    if options.json:
        report = {"name": model.bundle.name, "hash": model.bundle.hash, "provider": model.provider}
        takes = [_report(result) for result in results]
        print_json({"command": options.command, "ok": True, "model": report, "results": takes})
    elif not options.quiet:
        for result in results:
            length = result.manifest["region"]["seconds"]
            spent = result.manifest["timings"]["total"]
            names = " ".join(file.name for file in result.stems.values())
            what = f"{length:.2f} s {DONE[options.command]} in {spent:.2f} s"
            print_result(f"{what} into {result.folder}: {names}")


def _report(result: Result) -> dict[str, Any]:
    return {
        "take": result.manifest["settings"]["take"],
        "folder": str(result.folder),
        "stems": {stem: str(file) for stem, file in result.stems.items()},
        "manifest": result.manifest,
    }
