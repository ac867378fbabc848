"""`bandmate separate`: each input on its own, so that one that fails stops no other."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bandmate_bridge.arguments.parsing import UsageError
from bandmate_bridge.batch.dawproject import write_session
from bandmate_bridge.terminal.console import (
    print_error,
    print_json,
    print_note,
    print_result,
    print_warning,
)
from bandmate_bridge.terminal.interrupts import Interrupt
from bandmate_bridge.terminal.pipes import PipedInputs, input_name
from bandmate_bridge.terminal.progress_bar import progress_bar
from bandmate_server import open_model, separate_file
from bandmate_server.errors import AudioError, BandmateError, Cancelled, SettingsError
from bandmate_server.model.library.choice import model_for
from bandmate_server.option_arguments import given
from bandmate_server.options import TAKES, options_of
from bandmate_server.separation.separators import separator_of
from bandmate_server.settings import (
    SeparateSettings,
    check_region,
    check_stems,
    take_seeds,
)
from bandmate_server.spec import OTHER

if TYPE_CHECKING:
    from bandmate_server.model.opening import AnyModel


def run(options: argparse.Namespace, interrupt: Interrupt) -> int:
    """Separate every input and return the exit status.

    Raises:
        UsageError: if the options contradict each other.
        BandmateError: if the model cannot be used.
        Cancelled: if the user stopped the work.
    """
    takes = _takes(options)
    _refuse_same_names(options.inputs, options.out)
    check_name(options.out)
    name = model_for("separate", options.model)
    model = open_model(name, device=options.device, threads=options.threads)
    try:
        check_stems(takes[0].stems, model.spec.stems, OTHER)
    except SettingsError as error:
        raise UsageError(str(error)) from error
    for warning in model.warnings:
        print_warning(warning)
    if len(takes) > 1 and not separator_of(model).uses_seed(model, takes[0]):
        print_warning(
            "this model's masks do not depend on the seed: all takes are the same; try --steps 8"
        )
    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    with PipedInputs(options.out, print_note) as pipes:
        for path in options.inputs:
            try:
                check_name(path)
                done += _separated(model, pipes.file(path), takes, options, interrupt)
            except Cancelled:
                raise
            except (BandmateError, OSError, MemoryError) as error:
                message = _named(error, path)
                failed.append({"input": str(path), "error": message})
                print_error(message)
    if options.json:
        report = {"name": model.bundle.name, "hash": model.bundle.hash, "provider": model.provider}
        print_json(
            {
                "command": "separate",
                "ok": not failed,
                "model": report,
                "results": done,
                "failed": failed,
            }
        )
    return 1 if failed else 0


def _takes(options: argparse.Namespace) -> list[SeparateSettings]:
    """Return the settings of every take: the same but for the seed."""
    chosen = given(options, options_of("separate", "command").values(), "settings")
    try:
        first = SeparateSettings.of(chosen)
        check_region(first.start, first.end)
        seeds = take_seeds(first.seed, chosen.get(TAKES.name, TAKES.default))
        return [replace(first, seed=seed) for seed in seeds]
    except SettingsError as error:
        raise UsageError(str(error)) from error


def _refuse_same_names(inputs: list[Path], out: Path) -> None:
    seen: dict[str, Path] = {}
    for path in inputs:
        name = input_name(path).stem
        other = seen.setdefault(name.casefold(), path)
        if other is not path:
            raise UsageError(
                f"{other} and {path} would both be written to {out / name}:"
                " give each an --out of its own"
            )


def check_name(path: Path) -> None:
    """Refuse a name that is no text, as libsndfile's binding cannot open it.

    Raises:
        AudioError: if it is not.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise AudioError(f"{path} has a name that is not UTF-8: rename it first") from error


def _separated(
    model: AnyModel,
    path: Path,
    takes: list[SeparateSettings],
    options: argparse.Namespace,
    interrupt: Interrupt,
) -> list[dict[str, Any]]:
    results = []
    for take, settings in enumerate(takes, 1):
        out = options.out / f"take-{take}" if len(takes) > 1 else options.out
        with progress_bar(path.name, quiet=options.quiet) as progress, interrupt.polled():
            result = separate_file(
                model,
                path,
                out,
                settings=settings,
                force=options.force,
                progress=progress,
                cancel=interrupt.requested,
            )
        for warning in result.manifest.get("warnings", []):
            if warning not in model.warnings:
                print_warning(f"{path.name}: {warning}")
        if options.dawproject is not None:
            try:
                write_session(result, options.dawproject == "inside")
            except OSError as error:
                print_warning(
                    f"{path.name}: the DAWproject session is left out: {error.strerror or error}"
                )
        files = {stem: str(file) for stem, file in result.stems.items()}
        if not (options.json or options.quiet):
            _summarise(path, result.folder, list(result.stems.values()), result.manifest)
        results.append(
            {
                "input": str(path),
                "take": take,
                "folder": str(result.folder),
                "stems": files,
                "manifest": result.manifest,
            }
        )
    return results


def _summarise(path: Path, folder: Path, files: list[Path], manifest: dict[str, Any]) -> None:
    length, spent = manifest["region"]["seconds"], manifest["timings"]["total"]
    names = " ".join(file.name for file in files)
    print_result(f"{path.name}: {length:.2f} s separated in {spent:.2f} s into {folder}: {names}")


def _named(error: BaseException, path: Path) -> str:
    if isinstance(error, MemoryError):
        return f"{path}: not enough memory"
    return str(error)
