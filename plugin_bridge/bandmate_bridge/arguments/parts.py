"""The command lines of `bandmate add`, `fill`, `vary` and `generate`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bandmate_bridge.arguments.parsing import Commands, add_command, add_printed
from bandmate_server.errors import SettingsError
from bandmate_server.option_arguments import add_option, add_options
from bandmate_server.option_kinds import known_stem
from bandmate_server.options import ENGINE, FORCE, Task, in_group, options_of
from bandmate_server.spec import BACKING

Given = tuple[str, Path]

STEM_HELP = "such as bass; which there are is the model's to say"
_WORDS = re.compile(r"[a-z]+")

ADD_HELP = """\
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
"""
FILL_HELP = """\
examples:
  bandmate fill guitar --in guitar.wav bass.wav drums.wav --start 12 --end 14.5 --out fixed
      writes fixed/guitar.wav: those 2.5 s made again, every other sample as it was
  bandmate fill piano --in piano=keys.wav backing=rest.wav --start 0:30 --end 0:34 --out fixed

Inside the range, fades of 20 ms lead from the old to the new.
"""
VARY_HELP = """\
examples:
  bandmate vary bass.wav --strength 0.4 --to drums.wav piano.wav --out other
      writes other/bass.wav: another take of the same part, to the others
  bandmate vary guitar=solo.wav --strength 0.8 --out other --start 8 --end 16 --takes 3

0 is a light re-performance, 1 a free new part.
"""
GENERATE_HELP = """\
examples:
  bandmate generate --seconds 20 --out idea
      writes idea/{bass,drums,guitar,piano}.wav
  bandmate generate --seconds 8 --stems drums,bass --out groove --seed 3 --rate 48000
"""
TRANSCRIBE_HELP = """\
examples:
  bandmate transcribe bass.wav --out notes
      writes notes/bass.mid: what the bass plays, over the beat that it keeps
  bandmate transcribe stems/song --out notes
      every stem in a folder, on one beat; other.wav is left out
  bandmate transcribe guitar=take3.wav drums=loop.flac --out notes

It needs a model that knows notes; new parts of such a model bring their MIDI files by themselves.
"""


def add_parts(commands: Commands) -> None:
    """Add the commands that make parts, and `transcribe`."""
    for task, row in PART_COMMANDS.items():
        parser = add_command(commands, task, row.words, row.help)
        row.add_subject(parser)
        parser.add_argument(
            "--out", type=Path, required=True, metavar="DIR", help="files go to DIR/<stem>.wav"
        )
        add_options(parser, options_of(task, "command").values())
    parser = add_command(
        commands, "transcribe", "write down the notes of stems as MIDI files", TRANSCRIBE_HELP
    )
    parser.add_argument("given", nargs="+", metavar="[STEM=]FILE|FOLDER", help="stems")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="files go to DIR/<stem>.mid"
    )
    add_options(parser, in_group(ENGINE))
    add_option(parser, FORCE)
    add_printed(parser)


def read_subject(
    options: argparse.Namespace, stems: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, list[Path]]]:
    """Return a command line's arguments by name, and the files of each role that are given.

    Args:
        options: of one of PART_COMMANDS.
        stems: the model's.

    Raises:
        SettingsError: if a file's stem is unknown, or its name does not say it.
    """
    chosen, texts = dict(vars(options)), options.given
    if "source" in chosen:
        texts = [options.source, *texts]
        chosen["stem"] = given_file(options.source, stems)[0]
    given: dict[str, list[Path]] = {}
    for role, path in (given_file(text, stems) for text in texts):
        given.setdefault(role, []).append(path)
    return chosen, given


def given_file(text: str, stems: tuple[str, ...]) -> Given:
    """Return (stem or "backing", file) of `STEM=FILE`, or of a file whose name says its stem.

    Raises:
        SettingsError: if the stem is unknown, or the name does not say it.
    """
    name, equals, path = text.partition("=")
    roles = (*stems, BACKING)
    if equals and not Path(text).exists():
        if not path:
            raise SettingsError(f"{text!r} names no file: write {name}=FILE")
        return known_stem(name, roles), Path(path)
    words = set(_WORDS.findall(Path(text).stem.lower()))
    found = [role for role in roles if role in words]
    if len(found) != 1:
        raise SettingsError(
            f"the name of {text!r} does not say which stem it is:"
            f" write for instance {stems[0]}={text}"
        )
    return found[0], Path(text)


@dataclass(frozen=True)
class PartCommand:
    """A command that makes parts.

    words: what it does, in a line.
    help: examples.
    add_subject: adds to a parser what a part is made of and made for.
    done: what has become of the stems in the end.
    """

    words: str
    help: str
    add_subject: Callable[[argparse.ArgumentParser], None]
    done: str


def _add_wanted(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stems", nargs="+", type=str.lower, metavar="STEM", help=STEM_HELP)
    _add_given(parser, "--to", "what the new stems play to; backing=FILE is a bounced mix")


def _add_filled(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stem", type=str.lower, metavar="STEM", help=STEM_HELP)
    _add_given(parser, "--in", "the stem itself, and what it plays to")


def _add_varied(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="[STEM=]FILE", help="the stem")
    _add_given(parser, "--to", "what the stem plays to", required=False)


def _add_given(
    parser: argparse.ArgumentParser, option: str, words: str, required: bool = True
) -> None:
    parser.add_argument(
        option,
        dest="given",
        nargs="+",
        action="extend",
        required=required,
        default=[],
        metavar="[STEM=]FILE",
        help=words,
    )


PART_COMMANDS: dict[Task, PartCommand] = {
    "add": PartCommand("add stems that play to given ones", ADD_HELP, _add_wanted, "added"),
    "fill": PartCommand(
        "make a range of a stem again, and keep the rest", FILL_HELP, _add_filled, "filled"
    ),
    "vary": PartCommand("another take of a stem that is there", VARY_HELP, _add_varied, "varied"),
    "generate": PartCommand(
        "stems made from nothing",
        GENERATE_HELP,
        lambda parser: parser.set_defaults(given=[]),
        "generated",
    ),
}
