"""One writer for a place: who claims it first writes there, any other is refused at once.

A claim is a locked, hidden file beside the place, so that looking whether a result is there and
putting one there are one step, for all programs of this machine and where the file system's locks
reach further. It dies with its process, however that ends.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from bandmate_server.errors import OutputError
from bandmate_server.results.locks import Locked, lock_file


@contextlib.contextmanager
def claimed(place: Path) -> Iterator[None]:
    """Hold a place, a file or a folder, that may not be there yet.

    Raises:
        OutputError: if another process holds it, or its folder cannot be written.
    """
    place = Path(os.path.realpath(place))
    made = _make_parents(place)
    lock = place.with_name(f".bandmate-{place.name}.lock")
    if place.is_dir() and not os.access(place.parent, os.W_OK):
        lock = place / ".bandmate.lock"
    try:
        handle = _locked(lock, place)
        try:
            yield
        finally:
            _let_go(lock, handle)
    finally:
        with contextlib.suppress(OSError):  # Somebody else uses it by now.
            for folder in reversed(made):
                folder.rmdir()


def _make_parents(place: Path) -> list[Path]:
    """Make the folders above, and return those that are new."""
    missing = [folder for folder in place.parents if not folder.exists()][::-1]
    made = []
    try:
        for folder in missing:
            folder.mkdir(exist_ok=True)
            made.append(folder)
    except OSError as error:
        raise OutputError(f"cannot write to {place.parent}: {error.strerror}") from error
    return made


def _locked(lock: Path, place: Path) -> int:
    """Return the handle of a lock file that is ours alone, and still the one on the disk."""
    while True:
        try:
            handle = lock_file(lock, mode=0o644)
        except Locked as error:
            raise OutputError(
                f"another run is writing to {place}: wait for its end, or change --out"
            ) from error
        except OSError as error:
            raise OutputError(f"cannot write to {lock.parent}: {error.strerror}") from error
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), lock.stat()):
                return handle
        os.close(handle)


def _let_go(lock: Path, handle: int) -> None:
    """Remove the lock file while it is ours; Windows removes no open file."""
    if os.name == "posix":
        lock.unlink(missing_ok=True)
        os.close(handle)
    else:
        os.close(handle)
        with contextlib.suppress(OSError):  # Somebody else holds it by now.
            lock.unlink(missing_ok=True)
