"""The command lines of `bandmate add`, `fill`, `vary` and `generate`."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bandmate_bridge.arguments import positive, seconds
from bandmate_server.spec import BACKING, STEMS

Given = tuple[str, Path]

ROLES = (*STEMS, BACKING)
_WORDS = re.compile(r"[a-z]+")

HELP = {
    "add": """\
examples:
  bandmate add guitar --to bass.wav drums.wav --out new
      writes new/guitar.wav, which plays to the two, and new/manifest.json
  bandmate add guitar piano --to bass=take3.wav drums=loop.flac --out new
      files whose names do not say what they are
  bandmate add drums --to backing=song.wav --out new --start 1:04 --end 1:20.5
      to a bounced mix; only that region, exactly as long
  bandmate add bass --to drums.wav piano.wav --out new --takes 3 --seed 7
      new/take-1/bass.wav to new/take-3/bass.wav

All files begin at the same moment. The new stems get the first file's rate and the most channels
of any; files at another rate are resampled for the model, shorter ones count as silent after
their end. A new stem is mono, the same in every channel, at the level it usually has in a band.
""",
    "fill": """\
examples:
  bandmate fill guitar --in guitar.wav bass.wav drums.wav --start 12 --end 14.5 --out fixed
      writes fixed/guitar.wav: those 2.5 s played anew, every other sample as it was
  bandmate fill piano --in piano=keys.wav backing=rest.wav --start 0:30 --end 0:34 --out fixed

Inside the range, fades of 20 ms lead from the old to the new.
""",
    "vary": """\
examples:
  bandmate vary bass.wav --strength 0.4 --to drums.wav piano.wav --out other
      writes other/bass.wav: another take of the same part, to the others
  bandmate vary guitar=solo.wav --strength 0.8 --out other --start 8 --end 16 --takes 3

0 is a light re-performance, 1 a free new part.
""",
    "generate": """\
examples:
  bandmate generate --seconds 20 --out idea
      writes idea/{bass,drums,guitar,piano}.wav
  bandmate generate --seconds 8 --stems drums,bass --out groove --seed 3 --rate 48000
""",
}


def stem_name(text: str) -> str:
    """Return the stem that a word names.

    Raises:
        argparse.ArgumentTypeError: if there is none of this name.
    """
    return _known(text.strip().lower(), STEMS)


def stem_names(text: str) -> tuple[str, ...]:
    """Return the stems of `drums,bass`.

    Raises:
        argparse.ArgumentTypeError: if one is unknown.
    """
    return tuple(stem_name(part) for part in text.split(","))


def given_file(text: str) -> Given:
    """Return (stem or "backing", file) of `STEM=FILE`, or of a file whose name says its stem.

    Raises:
        argparse.ArgumentTypeError: if the stem is unknown, or cannot be told.
    """
    name, equals, path = text.partition("=")
    if equals and not Path(text).exists():
        if not path:
            raise argparse.ArgumentTypeError(f"{text!r} names no file: write {name}=FILE")
        return _known(name.strip().lower(), ROLES), Path(path)
    words = set(_WORDS.findall(Path(text).stem.lower()))
    found = [role for role in ROLES if role in words]
    if len(found) != 1:
        raise argparse.ArgumentTypeError(
            f"cannot tell which stem {text!r} is: write for instance {STEMS[0]}={text}"
        )
    return found[0], Path(text)


def _known(name: str, names: tuple[str, ...]) -> str:
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    raise argparse.ArgumentTypeError(f"unknown stem {name!r}: {hint}There are {', '.join(names)}")


def add_parts(
    commands: argparse._SubParsersAction[Any],
    common: Sequence[Callable[[argparse.ArgumentParser], None]],
) -> None:
    """Add the four commands.

    Args:
        commands: of the whole command line.
        common: add the groups of options that all commands share.
    """
    add = _command(commands, "add", "add stems that play to given ones")
    add.add_argument("stems", nargs="+", type=stem_names, metavar="STEM", help=", ".join(STEMS))
    _given(add, "--to", "what the new stems play to; backing=FILE is a bounced mix", required=True)
    _region(add, "the region that gets a part")
    fill = _command(commands, "fill", "play a range of a stem anew, and keep the rest")
    fill.add_argument("stem", type=stem_name, metavar="STEM", help=", ".join(STEMS))
    _given(fill, "--in", "the stem itself, and what it plays to", required=True)
    _region(fill, "the range to play anew; one of its ends may be left out")
    vary = _command(commands, "vary", "another take of a stem that is there")
    vary.add_argument("source", type=given_file, metavar="[STEM=]FILE", help="the stem")
    vary.add_argument(
        "--strength",
        type=float,
        required=True,
        metavar="X",
        help="0, a light re-performance, to 1, a free new part",
    )
    _given(vary, "--to", "what the stem plays to", required=False)
    _region(vary, "the region that gets another take")
    generate = _command(commands, "generate", "stems made from nothing")
    generate.add_argument(
        "--seconds", type=seconds, required=True, metavar="S", help="length, or 1:04.250"
    )
    generate.add_argument(
        "--stems", type=stem_names, metavar="LIST", help="such as bass,drums; default: all four"
    )
    generate.add_argument("--rate", type=positive, default=44_100, metavar="HZ", help="44100")
    generate.add_argument("--channels", type=positive, default=1, metavar="N", help="default: 1")
    for parser in (add, fill, vary, generate):
        parser.add_argument(
            "--out", type=Path, required=True, metavar="DIR", help="files go to DIR/<stem>.wav"
        )
        for add_options in (_playing, *common):
            add_options(parser)


def _command(
    commands: argparse._SubParsersAction[Any], name: str, words: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=words,
        description=f"{words[0].upper()}{words[1:]}.",
        epilog=HELP[name],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return parser


def _given(parser: argparse.ArgumentParser, option: str, words: str, required: bool) -> None:
    parser.add_argument(
        option,
        dest="given",
        nargs="+",
        action="extend",
        type=given_file,
        required=required,
        default=None if required else [],
        metavar="[STEM=]FILE",
        help=words,
    )


def _region(parser: argparse.ArgumentParser, words: str) -> None:
    group = parser.add_argument_group(words)
    group.add_argument("--start", type=seconds, metavar="S", help="seconds, or 1:04.250")
    group.add_argument("--end", type=seconds, metavar="S", help="likewise; default: the end")


def _playing(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how the model plays (the defaults are the model's own)")
    group.add_argument("--steps", type=int, metavar="N", help="diffusion steps, 1 or more")
    group.add_argument("--solver", choices=("ddim", "dpm"), help="of the diffusion")
    group.add_argument(
        "--guidance",
        type=float,
        metavar="W",
        help="0: ignores what is given, 1: plays to it, above 1: exaggerates",
    )
    group.add_argument("--eta", type=float, metavar="E", help="fresh noise per step, 0 to 1 (ddim)")
    group.add_argument(
        "--resample", type=int, default=1, metavar="N", help="do every step N times (RePaint)"
    )
    group.add_argument(
        "--drafts",
        type=positive,
        metavar="N",
        help="make N of every take, keep the one that agrees best with what is given",
    )
    group.add_argument("--seed", type=int, default=0, metavar="N", help="same seed, same take")
    group.add_argument(
        "--takes",
        type=positive,
        default=1,
        metavar="N",
        help="N takes, with seeds from --seed on, in DIR/take-1 to take-N",
    )
