"""The command lines of `bandmate batch` and `bandmate chains`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from bandmate_bridge import arguments
from bandmate_bridge.arguments import positive, seconds, stem_list

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

Commands: TypeAlias = "argparse._SubParsersAction[arguments.Parser]"


def add_batch(commands: Commands) -> None:
    """Add the parser of `bandmate batch`."""
    parser = commands.add_parser(
        "batch",
        help="separate folders full of songs, with effect chains, on all cores or a cluster",
        description="Separate every song, or add stems to it; one that fails stops no other.",
        epilog=BATCH_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
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
    region = parser.add_argument_group("region and stems")
    region.add_argument("--start", type=seconds, metavar="S", help="seconds, or 1:04.250")
    region.add_argument("--end", type=seconds, metavar="S", help="likewise; default: the end")
    region.add_argument(
        "--stems", type=stem_list, metavar="LIST", help="such as bass,drums; default: all four"
    )
    region.add_argument(
        "--render", choices=("mask", "vocoder"), default="mask", help="default: mask"
    )
    arguments._files(parser)
    arguments._engine(parser)
    arguments._sampling(parser)
    arguments._reporting(parser)


def _add_running(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how it runs")
    group.add_argument(
        "--jobs", type=positive, metavar="N", help="songs at a time; default: one for each core"
    )
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
    group.add_argument(
        "--minus", type=stem_list, metavar="LIST", help="stems that the mixdown leaves out"
    )
    group.add_argument(
        "--template",
        default=TEMPLATE,
        metavar="T",
        help="each file's place in DIR, of {folder} {name} {stem} {ext} {suffix} (the input's"
        f" own ending); default: {TEMPLATE}".replace("%", "%%"),
    )
    group.add_argument(
        "--dawproject",
        nargs="?",
        const="inside",
        choices=("inside", "external"),
        help="write a DAWproject session too; its audio inside (default) or beside it",
    )


def add_chains(commands: Commands) -> None:
    """Add the parser of `bandmate chains`."""
    parser = commands.add_parser(
        "chains",
        help="check effect chains, list effects and their parameters",
        epilog=CHAINS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="check|show|init")
    check = actions.add_parser("check", help="say what a chains file does, or on which line not")
    check.add_argument("file", type=Path, metavar="FILE")
    check.add_argument("--model", default="mini", metavar="NAME|PATH", help="for separate steps")
    show = actions.add_parser("show", help="all effects, or the parameters of one")
    show.add_argument("effect", nargs="?", metavar="EFFECT|PLUGIN", help="a name, or a file")
    show.add_argument("--plugin-name", metavar="NAME", help="which plug-in of a file with several")
    show.add_argument(
        "--timeout", type=float, default=30.0, metavar="S", help="to load it; default: 30"
    )
    init = actions.add_parser("init", help="write an example to start from")
    init.add_argument(
        "file", nargs="?", type=Path, default=Path("chains.toml"), metavar="FILE",
        help="default: chains.toml",
    )  # fmt: skip
    init.add_argument("--force", action="store_true", help="replace a file that is there")
    for action in (check, show, init):
        arguments._reporting(action)
