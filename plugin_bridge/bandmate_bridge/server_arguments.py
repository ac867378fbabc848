"""The command line of `bandmate serve` and `bandmate send`."""

from __future__ import annotations

import argparse
from pathlib import Path

from bandmate_bridge.arguments import (
    Parser,
    _files,
    _reporting,
    _sampling,
    positive,
    seconds,
)
from bandmate_bridge.part_arguments import given_file, stem_name, stem_names
from bandmate_server.network import DEFAULT_HOST, DEFAULT_PORT

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
"""


def port_number(text: str) -> int:
    """Return a port from 0 (any free one) to 65535.

    Raises:
        argparse.ArgumentTypeError: if it is none.
    """
    if not text.strip().isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give 0 to 65535")
    return int(text)


def add_serve(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add `bandmate serve` to the command line."""
    parser = commands.add_parser(
        "serve",
        help="the server for DAWs: OSC over UDP and TCP",
        description="Take requests by OSC and do them one after the other, until Ctrl-C.",
        epilog=SERVE_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
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
    where.add_argument(
        "--keep",
        type=positive,
        metavar="DAYS",
        help="at the start, remove jobs that finished longer ago, with their stems; default: none",
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
    life.add_argument(
        "--idle-timeout",
        type=positive,
        metavar="SECONDS",
        help="end after so long without a job or a request for one; default: never, "
        f"and {ENSURED_IDLE} with --ensure",
    )
    engine = parser.add_argument_group("model and device")
    engine.add_argument(
        "--model", default="mini", metavar="NAME|PATH", help="default: mini, which is built in"
    )
    engine.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        action="append",
        help="one worker for each time it is given; default: auto",
    )
    engine.add_argument("--threads", type=positive, metavar="N", help="default: all cores")
    printed = parser.add_argument_group("what is printed")
    printed.add_argument("--json", action="store_true", help="one JSON object once it is ready")
    printed.add_argument("--verbose", action="store_true", help="log every request")


def add_send(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add `bandmate send` to the command line."""
    parser = commands.add_parser(
        "send",
        help="hand a request to a running server",
        description="Hand a request to a running `bandmate serve` and wait for its result.",
        epilog=SEND_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    separate = actions.add_parser("separate", help="stems of a song or region")
    separate.add_argument("input", metavar="INPUT", help="audio file, or put:NAME")
    add = actions.add_parser("add", help="stems that play to given ones")
    add.add_argument("stems", nargs="+", type=stem_names, metavar="STEM", help="such as guitar")
    fill = actions.add_parser("fill", help="a range of one stem anew")
    fill.add_argument("stem", type=stem_name, metavar="STEM", help="such as guitar")
    vary = actions.add_parser("vary", help="another take of a stem")
    vary.add_argument("source", type=given_file, metavar="[STEM=]FILE", help="the stem")
    vary.add_argument(
        "--strength", type=float, required=True, metavar="X", help="0: nearly the same, 1: all new"
    )
    for action, option in ((add, "--to"), (fill, "--in"), (vary, "--to")):
        action.add_argument(
            option,
            dest="given",
            nargs="+",
            type=given_file,
            required=action is not vary,
            default=[],
            metavar="[STEM=]FILE",
            help="what is there; backing=FILE is a mix; several files of one stem are summed",
        )
    generate = actions.add_parser("generate", help="stems out of nothing")
    generate.add_argument("--seconds", type=seconds, required=True, metavar="S", help="length")
    generate.add_argument("--rate", type=positive, metavar="HZ", help="default: 44100")
    generate.add_argument("--channels", type=positive, metavar="N", help="default: 1")
    for action in (add, fill, vary, generate):
        action.add_argument("--drafts", type=positive, metavar="N", help="keep the best of N")
        action.add_argument("--resample", type=positive, metavar="N", help="RePaint, N times")
    for action in (separate, generate):
        action.add_argument("--stems", type=stem_names, metavar="LIST", help="default: all")
    for action in (separate, add, fill, vary):
        action.add_argument("--start", type=seconds, metavar="S", help="seconds, or 1:04.250")
        action.add_argument("--end", type=seconds, metavar="S", help="likewise; default: the end")
    separate.add_argument("--render", choices=("mask", "vocoder"), help="default: mask")
    for action in (separate, add, fill, vary, generate):
        _add_job_options(action)
    status = actions.add_parser("status", help="how a job, or every job, is doing")
    status.add_argument("job", nargs="?", metavar="JOB")
    actions.add_parser("cancel", help="stop a job").add_argument("job", metavar="JOB")
    for action in actions.choices.values():
        server = action.add_argument_group("server")
        server.add_argument("--host", default=DEFAULT_HOST, metavar="ADDRESS")
        server.add_argument("--port", type=port_number, default=DEFAULT_PORT, metavar="N")
        server.add_argument("--token-file", type=Path, metavar="FILE")
        _reporting(action)


def _add_job_options(parser: Parser) -> None:
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="copy the results there; default: leave them there"
    )
    parser.add_argument(
        "--no-wait", dest="wait", action="store_false", help="print the job and leave it to itself"
    )
    parser.add_argument("--request", metavar="ID", help="the same ID never does a thing twice")
    mail = parser.add_argument_group("for a DAW")
    mail.add_argument("--track", metavar="NAME", help="what new tracks are named after")
    mail.add_argument(
        "--position", type=int, metavar="N", help="in samples: put the result into the mailbox"
    )
    _files(parser)
    _sampling(parser)
    # What is not said is the server's to decide.
    parser.set_defaults(format=None, solver=None, seed=None, takes=None)
