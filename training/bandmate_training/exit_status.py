"""How a command ends: its exit status, and one line on stderr where it did not go well."""

from __future__ import annotations

import sys
from collections.abc import Callable

from bandmate_server.errors import BandmateError


def exit_status(program: str, run: Callable[[], int | None]) -> int:
    """Run a command; return 0 or what it returns, 1 for an error, 130 for Ctrl-C."""
    try:
        return run() or 0
    except BandmateError as error:
        sys.stderr.write(f"{program}: error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"{program}: cancelled\n")
        return 130
