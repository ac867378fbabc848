"""The command line of `bandmate capture` and `bandmate play`."""

from __future__ import annotations

import argparse
from pathlib import Path

from bandmate_bridge.arguments.parsing import Commands, add_command, add_printed
from bandmate_server.option_arguments import add_option, add_value
from bandmate_server.option_kinds import Seconds, Whole
from bandmate_server.options import FORCE, START

CAPTURE_HELP = """\
examples:
  bandmate capture --list
  bandmate capture --out region.wav
      until Ctrl-C
  bandmate capture --out region.wav --seconds 12 --device pulse --channels 1
"""
PLAY_HELP = """\
examples:
  bandmate play stems/song
  bandmate play stems/song --solo drums,bass --start 0:42
keys: 1 to 9 solo a stem, q to o mute it, space pauses, comma and dot jump 5 s, 0 lets all be
heard, x ends
"""


def _device(text: str) -> str | int:
    return int(text) if text.isdecimal() else text


def add_capture(commands: Commands) -> None:
    """Add `bandmate capture` to the command line."""
    parser = add_command(
        commands,
        "capture",
        "record a region from a sound device, such as a DAW's output",
        CAPTURE_HELP,
        "Record from a sound device (JACK, PipeWire, ALSA, ...) into a WAV file.",
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, metavar="FILE", help="a WAV file, 32-bit float")
    where.add_argument("--list", action="store_true", help="the devices there are")
    add_value(parser, "--seconds", Seconds(0.0), "how long, such as 12; default: until Ctrl-C")
    add_value(parser, "--channels", Whole(1), "how many", 2)
    add_value(parser, "--rate", Whole(1, metavar="HZ"), "default: the device's own")
    add_option(parser, FORCE, words="replace a file that is there")
    _add_device(parser)


def add_play(commands: Commands) -> None:
    """Add `bandmate play` to the command line."""
    parser = add_command(
        commands,
        "play",
        "hear stems together, with keys for solo and mute",
        PLAY_HELP,
        "Play all stems of a folder together.",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder with stems")
    parser.add_argument("--solo", metavar="LIST", help="hear these alone, such as drums,bass")
    parser.add_argument("--mute", metavar="LIST", help="do not hear these")
    add_option(parser, START)
    _add_device(parser)


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        type=_device,
        metavar="NAME|N",
        help="a number or a part of a name, as `bandmate capture --list` shows them",
    )
    add_printed(parser)
