"""Ctrl-C, `kill` and a closed terminal: stop between two steps, with nothing half-written."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class Interrupt:
    """While entered, turns the first signal into a request to stop, and the second into a stop.

    `requested` is the request. Work that asks it (within `polled`) is left to
    stop by itself; other code is stopped by KeyboardInterrupt at once. A signal that the
    caller has us ignore (nohup) stays ignored.
    """

    def __init__(self) -> None:
        """Make an interrupt with nothing requested."""
        self._event = threading.Event()
        self._asked = False
        self._before: dict[int, Any] = {}

    def requested(self) -> bool:
        """Return whether the user has asked to stop."""
        return self._event.is_set()

    @contextlib.contextmanager
    def polled(self) -> Iterator[None]:
        """Run work that asks `requested` often, and so stops by itself."""
        self._asked = True
        try:
            yield
        finally:
            self._asked = False

    def __enter__(self) -> Interrupt:
        """Take the signals over."""
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._received)
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _received(self, number: int, frame: FrameType | None) -> None:
        first = not self._event.is_set()
        self._event.set()
        if not (first and self._asked):
            raise KeyboardInterrupt
