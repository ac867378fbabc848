"""`bandmate daw install|uninstall|where ardour|reaper|plugin`."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from bandmate_bridge import daw_install, plugin_install
from bandmate_bridge.console import say, say_json
from bandmate_bridge.interrupts import Interrupt
from bandmate_server.errors import DawError

BY_HAND = {
    "ardour": (
        "This version of Ardour wants to be told of them once: in Edit > Lua Scripts > Script "
        "Manager set the four actions named `bandmate: ...`, and under Action Hooks the hook "
        "`bandmate: Mailbox`."
    ),
    "reaper": (
        "In REAPER: Actions > Show action list > New action > Load ReaScript, and choose all files "
        "of this folder named `bandmate - ...`."
    ),
}


def run(options: argparse.Namespace, _interrupt: Interrupt) -> int:
    """Do what the command says and return 0.

    Raises:
        DawError: if there is no such DAW, or its scripts cannot be put in place.
    """
    if options.daw == plugin_install.PLUGIN:
        return plugin_install.run(options, _program())
    config = _config(options.daw, options.config)
    report = {"ok": True, "command": "daw", "action": options.action, "config": str(config)}
    if options.action == "where":
        report["scripts"] = str(daw_install.scripts_folder(options.daw))
        lines = [f"scripts: {report['scripts']}", f"{options.daw}'s configuration: {config}"]
    elif options.action == "install":
        files = daw_install.install(options.daw, config, options.workdir, _program())
        report["files"] = [str(path) for path in files]
        lines = [f"installed {len(files)} files in {config}", _next_step(options.daw, config)]
    else:
        files = daw_install.uninstall(options.daw, config)
        report["files"] = [str(path) for path in files]
        lines = [f"removed {path}" for path in files] or [f"nothing of ours is in {config}"]
    if options.json:
        say_json(report)
    elif not options.quiet:
        for line in lines:
            say(line)
    return 0


def _next_step(daw: str, config: Path) -> str:
    if daw == "ardour" and daw_install.registers(config):
        return "They are in Ardour's menu Edit > Lua Scripts. Start `bandmate serve` first."
    return BY_HAND[daw]


def _program() -> Path | None:
    found = shutil.which("bandmate") or shutil.which("bandmate", path=Path(sys.executable).parent)
    return Path(found) if found else None


def _config(daw: str, given: Path | None) -> Path:
    if given is not None:
        if not given.is_dir():
            raise DawError(f"{given} is no folder: --config wants {daw}'s configuration folder")
        return given.absolute()
    found = daw_install.config_folders(daw)
    if not found:
        raise DawError(
            f"no configuration of {daw} was found: start it once, or name its folder with --config"
        )
    return found[0]
