"""Audio without a shared disk: files that come and go in pieces, and can go on where they broke.

A file being sent lies in `<workdir>/put/.<name>.<total>.part`, as long as what has come of it;
complete, it is renamed to `<workdir>/put/<name>`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import shutil
import time
from collections.abc import Collection
from pathlib import Path

from bandmate_server.errors import RequestError
from bandmate_server.files import hash_file
from bandmate_server.jobs.allowed_files import AllowedFolders, check_name
from bandmate_server.jobs.request import PUT
from bandmate_server.jobs.store import STEMS

MAX_TOTAL = 16 << 30  # bytes of one file
SPARE_DISK = 64 << 20  # bytes that stay free
STALE_SECONDS = 7 * 86_400  # after which a file is removed that no job waits for


class Transfers:
    """What /bandmate/put and /bandmate/get do.

    Args:
        workdir: the server's.
        waiting: files that jobs wait for, such as put:NAME; others go when they are old.

    Raises:
        OSError: if the folder for uploads cannot be made.
    """

    def __init__(self, workdir: Path, waiting: Collection[str] = ()):
        self._put, self._jobs = workdir / "put", workdir / "jobs"
        self._put.mkdir(parents=True, exist_ok=True)
        oldest = time.time() - STALE_SECONDS
        for file in self._put.iterdir():
            if file.lstat().st_mtime < oldest and f"{PUT}{file.name}" not in waiting:
                file.unlink(missing_ok=True)

    def put(self, name: str, offset: int, total: int, data: bytes) -> tuple[int, str]:
        """Take a piece of a file.

        Args:
            name: of the file.
            offset: of the piece, bytes.
            total: of the file, bytes.
            data: the piece; empty to ask how much is there.

        Returns:
            Bytes there so far, where the next piece goes; and the sha256 of this piece. A piece
            that is not the next one is not taken.

        Raises:
            RequestError: if it makes no sense, or there is no room.
        """
        final = self._put / check_name(name)
        part = self._put / f".{name}.{total}.part"
        if not 1 <= total <= MAX_TOTAL:
            raise RequestError(413, f"a file of {total} bytes: expected 1 to {MAX_TOTAL}")
        if offset < 0 or offset + len(data) > total:
            piece = f"{offset} to {offset + len(data)}"
            raise RequestError(400, f"bytes {piece} of {total}: expected a piece within the file")
        digest = hashlib.sha256(data).hexdigest()
        received = self._received(final, part, total)
        if not data or (received == total and offset > 0):
            return received, digest
        if received == total:
            received = 0  # The same name again from its start: a new file.
        if offset == received:
            received = self._append(part, offset, data)
            if received == total:
                self._finish(part, final)
        return received, digest

    def whole_hash(self, name: str) -> str:
        """Return the sha256 of a complete file; slow.

        Raises:
            RequestError: if it is not there.
        """
        try:
            return hash_file(self._find(name))
        except OSError as error:
            raise RequestError(404, f"{name} cannot be read: {error.strerror}") from error

    def get(self, name: str, offset: int, count: int) -> tuple[int, bytes]:
        """Return a file's size and a piece of it, empty from its end on.

        Args:
            name: `put:NAME`, or `JOB/` and a file of its stems.
            offset: of the piece, bytes.
            count: bytes at most.

        Raises:
            RequestError: if there is no such file.
        """
        if offset < 0 or count < 0:
            raise RequestError(400, f"{count} bytes from {offset}: expected 0 or more of both")
        path = self._find(name)
        try:
            with path.open("rb") as file:
                total = path.stat().st_size
                file.seek(min(offset, total))
                return total, file.read(count)
        except OSError as error:
            raise RequestError(404, f"{name} cannot be read: {error.strerror}") from error

    def _find(self, name: str) -> Path:
        if name.startswith(PUT):
            folder, rest = self._put.resolve(), check_name(name.removeprefix(PUT))
        else:
            job, _, rest = name.partition("/")
            folder = self._jobs.resolve() / check_name(job) / STEMS
        return AllowedFolders([folder]).resolve(str(folder / rest))

    @staticmethod
    def _received(final: Path, part: Path, total: int) -> int:
        with contextlib.suppress(OSError):
            return part.stat().st_size
        with contextlib.suppress(OSError):
            if final.stat().st_size == total:
                return total
        return 0

    def _append(self, part: Path, offset: int, data: bytes) -> int:
        """Write a piece at the end of what is there; all of it or nothing."""
        try:
            if shutil.disk_usage(self._put).free < len(data) + SPARE_DISK:
                raise OSError(errno.ENOSPC, "no space left on the device")
            with part.open("ab") as file:
                try:
                    file.write(data)
                    file.flush()
                except OSError:
                    file.truncate(offset)
                    raise
        except OSError as error:
            raise RequestError(507, f"cannot keep the file: {error.strerror}") from error
        return offset + len(data)

    @staticmethod
    def _finish(part: Path, final: Path) -> None:
        try:
            part.replace(final)
        except OSError as error:
            raise RequestError(507, f"cannot keep the file: {error.strerror}") from error
