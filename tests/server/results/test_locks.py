"""Locks between processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import portalocker
import pytest

from bandmate_server.results.locks import Locked, lock_file, share_lock

HOLD = """
import sys
from pathlib import Path
from bandmate_server.results.locks import lock_file
lock_file(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_lock_keeps_others_out_until_its_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], **pipes) as other:  # type: ignore[call-overload]
        assert other.stdout.readline() == b"held\n"
        began = time.monotonic()
        with pytest.raises(Locked, match=r"\.lock"):
            lock_file(path, wait=0.2)
        assert time.monotonic() - began >= 0.2
        other.kill()
        other.wait()
    os.close(lock_file(path, wait=5.0))


@pytest.mark.skipif(os.name != "posix", reason="Windows shares no locks")
def test_a_shared_lock_lets_sharers_in_and_keeps_others_out(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    driver = lock_file(path)
    share_lock(driver)
    with path.open("w") as worker:
        share_lock(worker.fileno())
        os.close(driver)
        with pytest.raises(Locked):
            lock_file(path)
    os.close(lock_file(path))


def test_a_file_system_without_locks_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise portalocker.LockException("no locks available")

    monkeypatch.setattr(portalocker, "lock", refuse)
    os.close(lock_file(tmp_path / ".lock"))


def test_a_folder_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        lock_file(tmp_path / "no" / ".lock")
