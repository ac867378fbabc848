"""`bandmate transcribe`."""

from __future__ import annotations

import argparse
from pathlib import Path

from bandmate_bridge.arguments.parsing import UsageError
from bandmate_bridge.arguments.parts import given_file
from bandmate_bridge.commands.separate import check_name
from bandmate_bridge.terminal.console import print_json, print_result, print_warning
from bandmate_bridge.terminal.interrupts import Interrupt
from bandmate_bridge.terminal.progress_bar import progress_bar
from bandmate_server import open_model
from bandmate_server.errors import SettingsError
from bandmate_server.model.library.choice import model_for
from bandmate_server.parts.transcription import transcribe_files


def run(options: argparse.Namespace, interrupt: Interrupt) -> int:
    """Write down all stems and return the exit status.

    Raises:
        UsageError: if the options make no sense together.
        BandmateError: if anything cannot be read or written.
        Cancelled: if the user stopped the work.
    """
    name = model_for("add", options.model)
    model = open_model(name, device=options.device, threads=options.threads)
    try:
        given = _given(options.given, model.spec.stems)
        title = ", ".join(given)
        with progress_bar(title, quiet=options.quiet) as progress, interrupt.polled():
            result = transcribe_files(
                model,
                given,
                options.out,
                force=options.force,
                progress=progress,
                cancel=interrupt.requested,
            )
    except SettingsError as error:
        raise UsageError(str(error)) from error
    for warning in result.manifest["warnings"]:
        print_warning(warning)
    files = {stem: str(file) for stem, file in result.midi.items()}
    if options.json:
        print_json(
            {"command": "transcribe", "ok": True, "midi": files, "manifest": result.manifest}
        )
    elif not options.quiet:
        counts = [f"{e['file']} ({e['notes']} notes)" for e in result.manifest["outputs"].values()]
        tempo = result.manifest["beat"]["tempo"]
        print_result(f"{result.folder}: {', '.join(counts)}, {tempo:.1f} beats a minute")
    return 0


def _given(texts: list[str], stems: tuple[str, ...]) -> dict[str, Path]:
    """Return stem -> file of what is named: files, or folders with a file for each stem.

    Raises:
        SettingsError: if a stem is unknown, named twice, or a folder holds none.
    """
    found: dict[str, Path] = {}
    for text in texts:
        pairs = [given_file(text, stems)] if not Path(text).is_dir() else _inside(Path(text), stems)
        for stem, path in pairs:
            if stem in found:
                raise SettingsError(f"{stem} is given twice: {found[stem]} and {path}")
            check_name(path)
            found[stem] = path
    return found


def _inside(folder: Path, stems: tuple[str, ...]) -> list[tuple[str, Path]]:
    """Return the stems in a folder, as `bandmate separate` names them."""
    found = [
        (path.stem, path)
        for path in sorted(folder.iterdir())
        if path.stem in stems and path.suffix.lower() not in (".mid", ".json")
    ]
    if not found:
        raise SettingsError(f"{folder} holds no files called {', '.join(stems)}")
    return found
