"""The `bandmate` command: exit status 0 done, 1 failed, 2 wrong usage, 130 cancelled."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from bandmate_bridge.arguments.parser import build_parser
from bandmate_bridge.arguments.parsing import UsageError
from bandmate_bridge.terminal.console import (
    prepare_streams,
    print_error,
    print_json,
    print_note,
    reader_has_gone,
)
from bandmate_bridge.terminal.interrupts import Interrupt
from bandmate_server.errors import BandmateError, Cancelled

DONE, FAILED, USAGE, CANCELLED = 0, 1, 2, 130
PARTS = ("add", "fill", "vary", "generate")
PRINTING = (
    "doctor",
    "models",
    "config",
    "chains",
    "daw",
    "send",
)  # whose result is what they print
MODULES = {  # command -> the module whose `run` does it
    "separate": "separate",
    **dict.fromkeys(PARTS, "parts"),
    "transcribe": "transcribe",
    "batch": "batch",
    "chains": "chains",
    "serve": "serve",
    "send": "send",
    "daw": "daw",
    "capture": "capture",
    "play": "play",
    "doctor": "doctor",
    "models": "models",
    "config": "config",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process' own) and return its exit status."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    prepare_streams()
    wants_json = "--json" in arguments
    with Interrupt() as interrupt:
        try:
            options = build_parser().parse_args(arguments)
            status = _run(options, interrupt)
            lost = reader_has_gone() and options.command in PRINTING
            return FAILED if lost else status
        except UsageError as error:
            return _ended(USAGE, str(error), wants_json)
        except (Cancelled, KeyboardInterrupt):
            return _ended(CANCELLED, "cancelled", wants_json)
        except (BandmateError, OSError) as error:
            return _ended(FAILED, str(error), wants_json)


def _run(options: argparse.Namespace, interrupt: Interrupt) -> int:
    """Import the command that is run, and no other: `--help` and wrong usage answer at once."""
    module = importlib.import_module(f"bandmate_bridge.commands.{MODULES[options.command]}")
    status: int = module.run(options, interrupt)
    return status


def _ended(status: int, message: str, wants_json: bool) -> int:
    if status == CANCELLED:
        print_note(message)
    else:
        print_error(message)
    if wants_json:
        print_json({"ok": False, "error": message, "cancelled": status == CANCELLED})
    return status


if __name__ == "__main__":
    sys.exit(main())
