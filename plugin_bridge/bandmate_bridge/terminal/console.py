"""What the commands say: results on stdout, everything else in single lines on stderr."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from threading import Event
from typing import Any

_READER_GONE = Event()


def one_line(text: object) -> str:
    """Return the text on one line, with control characters (also in file names) escaped."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in str(text))


def prepare_streams() -> None:
    """Give stdout and stderr what every line can be written to.

    A process that was started without one (`>&-`) has None there; its lines go nowhere, and no
    file that is opened later takes the stream's place. File names need not be text of this
    terminal.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def print_result(text: str) -> None:
    """Write one line of the result to stdout, at once.

    Where whoever read it has gone (`bandmate ... | head`), the work goes on without.
    """
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _READER_GONE.set()
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def reader_has_gone() -> bool:
    """Whether a line of the result found nobody who reads it."""
    return _READER_GONE.is_set()


def print_json(value: dict[str, Any]) -> None:
    """Write one JSON object to stdout, on one line."""
    print_result(json.dumps(value, allow_nan=False))


def print_warning(message: object) -> None:
    """Write one warning line to stderr."""
    _tell(f"bandmate: warning: {one_line(message)}\n")


def print_error(message: object) -> None:
    """Write one error line to stderr."""
    _tell(f"bandmate: error: {one_line(message)}\n")


def print_note(message: object) -> None:
    """Write one line about the run itself to stderr."""
    _tell(f"bandmate: {one_line(message)}\n")


def _tell(line: str) -> None:
    """Write to stderr; where nobody reads it any more, the work goes on all the same."""
    with contextlib.suppress(OSError):
        sys.stderr.write(line)
        sys.stderr.flush()
