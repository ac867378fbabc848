"""One batch at a time in a folder."""

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
WAIT_SECONDS = 5.0  # for a batch that is just ending


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
        yield


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
