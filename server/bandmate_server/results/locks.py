"""Locks between processes, on files; one goes with its process, however that ends."""

from __future__ import annotations

import os
import time
from pathlib import Path

import portalocker

RETRY_SECONDS = 0.05


class Locked(Exception):
    """Another process holds a lock."""


def lock_file(path: Path, wait: float = 0.0, mode: int = 0o600) -> int:
    """Lock a file for this process alone.

    Args:
        path: made if it is missing.
        wait: seconds for another process to let go of it.
        mode: permissions of a new file.

    Returns:
        The handle that holds the lock, for `os.close`. On POSIX a child that inherits it holds the
        lock as well. Where the file system has no locks nobody is kept out.

    Raises:
        Locked: if another process holds it.
        OSError: if the file cannot be opened.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, mode)
    deadline = time.monotonic() + wait
    while True:
        try:
            portalocker.lock(handle, portalocker.LOCK_EX | portalocker.LOCK_NB)
            return handle
        except portalocker.AlreadyLocked as error:
            if time.monotonic() >= deadline:
                os.close(handle)
                raise Locked(f"another process holds {path}") from error
        except portalocker.LockException:
            return handle
        time.sleep(RETRY_SECONDS)


def share_lock(handle: int) -> None:
    """Hold a lock together with others that share it; on Windows it stays as it is.

    Children that open the file for themselves hold it so, for as long as any of them runs.
    """
    if os.name == "posix":
        portalocker.lock(handle, portalocker.LOCK_SH)
