"""The command line of `bandmate`: options, their values and their help texts."""

from __future__ import annotations

import argparse
import difflib
import importlib.metadata
import math
import re
from pathlib import Path
from typing import NoReturn

from bandmate_server.spec import OTHER, STEMS

_CLOCK = re.compile(r"(?:(\d+):)?(\d+):([0-5]?\d(?:\.\d*)?)")

SEPARATE_HELP = """\
examples:
  bandmate separate song.wav --out stems
      writes stems/song/{bass,drums,guitar,piano,other}.wav and manifest.json
  bandmate separate song.flac --out stems --start 1:04 --end 1:20.5
      only that region: each file is exactly as long as the region
  bandmate separate song.wav --out stems --stems bass,drums
      bass and drums alone; everything else is in other.wav
  bandmate separate *.wav --out stems --format flac --bit-depth 24
"""
DOCTOR_HELP = """\
examples:
  bandmate doctor
  bandmate doctor --device cuda --json
"""
MODELS_HELP = """\
examples:
  bandmate models list
  bandmate models verify mini
  bandmate models add ~/Downloads/big-model
"""


class UsageError(Exception):
    """A command line that makes no sense; its text is one clear line."""


class Parser(argparse.ArgumentParser):
    """Raises UsageError where argparse would print and exit."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(f"{message} (see `{self.prog} --help`)")


def seconds(text: str) -> float:
    """Return the seconds that `12.5`, `1:04.250` or `1:02:03` stands for.

    Raises:
        argparse.ArgumentTypeError: if the text is no time, or before the beginning.
    """
    clock = _CLOCK.fullmatch(text.strip())
    if clock:
        hours, minutes, rest = clock.groups()
        return int(hours or 0) * 3600.0 + int(minutes) * 60.0 + float(rest)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time: give seconds (64.25) or minutes and seconds (1:04.250)"
        )
    return value


def stem_list(text: str) -> tuple[str, ...]:
    """Return the stems named in `bass,drums`, in the model's order, each once.

    Raises:
        argparse.ArgumentTypeError: if a name is unknown, or none but `other` is given.
    """
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in (*STEMS, OTHER):
            near = difflib.get_close_matches(name, (*STEMS, OTHER), n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}? " if near else ""
            raise argparse.ArgumentTypeError(
                f"unknown stem {name!r}: {hint}There are {', '.join((*STEMS, OTHER))}"
            )
    wanted = tuple(stem for stem in STEMS if stem in names)
    if not wanted:
        raise argparse.ArgumentTypeError(
            f"name at least one of {', '.join(STEMS)} ({OTHER}, all the rest, is always written)"
        )
    return wanted


def positive(text: str) -> int:
    """Return a whole number of at least one.

    Raises:
        argparse.ArgumentTypeError: if it is not.
    """
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _reporting(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is printed")
    group.add_argument("--json", action="store_true", help="one JSON object on stdout")
    group.add_argument("--quiet", action="store_true", help="warnings and errors only")


def _engine(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model and device")
    group.add_argument(
        "--model", default="mini", metavar="NAME|PATH", help="default: mini, which is built in"
    )
    group.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="default: auto, the GPU if it can be used",
    )
    group.add_argument("--threads", type=positive, metavar="N", help="default: all cores")


def _sampling(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how the model works (the defaults are what measured best)")
    group.add_argument(
        "--steps", type=int, metavar="N", help="diffusion steps; 0: masks straight from the model"
    )
    group.add_argument("--solver", choices=("ddim", "dpm"), default="ddim", help="default: ddim")
    group.add_argument("--guidance", type=float, metavar="W", help="1: follow the mix, no more")
    group.add_argument("--eta", type=float, metavar="E", help="fresh noise per step, 0 to 1 (ddim)")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="same seed, same take")
    group.add_argument(
        "--takes",
        type=positive,
        default=1,
        metavar="N",
        help="N takes, with seeds from --seed on, in DIR/take-1 to take-N",
    )


def _files(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("files written")
    group.add_argument("--format", choices=("wav", "flac"), default="wav", help="default: wav")
    group.add_argument(
        "--bit-depth",
        choices=("16", "24", "32f"),
        help="default: 32f (float, exact sums) for wav, 24 for flac",
    )
    group.add_argument("--force", action="store_true", help="replace a result that is there")


def _add_separate(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = commands.add_parser(
        "separate",
        help="split songs into bass, drums, guitar, piano and other",
        description="Split each INPUT into stems that line up with it to the sample and sum to it.",
        epilog=SEPARATE_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="audio files")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="stems go to DIR/<input name>/"
    )
    region = parser.add_argument_group("region and stems")
    region.add_argument("--start", type=seconds, metavar="S", help="seconds, or 1:04.250")
    region.add_argument("--end", type=seconds, metavar="S", help="likewise; default: the end")
    region.add_argument(
        "--stems", type=stem_list, metavar="LIST", help="such as bass,drums; default: all four"
    )
    region.add_argument(
        "--render",
        choices=("mask", "vocoder"),
        default="mask",
        help="mask: parts of the original, summing to it (default); vocoder: resynthesised, mono",
    )
    parser.add_argument(
        "--dawproject",
        nargs="?",
        const="inside",
        choices=("inside", "external"),
        help="write a DAWproject session too; its audio inside (default) or beside it",
    )
    for add_options in (_files, _engine, _sampling, _reporting):
        add_options(parser)


def _add_doctor(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = commands.add_parser(
        "doctor",
        help="what is used, how fast it is, and why anything is not used",
        description="Check devices, models and speed.",
        epilog=DOCTOR_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _engine(parser)
    _reporting(parser)


def _add_models(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = commands.add_parser(
        "models",
        help="list, verify and add models",
        epilog=MODELS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|verify|add")
    listing = actions.add_parser("list", help="the models that can be named")
    verify = actions.add_parser("verify", help="check hashes, graphs and shapes")
    verify.add_argument("models", nargs="*", metavar="NAME|PATH", help="default: all")
    add = actions.add_parser("add", help="verify a model's folder and copy it to your models")
    add.add_argument("path", type=Path, metavar="PATH", help="a folder with a bundle.json")
    add.add_argument("--force", action="store_true", help="replace a model of the same name")
    for action in (listing, verify, add):
        _reporting(action)


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
    _add_separate(commands)
    _add_doctor(commands)
    _add_models(commands)
    from bandmate_bridge.offline_arguments import add_batch, add_chains  # They take
    from bandmate_bridge.part_arguments import add_parts  # types from here.

    add_parts(commands, (_files, _engine, _reporting))
    from bandmate_bridge.server_arguments import add_send, add_serve  # They take types from here.

    add_serve(commands)
    add_send(commands)
    from bandmate_bridge.daw_arguments import add_daw

    add_daw(commands)
    from bandmate_bridge.sound_arguments import add_capture, add_play

    add_capture(commands)
    add_play(commands)
    add_batch(commands)
    add_chains(commands)
    return parser
