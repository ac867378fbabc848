"""Command lines made of rows of the table of options; for `bandmate` and `bandmate-train`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import Any

from bandmate_server.errors import SettingsError
from bandmate_server.option_kinds import Kind
from bandmate_server.options import SAMPLING, Goal, Option

NOTES = {SAMPLING: "the defaults are what measured best"}
# Of these the table's default is filled in; the others stay None until somebody decides.
DECIDED: tuple[Goal, ...] = ("engine", "files", "report")


def argument_type(label: str, kind: Kind) -> Callable[[str], Any]:
    """Return what reads a word of a command line as a kind of value."""
    return _checked(lambda text: kind.read(label, kind.parse(text)))


def option_type(option: Option[Any]) -> Callable[[str], Any]:
    """Return what reads a word of a command line as an option's value."""
    return _checked(lambda text: option.read(option.kind.parse(text)))


def _checked(read: Callable[[str], Any]) -> Callable[[str], Any]:
    def checked(text: str) -> Any:
        try:
            return read(text)
        except SettingsError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return checked


def help_text(option: Option[Any], words: str = "") -> str:
    """Return an option's help, or other words, with its default."""
    default = f"; default: {option.shown_default}" if option.shown_default else ""
    return f"{words or option.help}{default}".replace("%", "%%")


def add_option(
    place: argparse._ActionsContainer, option: Option[Any], *, flag: str = "", words: str = ""
) -> None:
    """Add one option.

    Args:
        place: a parser, or a group of one.
        option: its row.
        flag: if it is called something else here, such as --part-steps.
        words: instead of the table's help, if it is for something more special here.
    """
    flag, text = flag or option.flag, help_text(option, words)
    default = option.default if option.goes in DECIDED else None
    if option.is_switch:
        place.add_argument(flag, action="store_true", help=text)
    else:
        place.add_argument(
            flag,
            type=option_type(option),
            required=option.required,
            default=default,
            metavar=option.kind.metavar,
            help=text,
        )


def add_value(
    place: argparse._ActionsContainer, flag: str, kind: Kind, words: str, default: object = None
) -> None:
    """Add an option that only one command has, and that is in no table.

    Args:
        place: a parser, or a group of one.
        flag: what it is called.
        kind: which values there are.
        words: its help, with what no default stands for.
        default: where it is not given.
    """
    text = words if default is None else f"{words}; default: {default}"
    label = flag.strip("-").replace("-", " ")
    place.add_argument(
        flag,
        type=argument_type(label, kind),
        default=default,
        metavar=kind.metavar,
        help=text.replace("%", "%%"),
    )


def add_options(parser: argparse.ArgumentParser, options: Iterable[Option[Any]]) -> None:
    """Add options under their headings."""
    groups: dict[str, argparse._ArgumentGroup] = {}
    for option in options:
        heading = option.group
        if heading not in groups:
            groups[heading] = parser.add_argument_group(heading, NOTES.get(heading))
        add_option(groups[heading], option)


def given(options: argparse.Namespace, rows: Iterable[Option[Any]], *goals: Goal) -> dict[str, Any]:
    """Return the values that a command line has for options that go to one of some places."""
    found = {row.name: getattr(options, row.name) for row in rows if row.goes in goals}
    return {name: value for name, value in found.items() if value is not None}
