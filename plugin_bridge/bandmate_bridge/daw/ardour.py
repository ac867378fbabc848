"""Ardour: our scripts in its folders and, in version 7, in its list of scripts."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from bandmate_bridge.daw import ardour_scripts
from bandmate_bridge.daw.daw import Change, Daw, Setup, removed
from bandmate_bridge.daw.files import (
    copy_scripts,
    remove,
    scripts_folder,
    settings_base,
    write_settings,
)
from bandmate_server.errors import DawError
from bandmate_server.files import write_whole

NAME = "ardour"
REGISTERED = "ardour7"  # the configuration whose ui_scripts we know how to write
LIST = "ui_scripts"
IN_MENU = "They are in Ardour's menu Edit > Lua Scripts, and start the server when it is needed."
BY_HAND = (
    "This version of Ardour needs them entered once: in Edit > Lua Scripts > Script Manager set "
    "the actions named `bandmate: ...`, and under Action Hooks the hook `bandmate: Mailbox`."
)


def config_folders() -> list[Path]:
    """Return Ardour's configuration folders on this computer, newest version first."""
    base = settings_base("Preferences", "LOCALAPPDATA")
    pattern = "Ardour*" if sys.platform in ("darwin", "win32") else "ardour*"
    return sorted((path for path in base.glob(pattern) if path.is_dir()), key=_version)[::-1]


def install(setup: Setup) -> Change:
    """Copy the scripts; in Ardour 7 they are entered into its menu as well.

    Raises:
        DawError: if Ardour runs (it would overwrite its script list), or the list is not one
            that we understand; nothing has been changed then.
    """
    config, sources = setup.config, _scripts()
    new_list = None
    if _registers(config):
        _refuse_while_running(config)
        new_list = _new_list(config, [path.read_text("utf-8") for path in sources])
    library = config / "bandmate"
    shutil.rmtree(library, ignore_errors=True)
    files = copy_scripts((scripts_folder(NAME) / "library").glob("*.lua"), library)
    files.append(write_settings(library / "settings.lua", setup))
    files += copy_scripts(sources, config / "scripts")
    if new_list is not None:
        files.append(config / LIST)
        write_whole(files[-1], new_list)
    advice = BY_HAND if new_list is None else IN_MENU
    return Change(files, [f"installed {len(files)} files in {config}", advice])


def uninstall(config: Path) -> Change:
    """Remove what `install` put into a configuration folder.

    Raises:
        DawError: as `install`.
    """
    if _registers(config) and (config / LIST).exists():
        _refuse_while_running(config)
        try:
            text = ardour_scripts.without_scripts((config / LIST).read_text("utf-8"))
        except ardour_scripts.ScriptsError as error:
            raise DawError(str(error)) from error
        write_whole(config / LIST, text)
    files = [config / "bandmate", *(config / "scripts" / path.name for path in _scripts())]
    return removed(remove(files), config)


def where(config: Path) -> dict[str, list[Path]]:
    """Return where the scripts come from and go to."""
    return {"scripts": [scripts_folder(NAME)], "config": [config]}


ARDOUR = Daw(config_folders, install, uninstall, where)


def _scripts() -> list[Path]:
    return sorted((scripts_folder(NAME) / "scripts").glob("*.lua"))


def _version(path: Path) -> int:
    return int("".join(char for char in path.name if char.isdigit()) or 0)


def _registers(config: Path) -> bool:
    return config.name.lower() == REGISTERED


def _new_list(config: Path, scripts: list[str]) -> str:
    """Return the list of scripts with ours in it."""
    path = config / LIST
    hooks = [text for text in scripts if '"EditorHook"' in text]
    actions = [text for text in scripts if text not in hooks]
    try:
        text = path.read_text("utf-8") if path.exists() else None
        return ardour_scripts.with_scripts(text, actions, hooks)
    except ardour_scripts.ScriptsError as error:
        raise DawError(f"{path}: {error}") from error


def _refuse_while_running(config: Path) -> None:
    if any(_runs_with(process, config) for process in Path("/proc").glob("[0-9]*")):
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
