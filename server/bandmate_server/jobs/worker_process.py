"""The server's end of a worker: starts the process, passes orders, reads messages."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from bandmate_server.jobs.worker import WorkerSettings

LINE_LIMIT = 4 << 20  # bytes of one message

_logger = logging.getLogger(__name__)

OnEvent = Callable[["WorkerProcess", dict[str, Any]], None]


class WorkerProcess:
    """A worker that is started when it is needed, and again after it died.

    Args:
        settings: what it is started with.
        lock: file handle that it keeps open, so that a workdir stays locked while it lives.
        message: called with what it says, and {"event": "gone", "status"} when it ends.
    """

    def __init__(self, settings: WorkerSettings, lock: int, message: OnEvent):
        self.job: str | None = None
        self.model, self.provider = "", "starting"
        self._settings, self._lock, self._message = settings, lock, message
        self._process: asyncio.subprocess.Process | None = None
        self._listener: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Start the process unless it runs.

        Raises:
            OSError: if the system refuses.
        """
        async with self._starting:
            if self._process is not None:
                return
            command = [
                sys.executable,
                "-m",
                "bandmate_server.jobs.worker",
                self._settings.to_argument(),
            ]
            pipe = asyncio.subprocess.PIPE
            locks = (self._lock,) if os.name == "posix" else ()
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=pipe, stdout=pipe, limit=LINE_LIMIT, pass_fds=locks
            )
            self._listener = asyncio.create_task(self._listen(self._process))

    async def do(self, job: str) -> None:
        """Have it do a job; it must be free.

        Raises:
            OSError: if it cannot be started.
        """
        self.job = job
        await self.start()
        self._order({"do": job})

    def cancel(self, job: str) -> None:
        """Ask it to stop a job between two steps."""
        self._order({"cancel": job})

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def stop(self) -> None:
        """End the process and wait for its end."""
        async with self._starting:
            self.kill()
        if self._listener is not None:
            await self._listener

    def _order(self, order: dict[str, str]) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write((json.dumps(order) + "\n").encode())

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            try:
                message = json.loads(line)
            except ValueError:
                _logger.error("a worker said %.200r", line)
                continue
            if message["event"] == "ready":
                self.model, self.provider = message["model"], message["provider"]
            self._message(self, message)
        status = await process.wait()
        self._process, self.provider = None, "starting"
        self._message(self, {"event": "gone", "status": status})
