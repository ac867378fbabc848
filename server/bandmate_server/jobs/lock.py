"""One server per workdir: a lock that dies with the server and its workers."""

from __future__ import annotations

from pathlib import Path

from bandmate_server.errors import ServerError
from bandmate_server.results.locks import Locked, lock_file

WAIT_SECONDS = 10.0  # for the workers of a killed server to end


def lock_folder(folder: Path, name: str = ".lock", wait: float = WAIT_SECONDS) -> int:
    """Lock a folder and return the handle that holds the lock.

    Args:
        folder: that is there.
        name: of the lock: a server's own, or that of those who start one.
        wait: seconds for another process to let go of it.

    Raises:
        ServerError: if another server has it.
        OSError: if the folder cannot be written.
    """
    try:
        return lock_file(folder / name, wait)
    except Locked as error:
        raise ServerError(
            f"another server works in {folder}: stop it, or give this one its own --workdir"
        ) from error
