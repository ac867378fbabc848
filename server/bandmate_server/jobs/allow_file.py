"""Folders that a running server is asked to allow, in a file that only its own user can write.

`bandmate serve --ensure --allow FOLDER` writes `<workdir>/allow.json`: real paths, each with the
time when it was last asked for. The server reads it when it changes, and its workers before every
job. Only a server that this machine alone can reach does so: what others may read is what it was
started with.
"""

from __future__ import annotations

import json
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from bandmate_server.files import write_whole

ALLOW_FILE = "allow.json"
KEEP_SECONDS = 30 * 86_400  # that a folder stays allowed after it was last asked for

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class AllowFile:
    """What the file holds.

    folders: real path -> when it was last asked for, seconds since 1970.
    asked: when the file was last written, ns since 1970; 0 if there is none.
    """

    folders: dict[str, float]
    asked: int = 0

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folders that are still there, are no links, and were asked for of late."""
        oldest = time.time() - KEEP_SECONDS
        return tuple(
            Path(name) for name, at in self.folders.items() if at >= oldest and _real(name)
        )


def read_allow_file(workdir: Path) -> AllowFile:
    """Return what a workdir's file holds; nothing if it is not ours alone, or damaged."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        with os.fdopen(os.open(workdir / ALLOW_FILE, flags), "rb") as file:
            if not _only_ours(os.fstat(file.fileno())):
                return AllowFile({})
            held = json.load(file)
        folders = {str(name): float(at) for name, at in held["folders"].items()}
        return AllowFile(folders, int(held["asked"]))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return AllowFile({})


class AskedFolders:
    """A workdir's allow file as it was at the last look.

    Args:
        workdir: of the server.
    """

    def __init__(self, workdir: Path):
        self.file = AllowFile({})
        self._workdir = workdir
        self._stamp: tuple[int, int] | None = None

    def refresh(self) -> bool:
        """Read the file if it is another one than at the last look; return whether it is."""
        try:
            status = (self._workdir / ALLOW_FILE).lstat()
        except OSError:
            return False  # What was allowed stays so: nobody takes it back.
        stamp = status.st_ino, status.st_mtime_ns
        if stamp == self._stamp:
            return False
        self._stamp, self.file = stamp, read_allow_file(self._workdir)
        return True


def ask_to_allow(workdir: Path, folders: list[Path]) -> int:
    """Add folders to the file and return its new time, in ns since 1970.

    Args:
        workdir: of the server.
        folders: real paths.

    Raises:
        OSError: if it cannot be written.
    """
    held, now = read_allow_file(workdir), time.time()
    kept = {name: at for name, at in held.folders.items() if at >= now - KEEP_SECONDS}
    kept |= {str(folder): now for folder in folders}
    asked = max(time.time_ns(), held.asked + 1)
    # Names of files need not be text: JSON in ASCII keeps them as they are.
    text = json.dumps({"asked": asked, "folders": kept}, indent=1) + "\n"
    write_whole(workdir / ALLOW_FILE, text, mode=0o600)
    return asked


def _only_ours(status: os.stat_result) -> bool:
    if not stat.S_ISREG(status.st_mode):
        return False
    if not hasattr(os, "geteuid"):
        return True  # Windows: a user's folders are his own.
    return status.st_uid == os.geteuid() and not status.st_mode & _OTHERS_WRITE


def _real(name: str) -> bool:
    """Return whether a path still leads to the folder that it led to when it was asked for."""
    path = Path(name)
    try:
        return path.is_absolute() and path.is_dir() and path.resolve() == path
    except (OSError, RuntimeError, ValueError):
        return False
