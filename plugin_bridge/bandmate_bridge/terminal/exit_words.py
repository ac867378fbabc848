"""How a process ended, in words."""

from __future__ import annotations

import signal


def exit_words(code: int | None) -> str:
    """Return the signal's name or the exit status of a process, for an error message."""
    if code is not None and -code in {number.value for number in signal.Signals}:
        return signal.Signals(-code).name
    return f"exit status {code}"
