"""`bandmate daw run audacity separate|add`: from Audacity's selection to new tracks below it."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import soundfile

from bandmate_bridge.arguments.parser import build_parser
from bandmate_bridge.arguments.parsing import UsageError
from bandmate_bridge.arguments.parts import given_file
from bandmate_bridge.daw.audacity_pipe import AudacityPipe
from bandmate_bridge.daw.audacity_project import (
    Selection,
    Track,
    add_tracks,
    export,
    read_selection,
)
from bandmate_bridge.terminal.console import print_json, print_result
from bandmate_bridge.terminal.interrupts import Interrupt
from bandmate_bridge.terminal.progress_bar import progress_bar
from bandmate_server.errors import Cancelled, DawError, SettingsError
from bandmate_server.model.bundle import read_spec
from bandmate_server.model.library.choice import model_for
from bandmate_server.settings import read_stems
from bandmate_server.spec import BACKING, MINI

MODULES = {"separate": "separate", "add": "parts"}  # in `commands`
FORMAT = ("--format", "wav", "--bit-depth", "32f")
CONTEXT_SECONDS = MINI.window_samples / MINI.mel.sample_rate  # that the model is given around


def run(task: str, words: Sequence[str], interrupt: Interrupt) -> int:
    """Do a task with what is selected in Audacity and return the exit status.

    Args:
        task: separate or add.
        words: of that command: all but its files, --out and the region.
        interrupt: of the command line.

    Raises:
        UsageError: if the words make no sense.
        BandmateError: if Audacity, or the task, fails; Audacity has no new tracks then.
        Cancelled: if the user stopped it; likewise.
    """
    options = _parsed(task, words, ["backing=input.wav"])
    if options.start is not None or options.end is not None:
        raise UsageError("select the region in Audacity, instead of --start and --end")
    with tempfile.TemporaryDirectory(prefix="bandmate-") as name, AudacityPipe() as audacity:
        folder = Path(name)
        selection = read_selection(audacity, folder)
        span = selection.around(CONTEXT_SECONDS)
        files = _exported(audacity, selection, span, folder, options)
        region = _region(selection, span[0], folder)
        stems = _named(_made(task, [*words, *region], files, folder, interrupt), selection)
        _add(audacity, selection, stems, options, interrupt)
    _report(options, [track for track, _ in stems], selection)
    return 0


def _parsed(task: str, words: Sequence[str], files: Sequence[str]) -> argparse.Namespace:
    """Return the options of the task's own command."""
    given = list(files) if task == "separate" else ["--to", *files]
    return build_parser().parse_args([task, *words, *given, *FORMAT, "--out", "stems"])


def _region(selection: Selection, begin: int, folder: Path) -> list[str]:
    """Return the words for the selection's place in exported files, which end with the audio.

    Raises:
        DawError: if no audio is there.
    """
    frames = max(soundfile.info(file).frames for file in folder.glob("*.wav"))
    first, last = selection.first - begin, min(selection.last - begin, frames)
    if last <= first:
        raise DawError("the selection holds no audio: it begins after the track's end")
    places = [f"{place / selection.rate:.17g}" for place in (first, last)]
    return ["--start", places[0], "--end", places[1]]


def _exported(
    audacity: AudacityPipe,
    selection: Selection,
    span: tuple[int, int],
    folder: Path,
    options: argparse.Namespace,
) -> list[str]:
    """Export the selected tracks and return the files as the command takes them."""
    tracks, mix = selection.tracks, folder / "selection.wav"
    if options.command == "separate" and len(tracks) > 1:
        names = ", ".join(track.name for track in tracks)
        raise DawError(
            f"{len(tracks)} tracks are selected ({names}): select one, or make one of them with "
            "Tracks > Mix > Mix and Render to New Track"
        )
    roles = [] if options.command == "separate" else _roles(tracks, options)
    if not roles:
        export(audacity, selection, tracks, span, mix)
        return [str(mix)] if options.command == "separate" else [f"{BACKING}={mix}"]
    files = [folder / f"{role}.wav" for role in roles]
    for track, file in zip(tracks, files, strict=True):
        export(audacity, selection, [track], span, file)
    return [f"{role}={file}" for role, file in zip(roles, files, strict=True)]


def _roles(tracks: Sequence[Track], options: argparse.Namespace) -> list[str]:
    """Return the stem that each track's name says it is; none if any does not, or two agree."""
    stems, names = (
        read_spec(model_for(options.command, options.model)).stems,
        [track.name.replace("/", " ") for track in tracks],
    )
    try:
        roles = [given_file(f"{name}.wav", stems)[0] for name in names]
    except SettingsError:
        return []
    wanted = read_stems(options.stems)
    return roles if len({*roles, *wanted}) == len(roles) + len(wanted) else []


def _made(
    task: str, words: Sequence[str], files: Sequence[str], folder: Path, interrupt: Interrupt
) -> list[dict[str, Any]]:
    """Run the task's command on files and return the results that it reports.

    Raises:
        DawError: if it has failed, and has said why.
    """
    options = _parsed(task, words, files)
    options.out, options.json = folder / "stems", True
    command = importlib.import_module(f"bandmate_bridge.commands.{MODULES[task]}")
    with contextlib.redirect_stdout(io.StringIO()) as report:
        command.run(options, interrupt)
    found: dict[str, Any] = json.loads(report.getvalue())
    if not found["ok"]:
        raise DawError(f"nothing was added to Audacity: {found['failed'][0]['error']}")
    results: list[dict[str, Any]] = found["results"]
    return results


def _named(results: list[dict[str, Any]], selection: Selection) -> list[tuple[str, Path]]:
    """Return a name for the track of each stem, and its file."""
    source = selection.tracks[0].name if len(selection.tracks) == 1 else "Mix"
    source = source.replace("\\", "/")  # Audacity's commands may take it for an escape.
    stems = []
    for result in results:
        take = f" (take {result['take']})" if len(results) > 1 else ""
        for stem, path in result["stems"].items():
            stems.append((f"{source} - {stem}{take}", Path(path)))
    return stems


def _add(
    audacity: AudacityPipe,
    selection: Selection,
    stems: list[tuple[str, Path]],
    options: argparse.Namespace,
    interrupt: Interrupt,
) -> None:
    with progress_bar("Audacity", quiet=options.quiet) as progress:

        def report(fraction: float) -> None:
            if progress is not None:
                progress("import", fraction)
            if interrupt.requested():
                raise Cancelled("cancelled")

        with interrupt.polled():
            add_tracks(audacity, selection, stems, options.command == "separate", report)


def _report(options: argparse.Namespace, tracks: list[str], selection: Selection) -> None:
    if options.json:
        start = selection.first / selection.rate
        facts = {"tracks": tracks, "start": start, "rate": selection.rate}
        print_json({"command": f"daw run audacity {options.command}", "ok": True, **facts})
    elif not options.quiet:
        print_result(f"new in Audacity: {', '.join(tracks)}")
