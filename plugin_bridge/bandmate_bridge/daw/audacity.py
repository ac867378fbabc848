"""Switch Audacity's module for scripts, mod-script-pipe, on or off in its settings file."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path

from bandmate_bridge.daw.daw import Change, Daw, Setup
from bandmate_bridge.daw.files import settings_base
from bandmate_server.errors import DawError
from bandmate_server.files import write_whole

CONFIG = "audacity.cfg"
MODULE = "mod-script-pipe"
ON, OFF = "1", "0"
NEXT = "Start Audacity, select a part of a track, then: bandmate daw run audacity separate"


def config_folders() -> list[Path]:
    """Return the folders of Audacity's settings on this computer, the newest kind first."""
    places = [settings_base("Application Support", "APPDATA") / "audacity"]
    places.append(Path.home() / ".audacity-data")  # on Linux, before 3.2
    return [place for place in places if (place / CONFIG).is_file()]


def install(setup: Setup) -> Change:
    """Switch the module on.

    Raises:
        DawError: if Audacity runs (it would overwrite its settings), or the module is not found.
    """
    change = _set_module(setup.config, ON)
    return Change(change.files, [*change.lines, NEXT])


def uninstall(config: Path) -> Change:
    """Switch the module off.

    Raises:
        DawError: as `install`.
    """
    return _set_module(config, OFF)


def where(config: Path) -> dict[str, list[Path]]:
    """Return the file of Audacity's settings."""
    return {"config": [config / CONFIG]}


AUDACITY = Daw(config_folders, install, uninstall, where, tasks=("separate", "add"))


def audacity_runs() -> bool | None:
    """Return whether this user runs Audacity; None where that cannot be told."""
    processes = list(Path("/proc").glob("[0-9]*"))
    if not processes:
        return None
    return any(_is_audacity(process) for process in processes)


def with_setting(text: str, section: str, name: str, value: str) -> str:
    """Return the text of a settings file with `name=value` in a [section]."""
    lines, here, at = text.splitlines(), "", None
    for number, line in enumerate(lines):
        if line.startswith("["):
            here = line.strip()
        if here == f"[{section}]":
            if line.partition("=")[0].strip() == name:
                lines[number] = f"{name}={value}"
                return "\n".join(lines) + "\n"
            at = number + 1 if line.strip() else at
    if at is None:
        lines += [f"[{section}]"]
        at = len(lines)
    lines.insert(at, f"{name}={value}")
    return "\n".join(lines) + "\n"


def setting(text: str, section: str, name: str) -> str | None:
    """Return a value of a [section], or None if it is not there."""
    here = ""
    for line in text.splitlines():
        if line.startswith("["):
            here = line.strip()
        elif here == f"[{section}]" and line.partition("=")[0].strip() == name:
            return line.partition("=")[2].strip()
    return None


def _set_module(config: Path, state: str) -> Change:
    file, named = config / CONFIG, "on" if state == ON else "off"
    if audacity_runs():
        raise DawError(
            "Audacity is running and would overwrite its settings when it ends: close it, then "
            "run this again"
        )
    try:
        text = file.read_text("utf-8")
        if setting(text, "Module", MODULE) == state:
            return Change([], [f"{MODULE} was {named} already"])
        new = with_setting(text, "Module", MODULE, state)
        if state == ON and setting(text, "ModulePath", MODULE) is None:
            new = _with_module(new)
        write_whole(file, new)
    except (OSError, UnicodeDecodeError) as error:
        raise DawError(f"cannot change {file}: {error}") from error
    return Change([file], [f"switched {MODULE} {named} in {file}"])


def _with_module(text: str) -> str:
    """Return settings that name the module's file, as an Audacity that has seen it writes them."""
    for place in _module_files():
        if place.is_file():
            changed = datetime.fromtimestamp(place.stat().st_mtime)
            text = with_setting(text, "ModulePath", MODULE, str(place))
            return with_setting(text, "ModuleDateTime", MODULE, f"{changed:%Y-%m-%dT%H:%M:%S}")
    raise DawError(
        f"{MODULE} was not found: start Audacity once and close it, then run this again; if that "
        "does not help, this Audacity was built without it"
    )


def _module_files() -> list[Path]:
    if sys.platform == "darwin":
        return [Path("/Applications/Audacity.app/Contents/modules") / f"{MODULE}.so"]
    if sys.platform == "win32":
        programs = Path(os.environ.get("PROGRAMFILES", "C:/Program Files"))
        return [programs / "Audacity" / "modules" / f"{MODULE}.dll"]
    places = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64")
    return [Path(place) / "audacity" / "modules" / f"{MODULE}.so" for place in places]


def _is_audacity(process: Path) -> bool:
    try:
        if process.stat().st_uid != os.getuid() or not (process / "cmdline").read_bytes():
            return False  # Somebody else's, or dead and not yet reaped.
        return (process / "comm").read_text("utf-8").strip() == "audacity"
    except OSError:  # It has ended.
        return False
