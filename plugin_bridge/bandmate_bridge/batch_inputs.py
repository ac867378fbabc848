"""Which songs a batch is about: folders searched through, files, patterns and lists."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

AUDIO = {".wav", ".wave", ".bwf", ".rf64", ".flac", ".aif", ".aiff", ".aifc", ".mp3", ".ogg"}
AUDIO |= {".oga", ".opus", ".caf", ".w64"}
LISTS = {".txt", ".m3u", ".m3u8"}
PACKED = {".mp3": 8.0, ".ogg": 8.0, ".oga": 8.0, ".opus": 10.0, ".flac": 1.7}  # times smaller


@dataclass(frozen=True)
class Song:
    """One input.

    path: of the audio file.
    folder: where it lies under the folder that was given, "" directly in it.
    """

    path: Path
    folder: str = ""

    @property
    def weight(self) -> float:
        """Return about how much work it is, in bytes of plain audio; 1 if it is not there."""
        try:
            size = self.path.stat().st_size
        except OSError:
            return 1.0
        return max(1.0, size * PACKED.get(self.path.suffix.lower(), 1.0))


def find_songs(inputs: list[str], out: Path) -> list[Song]:
    """Return the songs that the inputs name, each once, in a fixed order.

    Files that are named themselves are taken whatever they are, and even if missing; in
    folders, files with an audio ending that are neither hidden nor under `out`.
    """
    found: dict[Path, Song] = {}
    for given in inputs:
        for song in _named(given, out.absolute()):
            found.setdefault(Path(os.path.normpath(song.path.absolute())), song)
    return list(found.values())


def _named(given: str, out: Path) -> Iterator[Song]:
    path = Path(given)
    if path.is_dir():
        yield from _searched(path, out)
    elif path.exists() or not glob.has_magic(given):
        if path.suffix.lower() in LISTS:
            yield from _listed(path, out)
        else:
            yield Song(path)
    else:
        for match in sorted(glob.glob(given, recursive=True)):  # noqa: PTH207 - as it was typed
            if Path(match).is_dir() or Path(match).suffix.lower() in AUDIO:
                yield from _named(match, out)


def _searched(folder: Path, out: Path) -> Iterator[Song]:
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and (here / name).absolute() != out
        )
        for name in sorted(files):
            path = here / name
            if path.suffix.lower() in AUDIO and not name.startswith("."):
                relative = here.relative_to(folder).as_posix()
                yield Song(path, "" if relative == "." else relative)


def _listed(path: Path, out: Path) -> Iterator[Song]:
    """Yield what a list names, a path a line, from the list's own folder; # begins a remark."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        yield Song(path)  # Reading it as audio says what is wrong with it.
        return
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            yield from _named(str(path.parent / line.strip()), out)
