"""`bandmate daw install|uninstall|where plugin`: build the plug-in and put it where hosts look."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bandmate_bridge.daw.files import scripts_folder
from bandmate_bridge.terminal.console import print_json, print_result
from bandmate_bridge.terminal.progress_bar import progress_bar
from bandmate_server.errors import DawError

PLUGIN = "plugin"
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
SAID = 2_000  # characters of the compiler's last words in an error


def run(options: argparse.Namespace, program: Path | None) -> int:
    """Do what `bandmate daw ACTION plugin` says and return 0.

    Args:
        options: of the command line.
        program: `bandmate`, by which the plug-in starts the server.

    Raises:
        DawError: if tools are missing, or a source does not compile.
    """
    files = [str(path) for path in places()]
    report = {"ok": True, "command": "daw", "action": options.action, "config": str(config_file())}
    if options.action == "where":
        report["scripts"] = str(scripts_folder(PLUGIN))
        lines = [f"sources: {report['scripts']}", *(f"place: {path}" for path in files)]
        lines.append(f"settings: {config_file()}")
    elif options.action == "install":
        with progress_bar("compiling", quiet=options.quiet or options.json) as advance:
            build(build_folder(), advance)
        files = [str(path) for path in install(options.workdir, program)]
        lines = [*(f"installed {path}" for path in files), "Have your DAW look for new plug-ins."]
    else:
        files = [str(path) for path in uninstall()]
        lines = [f"removed {path}" for path in files] or ["nothing of ours is there"]
    if options.json:
        print_json(report | {"files": files})
    elif not options.quiet:
        for line in lines:
            print_result(line)
    return 0


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
    command = ["make", "-C", str(scripts_folder(PLUGIN)), f"BUILD={folder}", f"DPF={dpf}"]
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


def install(workdir: Path | None, program: Path | None) -> list[Path]:
    """Put what was built where hosts look, note the settings, and return what was written."""
    written = []
    for name, place in zip(FORMATS, places(), strict=True):
        place.mkdir(parents=True, exist_ok=True)
        for source in sorted((build_folder() / "bin" / name).iterdir()):
            written.append(place / source.name)
            _replace(source, written[-1])
    lines = [f"program = {program}"] if program is not None else []
    lines += [f"workdir = {workdir.absolute()}"] if workdir is not None else []
    path = config_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_text("".join(line + "\n" for line in lines), "utf-8")
    new.replace(path)
    return [*written, path]


def uninstall() -> list[Path]:
    """Remove what `install` wrote and return it; what the plug-in keeps for sessions stays."""
    found = [path for place in places() for path in sorted(place.glob("bandmate-*"))]
    found += [config_file()] if config_file().exists() else []
    for path in found:
        _remove(path)
    return found


def _steps(text: str) -> list[str]:
    """Return the names of the files that lines of make compile."""
    lines = [line.split() for line in text.splitlines() if " -c " in line]
    return [Path(words[words.index("-c") + 1]).name for words in lines]


def _replace(source: Path, place: Path) -> None:
    new = place.with_name(f".new-{place.name}")
    _remove(new)
    if source.is_dir():
        shutil.copytree(source, new)
    else:
        shutil.copy2(source, new)
    _remove(place)
    new.rename(place)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
