"""The parent's side of `sound_child`: start it, read its events, end it whatever happens."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from typing import IO, Any

from bandmate_server.errors import SoundCardError

OPENING = 20.0  # seconds that a device may take to open
SILENCE = 3.0  # seconds without a sign of life, after which the device is taken for gone
GONE = "the sound device has gone silent: has its server been stopped, or the device unplugged?"


class SoundProcess:
    """A child process with a sound device; a context manager that ends it.

    Args:
        mode: record, play or list.
        device: a device's name, a part of it, or its number; None takes the default.
        channels: wanted.
        rate: Hz, or None for the device's own.

    Attributes: rate (Hz, once it is open) and lost (blocks that came too late).
    """

    def __init__(
        self, mode: str, device: str | int | None = None, channels: int = 2, rate: int | None = None
    ):
        self.mode, self.rate, self.lost = mode, 0, 0
        self._request = {"mode": mode, "device": device, "channels": channels, "rate": rate}
        self._text = b""
        self._last = 0.0

    def __enter__(self) -> SoundProcess:
        """Start the child and wait until its device is open.

        Raises:
            SoundCardError: if the device cannot be used; the text says what to do.
        """
        command = [sys.executable, "-m", "bandmate_bridge.sound.child", json.dumps(self._request)]
        pipe = subprocess.PIPE
        self._child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)
        try:
            self._open()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the child."""
        self.end()

    @property
    def samples_in(self) -> IO[bytes]:
        """Where samples to play go."""
        assert self._child.stdin is not None
        return self._child.stdin

    @property
    def samples_out(self) -> IO[bytes]:
        """Where recorded samples come from."""
        assert self._child.stdout is not None
        return self._child.stdout

    @property
    def events(self) -> IO[bytes]:
        """Where the child's events come from, to wait for them with others."""
        assert self._child.stderr is not None
        return self._child.stderr

    def alive(self) -> None:
        """Note a sign of life."""
        self._last = time.monotonic()

    def check(self) -> None:
        """Look for a sign of life.

        Raises:
            SoundCardError: if there was none for a while.
        """
        if time.monotonic() - self._last > SILENCE:
            raise SoundCardError(GONE)

    def read_events(self) -> list[dict[str, Any]]:
        """Return the events that are there; call it when `events` can be read.

        Raises:
            SoundCardError: if the child reports one, or has gone.
        """
        data = os.read(self.events.fileno(), 65536)
        *lines, self._text = (self._text + data).split(b"\n")
        found = [json.loads(line) for line in lines if line.startswith(b'{"event"')]
        for event in found:
            if event["event"] == "error":
                raise SoundCardError(event["message"])
            self.lost += event["event"] == "lost"
        if not data and not found:
            raise SoundCardError(GONE)
        self.alive()
        return found

    def end(self) -> None:
        """Kill the child: PortAudio may hang in everything else."""
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
            if pipe is not None:
                pipe.close()

    def _open(self) -> None:
        end = time.monotonic() + OPENING
        while time.monotonic() < end:
            if not select.select([self.events], [], [], 0.2)[0]:
                continue
            for event in self.read_events():
                if event["event"] == "open":
                    self.rate = round(event["rate"])
                    return
        raise SoundCardError(f"the sound device did not open within {OPENING:.0f} s")


def devices() -> list[dict[str, Any]]:
    """Return what PortAudio finds: number, name, api, inputs, outputs, rate (Hz).

    Raises:
        SoundCardError: if sound cannot be used at all.
    """
    child = SoundProcess("list")
    command = [sys.executable, "-m", "bandmate_bridge.sound.child", json.dumps(child._request)]
    try:
        done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=OPENING)
    except subprocess.TimeoutExpired as error:
        raise SoundCardError(f"PortAudio did not answer within {OPENING:.0f} s") from error
    for line in done.stderr.splitlines():
        if line.startswith('{"event"'):
            event = json.loads(line)
            if event["event"] == "devices":
                return list(event["devices"])
            raise SoundCardError(event["message"])
    raise SoundCardError(f"PortAudio ended with status {done.returncode}")
