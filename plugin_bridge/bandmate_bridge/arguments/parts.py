"""The command lines of `bandmate add`, `fill`, `vary` and `generate`."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from bandmate_bridge.arguments.parsing import Commands, add_command
from bandmate_server.errors import SettingsError
from bandmate_server.option_arguments import add_options
from bandmate_server.option_kinds import known_stem
from bandmate_server.options import Task, options_of
from bandmate_server.spec import BACKING, STEMS

Given = tuple[str, Path]

ROLES = (*STEMS, BACKING)
_WORDS = re.compile(r"[a-z]+")

WORDS: dict[Task, str] = {
    "add": "add stems that play to given ones",
    "fill": "play a range of a stem anew, and keep the rest",
    "vary": "another take of a stem that is there",
    "generate": "stems made from nothing",
}
HELP: dict[Task, str] = {
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
      writes fixed/guitar.wav: those 2.5 s made again, every other sample as it was
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
    return _known(text, STEMS)


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
        return _known(name, ROLES), Path(path)
    words = set(_WORDS.findall(Path(text).stem.lower()))
    found = [role for role in ROLES if role in words]
    if len(found) != 1:
        raise argparse.ArgumentTypeError(
            f"cannot tell which stem {text!r} is: write for instance {STEMS[0]}={text}"
        )
    return found[0], Path(text)


def _known(text: str, names: tuple[str, ...]) -> str:
    try:
        return known_stem(text, names)
    except SettingsError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_parts(commands: Commands) -> None:
    """Add the four commands."""
    for task, words in WORDS.items():
        parser = add_command(commands, task, words, HELP[task])
        add_subject(parser, task)
        parser.add_argument(
            "--out", type=Path, required=True, metavar="DIR", help="files go to DIR/<stem>.wav"
        )
        add_options(parser, options_of(task, "command").values())


def add_subject(parser: argparse.ArgumentParser, task: Task) -> None:
    """Add what a part is made of and made for."""
    if task == "add":
        parser.add_argument(
            "stems", nargs="+", type=stem_names, metavar="STEM", help=", ".join(STEMS)
        )
        _add_given(parser, "--to", "what the new stems play to; backing=FILE is a bounced mix")
    elif task == "fill":
        parser.add_argument("stem", type=stem_name, metavar="STEM", help=", ".join(STEMS))
        _add_given(parser, "--in", "the stem itself, and what it plays to")
    elif task == "vary":
        parser.add_argument("source", type=given_file, metavar="[STEM=]FILE", help="the stem")
        _add_given(parser, "--to", "what the stem plays to", required=False)


def _add_given(
    parser: argparse.ArgumentParser, option: str, words: str, required: bool = True
) -> None:
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
