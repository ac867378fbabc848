"""Put our scripts where a DAW looks for them, and take them away again."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from bandmate_bridge import ui_scripts
from bandmate_server.errors import DawError

DAWS = ("ardour", "reaper")
REGISTERED = "ardour7"  # the configuration whose ui_scripts we know how to write
REAPER_ACTIONS = (
    "separate selection",
    "separate into",
    "add part",
    "fill selection",
    "new take",
    "jobs",
)


def scripts_folder(daw: str) -> Path:
    """Return the folder that our scripts for this DAW come in: a wheel's, or a checkout's."""
    package = Path(__file__).parent
    packed = package / "daw" / daw
    return packed if packed.is_dir() else package.parent / daw


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
        return _install_reaper(config, workdir, command)
    listed = registers(config)
    if listed:
        _refuse_while_running(config)
    sources = sorted((scripts_folder(daw) / "scripts").glob("*.lua"))
    scripts = [path.read_text("utf-8") for path in sources]
    new_list = _new_list(config, scripts) if listed else None
    library = config / "bandmate"
    shutil.rmtree(library, ignore_errors=True)
    written = _copied((scripts_folder(daw) / "library").glob("*.lua"), library)
    values = {"workdir": workdir, "command": command}
    written.append(_settings(library / "settings.lua", values))
    written += _copied(sources, config / "scripts")
    if new_list is not None:
        _write(config / "ui_scripts", new_list)
        written.append(config / "ui_scripts")
    return written


def uninstall(daw: str, config: Path) -> list[Path]:
    """Remove what `install` put into a configuration folder and return what was removed.

    Raises:
        DawError: as `install`.
    """
    removed = [path for path in _installed(daw, config) if path.exists()]
    if daw == "ardour" and registers(config) and (config / "ui_scripts").exists():
        _refuse_while_running(config)
        try:
            text = ui_scripts.without_scripts((config / "ui_scripts").read_text("utf-8"))
        except ui_scripts.ScriptsError as error:
            raise DawError(str(error)) from error
        _write(config / "ui_scripts", text)
    for path in removed:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return removed


def registers(config: Path) -> bool:
    """Return whether `install` enters the scripts into this DAW's menu."""
    return config.name.lower() == REGISTERED


def _installed(daw: str, config: Path) -> list[Path]:
    if daw == "reaper":
        return [config / "Scripts" / "bandmate"]
    names = [path.name for path in (scripts_folder(daw) / "scripts").glob("*.lua")]
    return [config / "bandmate", *(config / "scripts" / name for name in sorted(names))]


def _install_reaper(config: Path, workdir: Path | None, command: Path | None) -> list[Path]:
    # The script does what its file name says: one copy for each entry of the action list.
    folder = config / "Scripts" / "bandmate"
    folder.mkdir(parents=True, exist_ok=True)
    text = (scripts_folder("reaper") / "bandmate.lua").read_text("utf-8")
    written = []
    for action in REAPER_ACTIONS:
        written.append(folder / f"bandmate - {action}.lua")
        _write(written[-1], text)
    values = {"workdir": workdir, "command": command}
    written.append(_settings(folder / "settings.lua", values))
    return written


def _settings(path: Path, values: dict[str, Path | None]) -> Path:
    fields = []
    for name, value in values.items():
        if value is not None:
            text = str(value.absolute()).replace("\\", "/").replace('"', '\\"')
            fields.append(f'{name} = "{text}"')
    _write(path, f"return {{ {', '.join(fields)} }}\n")
    return path


def _new_list(config: Path, scripts: list[str]) -> str:
    path = config / "ui_scripts"
    hooks = [text for text in scripts if '"EditorHook"' in text]
    actions = [text for text in scripts if text not in hooks]
    try:
        text = path.read_text("utf-8") if path.exists() else None
        return ui_scripts.with_scripts(text, actions, hooks)
    except ui_scripts.ScriptsError as error:
        raise DawError(f"{path}: {error}") from error


def _copied(sources: Iterable[Path], folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for source in sorted(sources):
        written.append(folder / source.name)
        _write(written[-1], source.read_text("utf-8"))
    return written


def _write(path: Path, text: str) -> None:
    new = path.with_name(path.name + ".new")
    new.write_text(text, "utf-8")
    new.replace(path)


def _refuse_while_running(config: Path) -> None:
    for process in Path("/proc").glob("[0-9]*"):
        if _runs_with(process, config):
            raise DawError(
                "Ardour is running and would overwrite its list of scripts when it ends: "
                "close it, then run this again"
            )


def _runs_with(process: Path, config: Path) -> bool:
    try:
        if not (process / "comm").read_text("utf-8").startswith("ardour"):
            return False
        items = (process / "environ").read_bytes().decode("utf-8", "replace").split("\0")
    except (OSError, UnicodeDecodeError):  # It has ended, or is not ours to look into.
        return False
    variables = dict(item.partition("=")[::2] for item in items)
    home = variables.get("XDG_CONFIG_HOME") or variables.get("HOME", "") + "/.config"
    return Path(home).resolve() == config.parent.resolve()


def _version(path: Path) -> int:
    digits = "".join(char for char in path.name if char.isdigit())
    return int(digits or 0)
