"""Which songs a batch is about: folders searched through, files, patterns and lists."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bandmate_bridge.batch.playlists import LISTS, read_playlist

AUDIO = {".wav", ".wave", ".bwf", ".rf64", ".flac", ".aif", ".aiff", ".aifc", ".mp3", ".ogg"}
AUDIO |= {".oga", ".opus", ".caf", ".w64"}
AUDIO |= {".au", ".snd", ".mp2", ".mp1", ".mpga", ".voc", ".gsm", ".sph", ".nist", ".ircam"}
# What sounds, and neither libsndfile nor we read: it is counted, so that nobody misses it.
UNREAD = {".m4a", ".m4b", ".mp4", ".aac", ".alac", ".wma", ".wv", ".ape", ".mpc", ".tta", ".spx"}
UNREAD |= {".ac3", ".dts", ".dsf", ".dff", ".mka", ".webm", ".amr", ".ra", ".rm", ".mid", ".midi"}
NAMED = 5  # files in one line at most
PACKED = {".mp3": 8.0, ".ogg": 8.0, ".oga": 8.0, ".opus": 10.0, ".flac": 1.7}  # times smaller


@dataclass(frozen=True)
class BatchItem:
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


def find_songs(
    inputs: list[str], out: Path, left_out: Callable[[Path], None] = lambda _: None
) -> list[BatchItem]:
    """Return the songs that the inputs name, each once, in a fixed order.

    Files that are named themselves are taken whatever they are, and even if missing; in
    folders, files with an audio ending that are neither hidden nor under `out`. Folders that
    links lead to are searched too, each folder once.

    Args:
        inputs: folders, files, patterns and lists.
        out: where results go.
        left_out: called with audio files in folders that cannot be read.
    """
    search = _Search(Path(os.path.realpath(out)), left_out)
    found: dict[Path, BatchItem] = {}
    for given in inputs:
        for song in search.named(given):
            found.setdefault(Path(os.path.normpath(song.path.absolute())), song)
    return list(found.values())


def say_left_out(paths: list[Path]) -> str:
    """Return a line that counts and names audio files that cannot be read."""
    endings = ", ".join(sorted({path.suffix.lower() for path in paths}))
    names = ", ".join(path.name for path in paths[:NAMED])
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    files = "1 file is" if len(paths) == 1 else f"{len(paths)} files are"
    hint = "convert them to WAV or FLAC first"
    return f"{files} left out, as {endings} cannot be read: {names}{more}; {hint}"


class _Search:
    """A search with what it has met: lists that may name each other, folders that links lead to."""

    def __init__(self, out: Path, left_out: Callable[[Path], None]):
        self._out, self._left_out = out, left_out
        self._lists: set[Path] = set()

    def named(self, given: str) -> Iterator[BatchItem]:
        path = Path(given)
        if path.is_dir():
            yield from self._searched(path)
        elif path.exists() or not glob.has_magic(given):
            if path.suffix.lower() in LISTS:
                yield from self._listed(path)
            else:
                yield BatchItem(path)
        else:
            for match in sorted(glob.glob(given, recursive=True)):  # noqa: PTH207 - as typed
                if Path(match).is_dir() or Path(match).suffix.lower() in AUDIO:
                    yield from self.named(match)

    def _searched(self, folder: Path) -> Iterator[BatchItem]:
        """Yield what lies under a folder: first what really does, then what links lead to."""
        met: set[tuple[int, int]] = set()
        waiting = [folder]
        while waiting:
            for place, folders, files in os.walk(waiting.pop(0)):
                here = Path(place)
                about = here.stat()
                if (about.st_dev, about.st_ino) in met:
                    folders.clear()
                    continue
                met.add((about.st_dev, about.st_ino))
                folders[:] = sorted(name for name in folders if self._wanted(here / name))
                waiting += [here / name for name in folders if (here / name).is_symlink()]
                yield from self._songs(here, sorted(files), folder)

    def _wanted(self, folder: Path) -> bool:
        return not folder.name.startswith(".") and Path(os.path.realpath(folder)) != self._out

    def _songs(self, here: Path, names: list[str], folder: Path) -> Iterator[BatchItem]:
        for path in (here / name for name in names if not name.startswith(".")):
            ending = path.suffix.lower()
            if ending in UNREAD:
                self._left_out(path)
            elif ending in AUDIO:
                relative = here.relative_to(folder).as_posix()
                yield BatchItem(path, "" if relative == "." else relative)

    def _listed(self, path: Path) -> Iterator[BatchItem]:
        """Yield what a list names, from the list's own folder."""
        entries = read_playlist(path)
        if entries is None:
            yield BatchItem(path)  # Reading it as audio says what is wrong with it.
        elif path.resolve() not in self._lists:
            self._lists.add(path.resolve())
            for entry in entries:
                yield from self.named(entry)
