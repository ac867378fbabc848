"""The command lines of `bandmate batch` and `bandmate chains`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bandmate_bridge.arguments.parsing import Commands, add_command, add_dawproject, add_printed
from bandmate_server.option_arguments import add_option, add_options, add_value
from bandmate_server.option_kinds import Seconds, Stems, Whole
from bandmate_server.options import FORCE, MODEL, Option, options_of

BATCH_HELP = """\
examples:
  bandmate batch songs --out stems
      every song under songs, at its place under stems: stems/<folder>/<song>/bass.wav ...
  bandmate batch songs --out stems --resume
      the same again: what is complete is kept, what is missing or changed is done
  bandmate batch songs --out karaoke --minus piano --template '{folder}/{name} - {stem}.{ext}'
      and a mix.wav of everything but the piano
  bandmate batch 'songs/**/*.flac' list.txt --out stems --chains chains.toml --jobs 4
      stems through effect chains as well (`bandmate chains init` writes an example), and a mix
  bandmate batch songs --out with-piano --task add --stems piano --mixdown
      a new piano that plays to each song, alone and mixed in
  bandmate batch /shared/songs --out /shared/stems --ray auto
      on a Ray cluster, whose machines see the same folders

IN is a folder (searched through), an audio file, a pattern, or a list (.txt, .m3u: a path a line).
What became of every song is in DIR/report.json.
"""
CHAINS_HELP = """\
examples:
  bandmate chains init chains.toml
  bandmate chains check chains.toml
  bandmate chains show
  bandmate chains show Reverb
  bandmate chains show ~/.vst3/ZamCompX2.vst3
"""
TEMPLATE = "{folder}/{name}/{stem}.{ext}"
SEPARATE, ADD = options_of("separate", "batch"), options_of("add", "batch")


def batch_options() -> list[Option[Any]]:
    """Return the options of either task; those of both, with the wider of their limits, once."""
    return list(
        (SEPARATE | {name: row for name, row in ADD.items() if name not in SEPARATE}).values()
    )


def add_batch(commands: Commands) -> None:
    """Add the parser of `bandmate batch`."""
    parser = add_command(
        commands,
        "batch",
        "separate folders full of songs, with effect chains, on all cores or a cluster",
        BATCH_HELP,
        "Separate every song, or add stems to it; one that fails stops no other.",
    )
    parser.add_argument(
        "inputs", nargs="+", metavar="IN", help="folders, audio files, patterns, lists"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="results go here")
    parser.add_argument(
        "--task", choices=("separate", "add"), default="separate", help="default: separate"
    )
    _add_running(parser)
    _add_results(parser)
    add_options(parser, batch_options())


def _add_running(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how it runs")
    add_value(group, "--jobs", Whole(1), "songs at a time, such as 2; default: one for each core")
    group.add_argument(
        "--resume", action="store_true", help="keep what is complete, do what is not"
    )
    group.add_argument(
        "--ray", metavar="ADDRESS", help="a Ray cluster's address (host:port), or auto"
    )


def _add_results(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("results")
    group.add_argument("--chains", type=Path, metavar="FILE", help="effect chains (TOML)")
    group.add_argument(
        "--mixdown", action="store_true", help="write the stems' sum too; --chains implies it"
    )
    add_value(group, "--minus", Stems(), "stems that the mixdown leaves out, such as piano")
    group.add_argument(
        "--template",
        default=TEMPLATE,
        metavar="T",
        help="each file's place in DIR, of {folder} {name} {stem} {ext} {suffix} (the input's"
        f" own ending); default: {TEMPLATE}".replace("%", "%%"),
    )
    add_dawproject(group)


def add_chains(commands: Commands) -> None:
    """Add the parser of `bandmate chains`."""
    parser = add_command(
        commands, "chains", "check effect chains, list effects and their parameters", CHAINS_HELP
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="check|show|init")
    check = actions.add_parser("check", help="say what a chains file does, or on which line not")
    check.add_argument("file", type=Path, metavar="FILE")
    add_option(check, MODEL, words="of separate steps")
    show = actions.add_parser("show", help="all effects, or the parameters of one")
    show.add_argument("effect", nargs="?", metavar="EFFECT|PLUGIN", help="a name, or a file")
    show.add_argument("--plugin-name", metavar="NAME", help="which plug-in of a file with several")
    add_value(show, "--timeout", Seconds(0.0), "seconds to load it", 30.0)
    init = actions.add_parser("init", help="write an example to start from")
    init.add_argument(
        "file", nargs="?", type=Path, default=Path("chains.toml"), metavar="FILE",
        help="default: chains.toml",
    )  # fmt: skip
    add_option(init, FORCE, words="replace a file that is there")
    for action in (check, show, init):
        add_printed(action)
