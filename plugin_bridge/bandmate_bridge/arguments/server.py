"""The command line of `bandmate serve` and `bandmate send`."""

from __future__ import annotations

import argparse
from pathlib import Path

from bandmate_bridge.arguments.parsing import Commands, add_command, add_printed
from bandmate_bridge.arguments.parts import PART_COMMANDS
from bandmate_server.option_arguments import (
    add_option,
    add_options,
    add_value,
    help_text,
    option_type,
)
from bandmate_server.option_kinds import Whole
from bandmate_server.options import (
    DEVICE,
    ENGINE,
    JSON,
    MODEL,
    PRINTED,
    THREADS,
    Task,
    options_of,
)
from bandmate_server.osc.network import DEFAULT_HOST, DEFAULT_PORT

ENSURED_IDLE = 3600  # s

SERVE_HELP = """\
examples:
  bandmate serve
      for DAWs on this machine; audio is read under the workdir only
  bandmate serve --allow ~/Music --allow ~/ardour
      files in these folders may be named too
  bandmate serve --host 0.0.0.0 --token-file ~/.bandmate-token
      for other machines: every request must carry the token
  bandmate serve --ensure --allow ~/ardour/song
      start one in the background, unless one runs, and come back when it answers
"""

SEND_HELP = """\
examples:
  bandmate send separate song.wav --out stems
      like `bandmate separate`, with the server's model, which is loaded already
  bandmate send separate song.wav --start 0:04 --end 0:12 --track Gtr --position 48000 --no-wait
      the stems go to the DAW by the server's mailbox
  bandmate send add guitar --to bass.wav drums.wav --out new
  bandmate send status
  bandmate send cancel JOB

Several files of one stem are summed: --to bass.wav drums=kick.wav drums=snare.wav
"""


def port_number(text: str) -> int:
    """Return a port from 0 (any free one) to 65535.

    Raises:
        argparse.ArgumentTypeError: if it is none.
    """
    if not text.strip().isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give 0 to 65535")
    return int(text)


def add_serve(commands: Commands) -> None:
    """Add `bandmate serve` to the command line."""
    parser = add_command(
        commands,
        "serve",
        "the server for DAWs: OSC over UDP and TCP",
        SERVE_HELP,
        "Take requests by OSC and do them one after the other, until Ctrl-C.",
    )
    where = parser.add_argument_group("where")
    where.add_argument(
        "--host", default=DEFAULT_HOST, metavar="ADDRESS", help=f"default: {DEFAULT_HOST}"
    )
    where.add_argument(
        "--port",
        type=port_number,
        metavar="N",
        help=f"default: {DEFAULT_PORT}; 0: any free one",
    )
    where.add_argument(
        "--workdir",
        type=Path,
        metavar="DIR",
        help="jobs and mailbox; default: $BANDMATE_WORKDIR or ~/.local/share/bandmate/work",
    )
    where.add_argument(
        "--allow",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a folder whose audio may be named in requests; may be given several times",
    )
    add_value(
        where,
        "--keep",
        Whole(1, metavar="DAYS"),
        "at the start, remove jobs that finished longer ago, with their stems; default: none",
    )
    where.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="holds what every request must carry; default: $BANDMATE_TOKEN",
    )
    life = parser.add_argument_group("how long")
    life.add_argument(
        "--ensure",
        action="store_true",
        help="start a server in the background unless one runs, have it allow these folders, "
        "and return; what DAWs call",
    )
    add_value(
        life,
        "--idle-timeout",
        Whole(1, metavar="SECONDS"),
        "end after so long without a job or a request for one; default: never, "
        f"and {ENSURED_IDLE} with --ensure",
    )
    engine = parser.add_argument_group(ENGINE)
    add_option(engine, MODEL)
    engine.add_argument(
        DEVICE.flag,
        type=option_type(DEVICE),
        action="append",
        metavar=DEVICE.kind.metavar,
        help=help_text(DEVICE, "one worker for each time it is given"),
    )
    add_option(engine, THREADS)
    printed = parser.add_argument_group(PRINTED)
    add_option(printed, JSON, words="one JSON object once it is ready")
    printed.add_argument("--verbose", action="store_true", help="log every request")


def add_send(commands: Commands) -> None:
    """Add `bandmate send` to the command line."""
    parser = add_command(
        commands,
        "send",
        "hand a request to a running server",
        SEND_HELP,
        "Hand a request to a running `bandmate serve` and wait for its result.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    separate = actions.add_parser("separate", help="stems of a song or region")
    separate.add_argument("input", metavar="INPUT", help="audio file, or put:NAME")
    _add_job(separate, "separate")
    for task, row in PART_COMMANDS.items():
        part = actions.add_parser(task, help=row.words)
        row.add_subject(part)
        _add_job(part, task)
    status = actions.add_parser("status", help="how a job, or every job, is doing")
    status.add_argument("job", nargs="?", metavar="JOB")
    cancel = actions.add_parser("cancel", help="stop a job")
    cancel.add_argument("job", metavar="JOB")
    for action in (status, cancel):
        add_printed(action)
    for action in actions.choices.values():
        server = action.add_argument_group("server")
        server.add_argument(
            "--host", default=DEFAULT_HOST, metavar="ADDRESS", help=f"default: {DEFAULT_HOST}"
        )
        server.add_argument(
            "--port",
            type=port_number,
            default=DEFAULT_PORT,
            metavar="N",
            help=f"default: {DEFAULT_PORT}",
        )
        server.add_argument(
            "--token-file", type=Path, metavar="FILE", help="default: $BANDMATE_TOKEN"
        )


def _add_job(parser: argparse.ArgumentParser, task: Task) -> None:
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="copy the results there; default: leave them there"
    )
    parser.add_argument(
        "--no-wait", dest="wait", action="store_false", help="print the job and leave it to itself"
    )
    parser.add_argument("--request", metavar="ID", help="the same ID never does a thing twice")
    add_options(parser, options_of(task, "send").values())
