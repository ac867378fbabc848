"""`bandmate daw install|uninstall|where plugin`: build the plug-in and put it where hosts look."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bandmate_bridge.daw.daw import Change, Daw, Setup, removed
from bandmate_bridge.daw.files import remove, scripts_folder
from bandmate_server.errors import DawError
from bandmate_server.files import write_whole

NAME = "plugin"
FORMATS = ("vst3", "clap", "lv2")
DPF = Path("/usr/share/dpf")
MISSING = {
    "linux": "install them with `apt-get install make g++ pkg-config dpf-source libgl-dev "
    "libx11-dev` (Debian, Ubuntu), or get DPF 1.6 from https://github.com/DISTRHO/DPF and name "
    "its folder with DPF=",
    "darwin": "run `xcode-select --install`, get DPF 1.6 from https://github.com/DISTRHO/DPF and "
    "name its folder with DPF=",
    "win32": "install MSYS2 with make and mingw-w64-x86_64-gcc, get DPF 1.6 from "
    "https://github.com/DISTRHO/DPF and name its folder with DPF=",
}
NEXT = "Have your DAW look for new plug-ins."
SAID = 2_000  # characters of the compiler's last words in an error


def places() -> list[Path]:
    """Return the user's folders for plug-ins, in the order of FORMATS."""
    home = Path.home()
    if sys.platform == "darwin":
        base = home / "Library" / "Audio" / "Plug-Ins"
        return [base / name for name in ("VST3", "CLAP", "LV2")]
    if sys.platform == "win32":
        common = Path(os.environ.get("LOCALAPPDATA", home)) / "Programs" / "Common"
        return [
            common / "VST3",
            common / "CLAP",
            Path(os.environ.get("APPDATA", home)) / "LV2",
        ]
    return [home / f".{name}" for name in FORMATS]


def config_file() -> Path:
    """Return the file in which the plug-in finds the program and the workdir."""
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "bandmate" / "plugin.conf"


def build_folder() -> Path:
    """Return where objects are kept, so that building again is quick."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "bandmate" / "plugin-build"


def build(folder: Path, advance: Callable[[str, float], None] | None) -> None:
    """Build all formats into FOLDER/bin.

    Args:
        folder: made if missing.
        advance: called with the name of a file and the fraction done.

    Raises:
        DawError: naming the tools that are missing, or with the compiler's last words.
    """
    dpf = Path(os.environ.get("DPF") or DPF)
    missing = [tool for tool in ("make", "g++") if shutil.which(tool) is None]
    missing += [] if (dpf / "distrho").is_dir() else [f"DPF in {dpf}"]
    if missing:
        hint = MISSING.get(sys.platform, MISSING["linux"])
        raise DawError(f"to build the plug-in {' and '.join(missing)} is missing: {hint}")
    command = ["make", "-C", str(scripts_folder(NAME)), f"BUILD={folder}", f"DPF={dpf}"]
    folder.mkdir(parents=True, exist_ok=True)
    count = len(_steps(subprocess.run([*command, "-n"], capture_output=True, text=True).stdout))
    log = folder / "build.log"
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            [*command, f"-j{os.cpu_count() or 1}"], stdout=subprocess.PIPE, stderr=out, text=True
        )
        assert process.stdout is not None
        done = 0
        with process.stdout:
            for line in process.stdout:
                for name in _steps(line):
                    done += 1
                    if advance is not None:
                        advance(name, min(1.0, done / count))
    if process.wait() != 0:
        said = log.read_text("utf-8", "replace").strip()[-SAID:]
        raise DawError(f"the plug-in does not compile: {said} (see {log})")


def install(setup: Setup) -> Change:
    """Build all formats, put them where hosts look, and note the settings.

    Raises:
        DawError: if tools are missing, or a source does not compile.
    """
    build(build_folder(), setup.progress)
    files = []
    for name, place in zip(FORMATS, places(), strict=True):
        place.mkdir(parents=True, exist_ok=True)
        for source in sorted((build_folder() / "bin" / name).iterdir()):
            files.append(place / source.name)
            _replace(source, files[-1])
    lines = [f"program = {setup.program}"] if setup.program is not None else []
    lines += [f"workdir = {setup.workdir.absolute()}"] if setup.workdir is not None else []
    files.append(config_file())
    files[-1].parent.mkdir(parents=True, exist_ok=True)
    write_whole(files[-1], "".join(line + "\n" for line in lines))
    return Change(files, [*(f"installed {path}" for path in files), NEXT])


def uninstall(config: Path) -> Change:
    """Remove what `install` wrote; what the plug-in keeps for sessions stays."""
    found = [path for place in places() for path in sorted(place.glob("bandmate-*"))]
    return removed(remove([*found, config_file()]), config)


def where(_: Path) -> dict[str, list[Path]]:
    """Return where the sources are, where hosts look, and the file of the settings."""
    return {"scripts": [scripts_folder(NAME)], "files": places(), "config": [config_file()]}


PLUGIN = Daw(lambda: [config_file().parent], install, uninstall, where)


def _steps(text: str) -> list[str]:
    """Return the names of the files that lines of make compile."""
    lines = [line.split() for line in text.splitlines() if " -c " in line]
    return [Path(words[words.index("-c") + 1]).name for words in lines]


def _replace(source: Path, place: Path) -> None:
    new = place.with_name(f".new-{place.name}")
    remove([new])
    if source.is_dir():
        shutil.copytree(source, new)
    else:
        shutil.copy2(source, new)
    remove([place])
    new.rename(place)
