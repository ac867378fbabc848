"""What the commands say: results on stdout, everything else in single lines on stderr."""

from __future__ import annotations

import json
import sys
from typing import Any


def one_line(text: object) -> str:
    """Return the text on one line, with control characters (also in file names) escaped."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in str(text))


def say(text: str) -> None:
    """Write one line of the result to stdout, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say_json(value: dict[str, Any]) -> None:
    """Write one JSON object to stdout, on one line."""
    say(json.dumps(value, allow_nan=False))


def warn(message: object) -> None:
    """Write one warning line to stderr."""
    sys.stderr.write(f"bandmate: warning: {one_line(message)}\n")
    sys.stderr.flush()


def fail(message: object) -> None:
    """Write one error line to stderr."""
    sys.stderr.write(f"bandmate: error: {one_line(message)}\n")
    sys.stderr.flush()


def note(message: object) -> None:
    """Write one line about the run itself to stderr."""
    sys.stderr.write(f"bandmate: {one_line(message)}\n")
    sys.stderr.flush()
