"""Put our scripts where a DAW looks for them, and take them away again."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from bandmate_bridge.daw import ardour_scripts
from bandmate_bridge.daw.ardour import refuse_while_running, registered_list, registers
from bandmate_bridge.daw.files import copy_scripts, scripts_folder, write_settings, write_text
from bandmate_bridge.daw.reaper import install_reaper
from bandmate_server.errors import DawError

DAWS = ("ardour", "reaper")


def config_folders(daw: str) -> list[Path]:
    """Return the configuration folders of this DAW on this computer, newest version first."""
    home = Path.home()
    if sys.platform == "darwin":
        base, names = home / "Library" / "Preferences", ("Ardour*",)
        if daw == "reaper":
            base = home / "Library" / "Application Support"
    elif sys.platform == "win32":
        local = "LOCALAPPDATA" if daw == "ardour" else "APPDATA"
        base, names = Path(os.environ.get(local, home)), ("Ardour*",)
    else:
        base, names = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config"), ("ardour*",)
    patterns = names if daw == "ardour" else ("REAPER",)
    found = [path for name in patterns for path in base.glob(name) if path.is_dir()]
    return sorted(found, key=_version, reverse=True)


def install(
    daw: str, config: Path, workdir: Path | None = None, command: Path | None = None
) -> list[Path]:
    """Copy the scripts into a configuration folder and return the files written.

    In Ardour 7 they are entered into its menu as well.

    Args:
        daw: ardour or reaper.
        config: the DAW's configuration folder.
        workdir: work folder of the server, if it is not the default one.
        command: the `bandmate` program, for scripts that start the server or send requests by it.

    Raises:
        DawError: if Ardour runs (it would overwrite its script list), or the list is not one
            that we understand; nothing has been changed then.
    """
    if daw == "reaper":
        return install_reaper(config, workdir, command)
    listed = registers(config)
    if listed:
        refuse_while_running(config)
    sources = sorted((scripts_folder(daw) / "scripts").glob("*.lua"))
    scripts = [path.read_text("utf-8") for path in sources]
    new_list = registered_list(config, scripts) if listed else None
    library = config / "bandmate"
    shutil.rmtree(library, ignore_errors=True)
    written = copy_scripts((scripts_folder(daw) / "library").glob("*.lua"), library)
    values = {"workdir": workdir, "command": command}
    written.append(write_settings(library / "settings.lua", values))
    written += copy_scripts(sources, config / "scripts")
    if new_list is not None:
        write_text(config / "ui_scripts", new_list)
        written.append(config / "ui_scripts")
    return written


def uninstall(daw: str, config: Path) -> list[Path]:
    """Remove what `install` put into a configuration folder and return what was removed.

    Raises:
        DawError: as `install`.
    """
    removed = [path for path in _installed(daw, config) if path.exists()]
    if daw == "ardour" and registers(config) and (config / "ui_scripts").exists():
        refuse_while_running(config)
        try:
            text = ardour_scripts.without_scripts((config / "ui_scripts").read_text("utf-8"))
        except ardour_scripts.ScriptsError as error:
            raise DawError(str(error)) from error
        write_text(config / "ui_scripts", text)
    for path in removed:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return removed


def _installed(daw: str, config: Path) -> list[Path]:
    if daw == "reaper":
        return [config / "Scripts" / "bandmate"]
    names = [path.name for path in (scripts_folder(daw) / "scripts").glob("*.lua")]
    return [config / "bandmate", *(config / "scripts" / name for name in sorted(names))]


def _version(path: Path) -> int:
    digits = "".join(char for char in path.name if char.isdigit())
    return int(digits or 0)
