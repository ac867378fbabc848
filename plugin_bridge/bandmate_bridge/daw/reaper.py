"""REAPER: a copy of our script for each of its actions."""

from __future__ import annotations

from pathlib import Path

from bandmate_bridge.daw.daw import Change, Daw, Setup, removed
from bandmate_bridge.daw.files import remove, scripts_folder, settings_base, write_settings
from bandmate_server.files import write_whole

NAME = "reaper"
ACTIONS = (
    "separate selection",
    "separate into",
    "add part",
    "fill selection",
    "new take",
    "jobs",
)
BY_HAND = (
    "In REAPER: Actions > Show action list > New action > Load ReaScript, and choose all files "
    "of this folder named `bandmate - ...`."
)


def config_folders() -> list[Path]:
    """Return REAPER's configuration folder on this computer, if there is one."""
    folder = settings_base("Application Support", "APPDATA") / "REAPER"
    return [folder] if folder.is_dir() else []


def install(setup: Setup) -> Change:
    """Copy the script: it does what its file name says, one copy for each entry of the list."""
    folder = _folder(setup.config)
    folder.mkdir(parents=True, exist_ok=True)
    text = (scripts_folder(NAME) / "bandmate.lua").read_text("utf-8")
    files = [folder / f"bandmate - {action}.lua" for action in ACTIONS]
    for path in files:
        write_whole(path, text)
    files.append(write_settings(folder / "settings.lua", setup))
    return Change(files, [f"installed {len(files)} files in {folder}", BY_HAND])


def uninstall(config: Path) -> Change:
    """Remove the copies."""
    return removed(remove([_folder(config)]), config)


def where(config: Path) -> dict[str, list[Path]]:
    """Return where the script comes from and goes to."""
    return {"scripts": [scripts_folder(NAME)], "config": [config]}


REAPER = Daw(config_folders, install, uninstall, where)


def _folder(config: Path) -> Path:
    return config / "Scripts" / "bandmate"
