"""Ardour 7's list of scripts: ours are entered into it and taken out."""

from __future__ import annotations

from pathlib import Path

from bandmate_bridge.daw import ardour_scripts
from bandmate_server.errors import DawError

REGISTERED = "ardour7"  # the configuration whose ui_scripts we know how to write


def registers(config: Path) -> bool:
    """Return whether `install` enters the scripts into this DAW's menu."""
    return config.name.lower() == REGISTERED


def registered_list(config: Path, scripts: list[str]) -> str:
    """Return the list of scripts with ours in it."""
    path = config / "ui_scripts"
    hooks = [text for text in scripts if '"EditorHook"' in text]
    actions = [text for text in scripts if text not in hooks]
    try:
        text = path.read_text("utf-8") if path.exists() else None
        return ardour_scripts.with_scripts(text, actions, hooks)
    except ardour_scripts.ScriptsError as error:
        raise DawError(f"{path}: {error}") from error


def refuse_while_running(config: Path) -> None:
    """Raise DawError while an Ardour runs with this configuration."""
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
