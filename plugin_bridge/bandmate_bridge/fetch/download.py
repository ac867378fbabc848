"""A whole file from an address: resumed, checked, or not there at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bandmate_bridge.fetch.http import CUT, Answer, Changed, ask
from bandmate_server.errors import DownloadError
from bandmate_server.files import hash_file, read_json, write_json
from bandmate_server.results.locks import Locked, lock_file

BLOCK = 1 << 18  # bytes
ATTEMPTS = 3  # in a row without a byte
PAUSE = 1.0  # s before the next attempt
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

Report = Callable[[float], None]  # is called with the share that is done, 0..1


def download(url: str, target: Path, sha256: str, report: Report) -> None:
    """Fetch a file; one that was begun earlier goes on where it stopped.

    Until it is whole it lies beside its place, as `target`.part.

    Args:
        url: http or https.
        target: where it goes; its folder is made.
        sha256: hex, or its first digits; "" where there is nothing to compare with.
        report: called as it goes on.

    Raises:
        DownloadError: saying what is wrong and what to do.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = lock_file(target.with_name(f"{target.name}.lock"))
    except Locked as error:
        raise DownloadError(f"another bandmate fetches {target.name}: wait for it") from error
    except OSError as error:
        raise DownloadError(f"cannot write to {target.parent}: {error.strerror}") from error
    try:
        if not target.exists():
            part = _Part(url, target)
            part.fetch(report)
            check_hash(part.path, sha256, remove=True)
            part.finish()
    except OSError as error:
        raise DownloadError(_unwritable(error, target)) from error
    finally:
        os.close(lock)


def check_hash(path: Path, sha256: str, *, remove: bool) -> None:
    """Compare a file with a published checksum.

    Args:
        path: of the file.
        sha256: hex, or its first digits; "" compares with nothing.
        remove: whether a wrong file is removed.

    Raises:
        DownloadError: if it is another file.
        OSError: if it cannot be read.
    """
    if not sha256:
        return
    found = hash_file(path)
    if found.startswith(sha256):
        return
    if remove:
        path.unlink()
    gone = "it was removed: try again, or another --from" if remove else "it is left as it is"
    name = path.name.removesuffix(_Part.SUFFIX)
    raise DownloadError(
        f"{name} is not the published file: its sha256 begins with {found[:12]},"
        f" expected {sha256[:12]}; {gone}"
    )


class _Part:
    """What is there of a file so far, and of which version of it."""

    SUFFIX = ".part"

    def __init__(self, url: str, target: Path):
        self._url, self._target = url, target
        self.path = target.with_name(f"{target.name}{self.SUFFIX}")
        self._note = target.with_name(f"{target.name}{self.SUFFIX}.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def is_whole(self) -> bool:
        return self._noted().get("total") == self.size

    def fetch(self, report: Report) -> None:
        """Fetch what is missing, by several connections if they are cut."""
        failures = 0
        while not self.is_whole:
            before, why = self.size, "it ended too early"
            try:
                self._go_on(report)
            except Changed:
                self.drop()
            except CUT as error:
                why = str(error) or type(error).__name__
            failures = 0 if self.size > before else failures + 1
            if failures == ATTEMPTS:
                raise DownloadError(
                    f"the connection to {self._url} was cut ({why}) after {self.size / 1e6:.1f} MB:"
                    " the same command goes on from there"
                )
            if failures:
                time.sleep(PAUSE)

    def finish(self) -> None:
        """Put the whole file in its place."""
        self.path.replace(self._target)
        self._note.unlink(missing_ok=True)

    def drop(self) -> None:
        """Forget what was begun."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def _go_on(self, report: Report) -> None:
        """Make one request."""
        validator = str(self._noted().get("validator", ""))
        if not validator:
            self.drop()  # Nothing says whether it would be the rest of the same file.
        answer = ask(self._url, self.size, validator)
        with contextlib.closing(answer.body):
            if not answer.start:
                self.drop()
            note = {"url": self._url, "validator": answer.validator, "total": answer.total}
            write_json(self._note, note)
            self._check_space(answer)
            self._write(answer, report)
            if answer.total is None:  # Then the end of the body is all that says so.
                write_json(self._note, note | {"total": self.size})

    def _write(self, answer: Answer, report: Report) -> None:
        done = answer.start
        with self.path.open("r+b" if answer.start else "wb") as file:
            file.seek(answer.start)
            file.truncate()
            while block := answer.body.read(BLOCK):
                file.write(block)
                done += len(block)
                report(done / answer.total if answer.total else 0.0)

    def _check_space(self, answer: Answer) -> None:
        free = shutil.disk_usage(self.path.parent).free
        missing = (answer.total or 0) - answer.start
        if missing > free:
            raise DownloadError(
                f"the disk is full: {self._target.name} needs {missing / 1e6:.1f} MB in"
                f" {self.path.parent}, {free / 1e6:.1f} MB are free: make room there"
            )

    def _noted(self) -> dict[str, Any]:
        """Return what is known of the file that was begun, nothing if it was another."""
        try:
            note = read_json(self._note)
        except (OSError, ValueError):
            return {}
        return note if note.get("url") == self._url and self.size > 0 else {}


def _unwritable(error: OSError, target: Path) -> str:
    if error.errno in FULL:
        return (
            f"the disk is full: {target.name} cannot be written in {target.parent}:"
            " make room and give the same command again, it goes on from there"
        )
    return f"cannot write {target}: {error.strerror or error}"
