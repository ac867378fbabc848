"""One batch at a time in a folder, its workers included.

The driver takes the lock for itself and then shares it with its workers: should it be killed, the
next batch waits until the last of them has ended.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bandmate_server.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows has no such locks; there nobody stops a second batch.
    fcntl = None  # type: ignore[assignment]

NAME = ".bandmate-batch.lock"
WAIT_SECONDS = 30.0  # for a batch that is just ending


@contextmanager
def folder_lock(out: Path) -> Iterator[None]:
    """Hold a folder for this process; the lock goes with it, however it ends.

    Raises:
        OutputError: if another batch holds it, or the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        file = (out / NAME).open("w")
    except OSError as error:
        raise OutputError(f"cannot write to {out}: {error.strerror}") from error
    with file:
        if fcntl is not None:
            deadline = time.monotonic() + WAIT_SECONDS
            while not _taken(file.fileno()):
                if time.monotonic() > deadline:
                    raise OutputError(f"another batch is writing to {out}")
                time.sleep(0.1)
            fcntl.flock(file, fcntl.LOCK_SH)
        yield


@contextmanager
def shared_lock(out: Path) -> Iterator[None]:
    """Hold, in a worker, the lock that the driver shares."""
    with (out / NAME).open("w") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_SH)
        yield


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
