"""`bandmate daw install|uninstall|where|run`: a DAW is a row of DAWS."""

from __future__ import annotations

import argparse
import importlib
import shutil
import sys
from pathlib import Path
from typing import Any

from bandmate_bridge.daw.daw import Change, Daw, Setup
from bandmate_bridge.daw.daws import DAWS
from bandmate_bridge.terminal.console import print_json, print_result
from bandmate_bridge.terminal.interrupts import Interrupt
from bandmate_bridge.terminal.progress_bar import progress_bar
from bandmate_server.errors import DawError

Report = tuple[dict[str, Any], list[str]]  # for --json, and to be printed


def run(options: argparse.Namespace, interrupt: Interrupt) -> int:
    """Do what the command says and return 0.

    Raises:
        DawError: if the DAW is not there, or what it needs cannot be put in place.
    """
    daw = DAWS[options.daw]
    if options.action == "run":
        module = importlib.import_module(f"bandmate_bridge.commands.{options.daw}")
        status: int = module.run(options.task, options.words, interrupt)
        return status
    config = _config(daw, options)
    report, lines = ACTIONS[options.action](daw, config, options)
    if options.json:
        facts = {"ok": True, "command": "daw", "action": options.action, "config": str(config)}
        print_json(facts | report)
    elif not options.quiet:
        for line in lines:
            print_result(line)
    return 0


def _install(daw: Daw, config: Path, options: argparse.Namespace) -> Report:
    found = shutil.which("bandmate") or shutil.which("bandmate", path=Path(sys.executable).parent)
    program = Path(found) if found else None
    with progress_bar("installing", quiet=options.quiet or options.json) as progress:
        return _changed(daw.install(Setup(config, options.workdir, program, progress)))


def _uninstall(daw: Daw, config: Path, _: argparse.Namespace) -> Report:
    return _changed(daw.uninstall(config))


def _where(daw: Daw, config: Path, _: argparse.Namespace) -> Report:
    places = {what: [str(path) for path in paths] for what, paths in daw.where(config).items()}
    report = {what: paths if what == "files" else paths[0] for what, paths in places.items()}
    return report, [f"{what}: {path}" for what, paths in places.items() for path in paths]


ACTIONS = {"install": _install, "uninstall": _uninstall, "where": _where}


def _changed(change: Change) -> Report:
    return {"files": [str(path) for path in change.files]}, change.lines


def _config(daw: Daw, options: argparse.Namespace) -> Path:
    given: Path | None = options.config
    if given is not None:
        if not given.is_dir():
            wanted = f"{options.daw}'s configuration folder"
            raise DawError(f"{given} is no folder: --config wants {wanted}")
        return given.absolute()
    found = daw.config_folders()
    if not found:
        raise DawError(
            f"no configuration of {options.daw} was found: start it once, or name its folder "
            "with --config"
        )
    return found[0]
