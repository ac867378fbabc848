"""When a server that nobody uses ends."""

from __future__ import annotations

import time

# Who only looks, as a DAW's timer does all day, does not keep a server alive.
LOOKING = (
    "/bandmate/hello",
    "/bandmate/status",
    "/bandmate/subscribe",
    "/bandmate/unsubscribe",
)


class IdleClock:
    """Measures how long there was neither a job nor a request for work.

    Args:
        limit: seconds of that after which the server ends; None: never.
    """

    def __init__(self, limit: float | None):
        self._limit = limit
        self._since = time.monotonic()

    def restart(self) -> None:
        """Begin to measure anew: something was asked for."""
        self._since = time.monotonic()

    def is_over(self, busy: bool) -> bool:
        """Return whether it is time to end; `busy` says that jobs wait or run."""
        if busy:
            self.restart()
        return self._limit is not None and time.monotonic() - self._since > self._limit
