"""Audio from standard input and other pipes, read to a temporary file first.

A pipe can be read once and forwards; finding out what is in it, its hash, its tags and its audio
takes several readings.
"""

from __future__ import annotations

import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bandmate_server.errors import AudioError
from bandmate_server.results.folder import scratch_folder

STDIN = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
BLOCK = 1 << 20  # bytes


def input_name(path: Path) -> Path:
    """Return the name that results of an input get theirs from: for a pipe one that says so."""
    if str(path) in STDIN:
        return Path("stdin")
    if path.parent.name == "fd" and path.name.isdecimal():  # bash's <(...)
        return Path(f"pipe-{path.name}")
    return path


class PipedInputs:
    """The regular files that stand for what is given; a context manager.

    Args:
        out: where results go: what comes out of a pipe is kept on the same disk, until the end.
        note: called with a line for the user when a pipe is read.
    """

    def __init__(self, out: Path, note: Callable[[str], None]):
        self._out, self._note = out, note
        self._folder: Path | None = None
        self._known: dict[Path, Path] = {}

    def __enter__(self) -> PipedInputs:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was read."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def file(self, path: Path) -> Path:
        """Return the path itself, or for a pipe that of a file with all that came out of it.

        Raises:
            AudioError: if nothing can be read from it, or kept.
        """
        if path in self._known:
            return self._known[path]
        if not is_pipe(path):
            return path
        if str(path) in STDIN and sys.stdin is not None and sys.stdin.isatty():
            raise AudioError("standard input is a terminal: pipe audio into it, or name a file")
        self._note(f"reading {input_name(path)} to its end")
        try:
            self._known[path] = self._kept(path)
        except OSError as error:
            raise AudioError(f"cannot read {path} to a file: {error.strerror}") from error
        return self._known[path]

    def _kept(self, path: Path) -> Path:
        if self._folder is None:
            made = tempfile.mkdtemp(prefix=".bandmate-pipe-", dir=scratch_folder(self._out))
            self._folder = Path(made)
        kept = self._folder / input_name(path).name
        source = Path("/dev/stdin") if str(path) == "-" else path
        with source.open("rb") as pipe, kept.open("wb") as file:
            shutil.copyfileobj(pipe, file, BLOCK)
        return kept


def is_pipe(path: Path) -> bool:
    """Whether a path names standard input, a pipe or a device."""
    if str(path) == "-":
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)
