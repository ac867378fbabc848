"""`bandmate daw install|uninstall|where ardour|reaper|audacity|plugin`, and `run audacity`."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from bandmate_bridge.commands import audacity
from bandmate_bridge.daw import audacity_install, install, plugin_install
from bandmate_bridge.daw.ardour import registers
from bandmate_bridge.daw.files import scripts_folder
from bandmate_bridge.terminal.console import print_json, print_result
from bandmate_bridge.terminal.interrupts import Interrupt
from bandmate_server.errors import DawError

BY_HAND = {
    "ardour": (
        "This version of Ardour needs them entered once: in Edit > Lua Scripts > Script "
        "Manager set the actions named `bandmate: ...`, and under Action Hooks the hook "
        "`bandmate: Mailbox`."
    ),
    "reaper": (
        "In REAPER: Actions > Show action list > New action > Load ReaScript, and choose all files "
        "of this folder named `bandmate - ...`."
    ),
    "audacity": (
        "Start Audacity, select a part of a track, then: bandmate daw run audacity separate"
    ),
}


def run(options: argparse.Namespace, interrupt: Interrupt) -> int:
    """Do what the command says and return 0.

    Raises:
        DawError: if there is no such DAW, or its scripts cannot be put in place.
    """
    if options.action == "run":
        return audacity.run(options.task, options.words, interrupt)
    if options.daw == plugin_install.PLUGIN:
        return plugin_install.run(options, _program())
    config = _config(options.daw, options.config)
    report = {"ok": True, "command": "daw", "action": options.action, "config": str(config)}
    if options.daw == "audacity":
        lines = _switch(options.action, config, report)
    elif options.action == "where":
        report["scripts"] = str(scripts_folder(options.daw))
        lines = [f"scripts: {report['scripts']}", f"{options.daw}'s configuration: {config}"]
    elif options.action == "install":
        files = install.install(options.daw, config, options.workdir, _program())
        report["files"] = [str(path) for path in files]
        lines = [f"installed {len(files)} files in {config}", _next_step(options.daw, config)]
    else:
        files = install.uninstall(options.daw, config)
        report["files"] = [str(path) for path in files]
        lines = [f"removed {path}" for path in files] or [f"nothing of ours is in {config}"]
    if options.json:
        print_json(report)
    elif not options.quiet:
        for line in lines:
            print_result(line)
    return 0


def _switch(action: str, config: Path, report: dict[str, object]) -> list[str]:
    """Switch Audacity's module on or off, add to the report, and return what to say."""
    if action == "where":
        return [f"audacity's configuration: {config / audacity_install.CONFIG}"]
    on = action == "install"
    files = audacity_install.install(config) if on else audacity_install.uninstall(config)
    report["files"] = [str(path) for path in files]
    state = "on" if on else "off"
    lines = [f"switched mod-script-pipe {state} in {path}" for path in files]
    return (lines or [f"mod-script-pipe was {state} already"]) + [BY_HAND["audacity"]] * on


def _next_step(daw: str, config: Path) -> str:
    if daw == "ardour" and registers(config):
        return (
            "They are in Ardour's menu Edit > Lua Scripts, and start the server when it is needed."
        )
    return BY_HAND[daw]


def _program() -> Path | None:
    found = shutil.which("bandmate") or shutil.which("bandmate", path=Path(sys.executable).parent)
    return Path(found) if found else None


def _config(daw: str, given: Path | None) -> Path:
    if given is not None:
        if not given.is_dir():
            raise DawError(f"{given} is no folder: --config wants {daw}'s configuration folder")
        return given.absolute()
    found = audacity_install.config_folders() if daw == "audacity" else install.config_folders(daw)
    if not found:
        raise DawError(
            f"no configuration of {daw} was found: start it once, or name its folder with --config"
        )
    return found[0]
