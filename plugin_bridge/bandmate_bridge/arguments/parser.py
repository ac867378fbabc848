"""The command line of `bandmate`: all its commands."""

from __future__ import annotations

import argparse
import importlib.metadata

from bandmate_bridge.arguments.config import add_config
from bandmate_bridge.arguments.daw import add_daw
from bandmate_bridge.arguments.models import add_models
from bandmate_bridge.arguments.offline import add_batch, add_chains
from bandmate_bridge.arguments.parsing import Parser
from bandmate_bridge.arguments.parts import add_parts
from bandmate_bridge.arguments.separate import add_doctor, add_separate
from bandmate_bridge.arguments.server import add_send, add_serve
from bandmate_bridge.arguments.sound import add_capture, add_play

COMMANDS = (
    add_separate,
    add_doctor,
    add_models,
    add_config,
    add_parts,
    add_serve,
    add_send,
    add_daw,
    add_capture,
    add_play,
    add_batch,
    add_chains,
)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = Parser(
        prog="bandmate",
        description="Stems of a song on your own machine, sample-exact, for your DAW.",
        epilog="`bandmate COMMAND --help` explains a command, with examples.",
    )
    version = importlib.metadata.version("bandmate")
    parser.add_argument("--version", action="version", version=f"bandmate {version}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in COMMANDS:
        add(commands)
    return parser
