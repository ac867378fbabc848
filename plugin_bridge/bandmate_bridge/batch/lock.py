"""One batch at a time in a folder, its workers included.

The driver takes the lock for itself and then shares it with its workers: should it be killed, the
next batch waits until the last of them has ended.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bandmate_server.errors import OutputError
from bandmate_server.results.locks import Locked, lock_file, share_lock

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
        handle = lock_file(out / NAME, WAIT_SECONDS, mode=0o666)
    except Locked as error:
        raise OutputError(f"another batch is writing to {out}") from error
    except OSError as error:
        raise OutputError(f"cannot write to {out}: {error.strerror}") from error
    try:
        share_lock(handle)
        yield
    finally:
        os.close(handle)


@contextmanager
def shared_lock(out: Path) -> Iterator[None]:
    """Hold, in a worker, the lock that the driver shares."""
    with (out / NAME).open("w") as file:
        share_lock(file.fileno())
        yield
