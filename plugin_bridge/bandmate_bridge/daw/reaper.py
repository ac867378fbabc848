"""REAPER's copy of our script, and its actions."""

from __future__ import annotations

from pathlib import Path

from bandmate_bridge.daw.files import scripts_folder, write_settings, write_text

REAPER_ACTIONS = (
    "separate selection",
    "separate into",
    "add part",
    "fill selection",
    "new take",
    "jobs",
)


def install_reaper(config: Path, workdir: Path | None, command: Path | None) -> list[Path]:
    """Copy REAPER's script and its actions."""
    # The script does what its file name says: one copy for each entry of the action list.
    folder = config / "Scripts" / "bandmate"
    folder.mkdir(parents=True, exist_ok=True)
    text = (scripts_folder("reaper") / "bandmate.lua").read_text("utf-8")
    written = []
    for action in REAPER_ACTIONS:
        written.append(folder / f"bandmate - {action}.lua")
        write_text(written[-1], text)
    values = {"workdir": workdir, "command": command}
    written.append(write_settings(folder / "settings.lua", values))
    return written
