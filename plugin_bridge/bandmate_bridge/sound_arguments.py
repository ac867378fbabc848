"""The command line of `bandmate capture` and `bandmate play`."""

from __future__ import annotations

import argparse
from pathlib import Path

from bandmate_bridge.arguments import Parser, _reporting, positive, seconds

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


def add_capture(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add `bandmate capture` to the command line."""
    parser = commands.add_parser(
        "capture",
        help="record a region from a sound device, such as a DAW's output",
        description="Record from a sound device (JACK, PipeWire, ALSA, ...) into a WAV file.",
        epilog=CAPTURE_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, metavar="FILE", help="a WAV file, 32-bit float")
    where.add_argument("--list", action="store_true", help="the devices there are")
    parser.add_argument("--seconds", type=seconds, metavar="S", help="default: until Ctrl-C")
    parser.add_argument("--channels", type=positive, default=2, metavar="N", help="default: 2")
    parser.add_argument("--rate", type=positive, metavar="HZ", help="default: the device's own")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")
    _add_device(parser)


def add_play(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add `bandmate play` to the command line."""
    parser = commands.add_parser(
        "play",
        help="hear stems together, with keys for solo and mute",
        description="Play all stems of a folder together.",
        epilog=PLAY_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder with stems")
    parser.add_argument("--solo", metavar="LIST", help="hear these alone, such as drums,bass")
    parser.add_argument("--mute", metavar="LIST", help="do not hear these")
    parser.add_argument("--start", type=seconds, metavar="S", help="seconds, or 1:04.250")
    _add_device(parser)


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        type=_device,
        metavar="NAME|N",
        help="a number or a part of a name, as `bandmate capture --list` shows them",
    )
    _reporting(parser)
