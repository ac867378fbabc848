"""What the command lines of `bandmate` are made of, beside the rows of the table of options."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn, TypeAlias

from bandmate_server.option_arguments import add_options
from bandmate_server.options import JSON, QUIET


class UsageError(Exception):
    """A command line that makes no sense; its text is one clear line."""


class Parser(argparse.ArgumentParser):
    """Raises UsageError where argparse would print and exit."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(f"{message} (see `{self.prog} --help`)")


Commands: TypeAlias = "argparse._SubParsersAction[Any]"


def add_command(
    commands: Commands, name: str, words: str, examples: str, description: str = ""
) -> argparse.ArgumentParser:
    """Add a command.

    Args:
        commands: where to.
        name: of the command.
        words: what it does, in the list of commands.
        examples: for its help, after everything else.
        description: for its help, if more is to be said than `words`.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=words,
        description=description or f"{words[0].upper()}{words[1:]}.",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return parser


def add_dawproject(place: argparse._ActionsContainer) -> None:
    """Add the option that writes a session for other DAWs."""
    place.add_argument(
        "--dawproject",
        nargs="?",
        const="inside",
        choices=("inside", "external"),
        help="write a DAWproject session too; its audio inside (default) or beside it",
    )


def add_printed(parser: argparse.ArgumentParser) -> None:
    """Add what says how a command reports, for those without a task."""
    add_options(parser, (JSON, QUIET))
