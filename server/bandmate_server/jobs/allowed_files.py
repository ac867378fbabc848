"""Which files a peer may name: those under the allowed folders, wherever links lead."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from bandmate_server.errors import RequestError
from bandmate_server.jobs.request import PUT

MAX_SHOWN = 300  # characters of a path in an error


class AllowedFolders:
    """The folders whose files may be read.

    Args:
        folders: they need not exist yet.
    """

    roots: list[Path]  # real paths

    def __init__(self, folders: list[Path]):
        self.allow(folders)

    def allow(self, folders: list[Path]) -> None:
        """Allow these folders from now on, and no others."""
        self.roots = [folder.resolve() for folder in folders]

    def resolve(self, text: str) -> Path:
        """Return the real path of a file that a peer names.

        Raises:
            RequestError: 400 if it is no absolute path, 403 if it lies outside of the allowed
                folders (through links and `..` too), 404 if there is no such file.
        """
        if not text.isprintable() or not text:
            raise RequestError(
                400, f"{text[:MAX_SHOWN]!r} is no path: expected printable characters"
            )
        path, text = Path(text), text[:MAX_SHOWN]
        if not path.is_absolute():
            raise RequestError(400, f"{text!r} is not absolute: expected a whole path or put:NAME")
        try:
            real = path.resolve()
        except (OSError, RuntimeError) as error:  # A loop of links, a name that is too long.
            raise RequestError(403, f"{text} cannot be followed: {error}") from error
        self._check(real, text)
        try:
            mode = real.stat().st_mode
        except OSError as error:
            raise RequestError(404, f"{text} cannot be read: {error.strerror}") from error
        if not stat.S_ISREG(mode):
            raise RequestError(400, f"{text} is not a file")
        return real

    @contextlib.contextmanager
    def open(self, text: str) -> Iterator[tuple[Path, BinaryIO]]:
        """Open a file and check again that what was opened is allowed.

        A link that is swapped between check and opening leads to another file than the
        path does afterwards, and is found out.

        Raises:
            RequestError: as `resolve`.
        """
        real = self.resolve(text)
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            handle = os.open(real, flags | getattr(os, "O_NOFOLLOW", 0))
        except OSError as error:
            raise RequestError(404, f"{text} cannot be read: {error.strerror}") from error
        with os.fdopen(handle, "rb") as file:
            opened = os.fstat(handle)
            now = self.resolve(text)
            there = now.stat(follow_symlinks=False)
            if not stat.S_ISREG(opened.st_mode) or not os.path.samestat(opened, there):
                raise RequestError(403, f"{text} changed while it was opened")
            yield now, file

    def _check(self, real: Path, text: str) -> None:
        if not any(real.is_relative_to(root) for root in self.roots):
            raise RequestError(
                403, f"{text} is outside of the allowed folders: start the server with --allow"
            )


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*")


def check_name(name: str) -> str:
    """Return the name of a file that was or will be put.

    Raises:
        RequestError: 403 if it could mean anything else.
    """
    if len(name) > 100 or not NAME.fullmatch(name):
        raise RequestError(
            403, f"{name[:100]!r} is no name: expected up to 100 of A-Z a-z 0-9 _ - and single dots"
        )
    return name


class ServerFiles:
    """Opens what a request names: a path, or put:NAME.

    Args:
        workdir: the server's.
        allowed: folders for paths.
    """

    def __init__(self, workdir: Path, allowed: AllowedFolders):
        self._put, self._allowed = workdir / "put", allowed
        self._put_only = AllowedFolders([self._put])

    def resolve(self, text: str) -> Path:
        """Return the real path.

        Raises:
            RequestError: if it is not allowed, or not there.
        """
        if text.startswith(PUT):
            return self._put_only.resolve(self._put_path(text))
        return self._allowed.resolve(text)

    def open(self, text: str) -> AbstractContextManager[tuple[Path, BinaryIO]]:
        """Open it for reading, checking again what was opened.

        Raises:
            RequestError: as `resolve`.
        """
        if text.startswith(PUT):
            return self._put_only.open(self._put_path(text))
        return self._allowed.open(text)

    def _put_path(self, text: str) -> str:
        return str(self._put.resolve() / check_name(text.removeprefix(PUT)))
