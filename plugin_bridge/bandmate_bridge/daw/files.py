"""Files in a DAW's configuration folder."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from bandmate_bridge.daw.daw import Setup
from bandmate_server.files import data_folder, write_whole


def settings_base(mac: str, windows: str) -> Path:
    """Return where programs keep the user's settings.

    Args:
        mac: name of the folder in ~/Library.
        windows: variable that names the folder.
    """
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / mac
    if sys.platform == "win32":
        return Path(os.environ.get(windows, home))
    return Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")


def scripts_folder(daw: str) -> Path:
    """Return the folder of our scripts for a DAW: in the package, or in a checkout beside it."""
    folder = Path(__file__).parent
    packed = folder / "scripts" / daw
    return packed if packed.is_dir() else folder.parents[1] / daw


def write_settings(path: Path, setup: Setup) -> Path:
    """Write what the scripts cannot know by themselves, as a Lua table; return the file."""
    fields = []
    values = {"workdir": setup.workdir, "command": setup.program, "data": data_folder()}
    for name, value in values.items():
        if value is not None:
            text = str(value.absolute()).replace("\\", "/").replace('"', '\\"')
            fields.append(f'{name} = "{text}"')
    write_whole(path, f"return {{ {', '.join(fields)} }}\n")
    return path


def copy_scripts(sources: Iterable[Path], folder: Path) -> list[Path]:
    """Copy scripts into a folder and return where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for source in sorted(sources):
        written.append(folder / source.name)
        write_whole(written[-1], source.read_text("utf-8"))
    return written


def remove(paths: Iterable[Path]) -> list[Path]:
    """Remove files and folders, and return those that were there."""
    there = [path for path in paths if path.exists()]
    for path in there:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return there
