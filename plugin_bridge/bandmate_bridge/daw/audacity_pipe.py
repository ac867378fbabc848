"""Audacity's scripting pipes: a command goes out as a line, its reply comes back as lines.

Audacity makes two named pipes when its module mod-script-pipe is on. A reply ends with
"BatchCommand finished: OK" or "... Failed!" and an empty line. Audacity does a command when no
dialog is open, so a reply may never come.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import sys
import time
from typing import Any

from bandmate_bridge.daw.audacity import audacity_runs
from bandmate_server.errors import DawError

CONNECT_SECONDS = 5.0  # that Audacity may take between two clients
ANSWER_SECONDS = 20.0  # without a reply, after which a dialog is in its way
RETRY_SECONDS = 0.1
CHUNK = 1 << 16  # bytes
ENDS = ("from", "to")
END = b"BatchCommand finished: "
_BARE = re.compile(r'\\(?!")')  # a backslash that escapes no quote
SWITCH_ON = (
    "close it and run `bandmate daw install audacity`, or set mod-script-pipe to Enabled under "
    "Edit > Preferences > Modules and start Audacity again"
)


class AudacityPipe:
    """A connection to a running Audacity; a context manager.

    Raises:
        DawError: if Audacity does not run, or its pipes are switched off.
    """

    def __init__(self) -> None:
        self._reader, self._writer = _open_windows() if sys.platform == "win32" else _open_posix()

    def __enter__(self) -> AudacityPipe:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let Audacity go."""
        for handle in (self._writer, self._reader):
            with contextlib.suppress(OSError):
                os.close(handle)

    def ask(self, command: str, seconds: float = ANSWER_SECONDS, **values: object) -> str:
        """Have Audacity do a command and return what it replies.

        Args:
            command: its scripting name.
            seconds: that the reply may take.
            values: the command's parameters.

        Raises:
            DawError: if it fails, or Audacity does not answer.
        """
        line = " ".join(
            [f"{command}:", *(f"{name}={_text(value)}" for name, value in values.items())]
        )
        try:
            os.write(
                self._writer, line.encode() + (b"\r\n\0" if sys.platform == "win32" else b"\n")
            )
            reply = self._reply(time.monotonic() + seconds)
        except OSError as error:
            raise DawError(f"Audacity has closed its pipe: {error}") from error
        text, _, end = reply.rpartition(END)
        if not end.startswith(b"OK"):
            raise DawError(f"Audacity could not do `{line}`: {text.decode('utf-8', 'replace')}")
        return text.decode("utf-8", "replace").strip()

    def facts(self, kind: str) -> list[dict[str, Any]]:
        """Return what Audacity knows of its Tracks, Clips or Labels, as JSON values."""
        text = self.ask("GetInfo", Type=kind, Format="JSON")
        try:  # Audacity escapes quotes, and nothing else.
            found: list[dict[str, Any]] = json.loads(_BARE.sub(r"\\\\", text), strict=False)
        except ValueError as error:
            raise DawError(f"Audacity's answer makes no sense: {text[:200]}") from error
        return found

    def _reply(self, deadline: float) -> bytes:
        """Return the bytes up to a reply's end."""
        found = b""
        while True:
            end = found.rfind(END)
            if end >= 0 and found.endswith(b"\n") and b"\n" in found[end:]:
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise DawError(
                    "Audacity does not answer: close the dialog that is open in it, stop playing, "
                    "and try again"
                )
            if sys.platform != "win32" and not select.select([self._reader], [], [], left)[0]:
                continue
            data = os.read(self._reader, CHUNK)
            found += data
            if not data:
                raise DawError("Audacity has ended, or let go of its pipe")


def _text(value: object) -> str:
    """Return a value as it stands in a command."""
    if isinstance(value, float):
        return f"{value:.17g}"
    if not isinstance(value, str):
        return str(value)
    escaped = value.replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _open_posix() -> tuple[int, int]:
    """Open both pipes, which Audacity makes anew for every client.

    Raises:
        DawError: if nobody is at their other ends.
    """
    deadline = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            return _open_pair(*(f"/tmp/audacity_script_pipe.{end}.{os.getuid()}" for end in ENDS))
        except OSError as error:
            if time.monotonic() > deadline:
                raise DawError(_why()) from error
            time.sleep(RETRY_SECONDS)


def _open_pair(replies: str, commands: str) -> tuple[int, int]:
    """Open the pipe of replies, for whose reader Audacity waits, and that of commands.

    Raises:
        OSError: if Audacity is not waiting, or has just made them anew.
    """
    reader = os.open(replies, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    writer = None
    try:
        writer = os.open(commands, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if not os.path.samestat(os.fstat(reader), os.stat(replies)):  # noqa: PTH116 - a pair
            raise FileNotFoundError(f"{replies} was made anew")
    except OSError:
        os.close(reader)
        if writer is not None:
            os.close(writer)
        raise
    return reader, writer


def _open_windows() -> tuple[int, int]:
    """Open both named pipes (written to Audacity's documentation; not tried on Windows).

    Raises:
        DawError: if they are not there.
    """
    handles = []
    try:
        for name, way in (("FromSrvPipe", os.O_RDONLY), ("ToSrvPipe", os.O_WRONLY)):
            handles.append(os.open(rf"\\.\pipe\{name}", way | getattr(os, "O_BINARY", 0)))
    except OSError as error:
        for handle in handles:
            os.close(handle)
        raise DawError(_why()) from error
    return handles[0], handles[1]


def _why() -> str:
    """Return why there are no pipes, as far as can be told."""
    if audacity_runs() is False:
        return "Audacity is not running: start it, and select a part of a track"
    return (
        f"Audacity has no pipe for commands: {SWITCH_ON}; if it is on, start Audacity again "
        "all the same, as its first start with new plug-ins leaves a broken pipe"
    )
