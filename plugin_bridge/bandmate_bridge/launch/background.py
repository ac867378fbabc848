"""A server in the background: it belongs to no terminal and outlives who started it."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from bandmate_bridge.arguments.server import ENSURED_IDLE
from bandmate_server.errors import ServerError

LOG = Path("log") / "server.log"
MAX_LOG = 5 << 20  # bytes, after which a new one is begun and the one before kept
PASSED_ON = ("port", "threads", "keep", "token_file")


class Background:
    """A server that was started.

    Args:
        process: its own.
        log: what it writes to.
        begin: bytes that were in there before.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path, begin: int):
        self._process, self._log, self._begin = process, log, begin

    @property
    def has_ended(self) -> bool:
        """Whether it has ended already."""
        return self._process.poll() is not None

    def last_words(self) -> str:
        """Return the last line that it wrote, and where the rest is."""
        with self._log.open("rb") as file:
            file.seek(self._begin)
            lines = file.read().decode("utf-8", "replace").split("\n")
        errors = [line for line in lines if line.startswith("bandmate: error: ")]
        status = self._process.poll()
        found = errors[-1].removeprefix("bandmate: error: ") if errors else f"status {status}"
        return f"{found} (see {self._log})"


def start_server(options: argparse.Namespace, workdir: Path) -> Background:
    """Start a server and return at once.

    Args:
        options: of `bandmate serve --ensure`; all but what concerns that alone are passed on.
        workdir: its own, where its log is put.

    Raises:
        ServerError: if the system refuses.
    """
    log = workdir / LOG
    try:
        log.parent.mkdir(exist_ok=True)
        if log.exists() and log.stat().st_size > MAX_LOG:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as out:
            begin = out.tell()
            process = subprocess.Popen(
                _command(options, workdir),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=workdir,  # No disk of a session stays in use.
                **_apart(),
            )
    except OSError as error:
        raise ServerError(f"cannot start a server: {error}") from error
    return Background(process, log, begin)


def _command(options: argparse.Namespace, workdir: Path) -> list[str]:
    command = [sys.executable, "-P", "-m", "bandmate_bridge.cli", "serve", "--json"]
    command += ["--workdir", str(workdir)]
    if options.model is not None:
        model = Path(options.model)
        command += ["--model", str(model.absolute() if len(model.parts) > 1 else model)]
    command += ["--idle-timeout", str(options.idle_timeout or ENSURED_IDLE)]
    for name in PASSED_ON:
        value = getattr(options, name)
        if value is not None:
            value = value.absolute() if isinstance(value, Path) else value
            command += ["--" + name.replace("_", "-"), str(value)]
    for device in options.device or []:
        command += ["--device", device]
    return command + ["--verbose"] * options.verbose


def _apart() -> dict[str, Any]:
    """Return what keeps a process apart from ours: session, signals, handles."""
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
        return {"creationflags": flags, "close_fds": True}
    # A DAW's threads block signals, and what they start inherits that.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    return {"start_new_session": True, "close_fds": True}
