"""The command `bandmate-train corpus`."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from tqdm import tqdm

from bandmate_server.errors import CorpusError
from bandmate_training.corpus import simutrans
from bandmate_training.corpus.build import Sources, build, plan
from bandmate_training.corpus.grooves import groove_files
from bandmate_training.corpus.instruments import check_fonts, foreign
from bandmate_training.corpus.pop909_files import open_library
from bandmate_training.corpus.report import write_report
from bandmate_training.corpus.sampled import check_instruments
from bandmate_training.corpus.spotcheck import write_page
from bandmate_training.corpus.timidity import find_tool

HELP = "render a training corpus"
logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--out", type=Path, required=True, help="folder of the corpus")
    parser.add_argument("--hours", type=float, default=1.0, help="hours of songs for training")
    parser.add_argument("--seed", type=int, default=1, help="decides every song")
    parser.add_argument("--jobs", type=int, default=2, help="songs made at once")
    parser.add_argument("--pop909", type=Path, help="POP909 (folder or zip); left out without it")
    parser.add_argument(
        "--font", type=Path,
        help="another General MIDI sound font: makes the validation songs alone, with its sounds,"
        " to test how far a model's ears reach; give it a folder of its own",
    )  # fmt: skip
    parser.add_argument(
        "--samples", type=Path, metavar="DIR",
        help="folder of recorded instruments (NAME/instrument.json and audio) that play half of"
        " the parts; one in four of each kind is kept for validation",
    )  # fmt: skip
    parser.add_argument(
        "--report-only", action="store_true", help="write the reports of what is there"
    )


def check_tools(pop909: Path | None) -> None:
    """Check that fonts, programs and sources are there before hours of work begin.

    Raises:
        CorpusError: naming what is missing and how to get it.
    """
    check_fonts()
    find_tool()
    groove_files()
    simutrans.songs()
    if pop909:
        open_library(pop909)


def run(args: argparse.Namespace) -> int:
    """Build the corpus, or what is missing of it, and report on it.

    Raises:
        CorpusError: if a tool, font or source is missing, or an option is out of range.
    """
    if args.hours <= 0 or args.jobs < 1 or args.seed < 0:
        raise CorpusError("--hours and --jobs must be positive, --seed not negative")
    if not args.report_only:
        check_tools(args.pop909)
        jobs = plan(args.hours, args.seed)
        if args.font:
            foreign(args.font)
            jobs = [job for job in jobs if job.split == "validation"]
        if args.samples:
            check_instruments(args.samples)
        sources = Sources(args.pop909, font=args.font, samples=args.samples)
        with tqdm(total=len(jobs), unit="song") as bar:
            for _ in build(args.out, jobs, sources, args.jobs):
                bar.update()
    write_report(args.out)
    write_page(args.out)
    logger.info("reports: %s/report.md, %s/spot-check.html", args.out, args.out)
    return 0
