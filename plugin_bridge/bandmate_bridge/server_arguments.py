"""The command line of `bandmate serve`."""

from __future__ import annotations

import argparse
from pathlib import Path

from bandmate_bridge.arguments import Parser, positive

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 9123

SERVE_HELP = """\
examples:
  bandmate serve
      for DAWs on this machine; audio is read under the workdir only
  bandmate serve --allow ~/Music --allow ~/ardour
      files in these folders may be named too
  bandmate serve --host 0.0.0.0 --token-file ~/.bandmate-token
      for other machines: every request must carry the token
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
        default=DEFAULT_PORT,
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
        "--token-file",
        type=Path,
        metavar="FILE",
        help="holds what every request must carry; default: $BANDMATE_TOKEN",
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
