"""One server per workdir: a lock that dies with the server and its workers."""

from __future__ import annotations

import os
import time
from pathlib import Path

from bandmate_server.errors import ServerError

WAIT_SECONDS = 10.0  # for the workers of a killed server to end


def lock_folder(folder: Path, name: str = ".lock", wait: float = WAIT_SECONDS) -> int | None:
    """Lock a folder and return the handle that holds the lock.

    Args:
        folder: that is there.
        name: of the lock: a server's own, or that of those who start one.
        wait: seconds for another process to let go of it.

    Returns:
        None where the system has no such locks.

    Raises:
        ServerError: if another server has it.
        OSError: if the folder cannot be written.
    """
    try:
        import fcntl
    except ImportError:
        return None
    handle = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                os.close(handle)
                raise ServerError(
                    f"another server works in {folder}: stop it, or give this one its own --workdir"
                ) from error
            time.sleep(0.05)
