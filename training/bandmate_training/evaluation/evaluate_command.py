"""The `evaluate` command: how well the shipped engine separates, beside baselines.

With `--table` also the paper's tables and what generated parts are worth.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from bandmate_server.errors import SettingsError
from bandmate_server.model.model import Model
from bandmate_server.model.opening import open_latent_model
from bandmate_server.option_arguments import add_option, add_value, option_type
from bandmate_server.option_kinds import Number, Whole
from bandmate_server.options import (
    DEVICE,
    DRAFTS,
    SEED,
    SOLVER,
    STEPS,
    TAKES,
    THREADS,
)
from bandmate_server.separation.latent import DEFAULT_SOLVER
from bandmate_training.evaluation.arguments import CLIP_SECONDS, add_model, add_playing
from bandmate_training.evaluation.evaluation import Evaluation, Files
from bandmate_training.evaluation.options import NO_MODEL, EvaluationOptions
from bandmate_training.evaluation.reporting import prepare, write_file
from bandmate_training.evaluation.reports import generation
from bandmate_training.evaluation.reports.separation import mel_report, separation_report
from bandmate_training.evaluation.reports.side_by_side import systems_report
from bandmate_training.evaluation.scores.arrangements import ARRANGEMENTS
from bandmate_training.evaluation.songs.clips import choose_clips, find_folders
from bandmate_training.evaluation.songs.mixtures import with_all_sources, write_mixtures

HELP = "measure how well a model separates and plays"
SHARE = Number(0.0, 1.0, metavar="W")
SEPARATION = ""  # the report that is made without --table
SYSTEMS = "systems"
REPORTS: dict[str, Callable[[Evaluation], Files]] = {
    SEPARATION: separation_report,
    "2": mel_report,
    SYSTEMS: systems_report,
    **generation.REPORTS,
}
TABLES = (SYSTEMS, "1", "2", "3", "parts", "context-fit", "vocoder")

EPILOG = """\
Writes separation.md and separation.json to OUT; with --curve also curve.md, .csv and .png.
With --table, instead, a .md and a .json of each:
  systems      models, programs and other systems' stems: SI-SDR, processor, memory
  1            the paper's Table I: Frechet audio distance of the 14 arrangements
  2            Table II: log-mel error per stem of separation, with the VAE's own
  3            Table III: Frechet audio distance of total generation
  parts        added stems in raw figures: agreement with the context, distance to true stems
               alone, clarity, how many notes; with pictures
  context-fit  whether added parts keep to their context, its beat, and differ between takes
  vocoder      the vocoder beside Griffin-Lim and the true wave

Other systems are scored in the same run by --system:
  --system htdemucs          an installed model, or one's folder
  --system NAME=DIR          stems that a system left in files, see below; or a model's folder
  --system 'NAME=COMMAND'    a program to run, with {out} for the folder of its stems and {files}
                             for the mixtures, or {folder} for theirs; for the table of systems
With models or programs the table of systems is made, too. Stems in files lie in
  DIR/<track>/<stem>.wav                      whole tracks, or
  DIR/<track>_from_<second>/<stem>.wav        clips, for separation, table 2 and that of systems
  DIR/<made>/<track>/<stem>.wav               whole tracks, or
  DIR/<made>/<track>_from_<second>/<stem>.wav  clips, for tables 1, 3, parts, context-fit
where <made> has the initials of the generated stems (B, BD, ... BDGP; in BDGP mix.wav may
stand for the stems). What a system has no folder for is left out.

  bandmate-train evaluate --corpus corpus --clips 100 --out docs/evaluation
  bandmate-train evaluate --corpus slakh --split test --model none --estimates theirs --out eval
  bandmate-train evaluate --corpus corpus --table 1 3 --system MSDM=msdm --out eval
  bandmate-train evaluate --corpus slakh --split test --table 1 --vggish vggish.pth --out eval
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    add = parser.add_argument
    add("--corpus", type=Path, required=True, help="folder of <split>/<track>/<stem>.wav, any rate")
    add("--out", type=Path, required=True, help="folder of the report, made if missing")
    add("--split", default="validation", help="default: validation")
    add_model(parser, "bundle's name or folder; none: no model")
    add("--estimates", type=Path, action="append", default=[], metavar="DIR",
        help="another system's stems, laid out like the corpus; may be repeated")  # fmt: skip
    add_value(parser, "--clips", Whole(1), "how many", 100)
    add_value(parser, "--seconds", CLIP_SECONDS, "of each", 10.24)
    add_value(parser, "--pan", SHARE, "place mono sources up to W (0 to 1) to the sides", 0.0)
    add_value(parser, "--room", SHARE, "put each in a stereo room, up to W (0 to 1) wet", 0.0)
    add_value(parser, SEED.flag, SEED.kind, "chooses the clips, draws the noise", SEED.default)
    add("--steps", type=_steps, default=(4,), metavar="N,N",
        help="diffusion steps to report beside the separator; 0: none (default 4)")  # fmt: skip
    add_value(parser, SOLVER.flag, SOLVER.kind, "of --steps", DEFAULT_SOLVER)
    add_option(parser, DEVICE)
    add_option(parser, THREADS)
    add("--curve", action="store_true", help="also measure error against number of steps")
    add_value(parser, "--curve-clips", Whole(1), "for it", 12)
    add("--table", nargs="+", choices=TABLES, default=[], dest="tables",
        help="reports to make instead, see below")  # fmt: skip
    add("--system", type=_system, action="append", default=[], metavar="[NAME=]SYSTEM",
        dest="systems", help="another system, see below; may be repeated")  # fmt: skip
    add("--mixtures", action="store_true",
        help="only write the clips' mixtures to OUT, for other systems")  # fmt: skip
    add("--vggish", type=Path, metavar="FILE",
        help="VGGish weights (torchvggish's) for the distances; default: musicnn")  # fmt: skip
    add("--arrangements", type=_arrangements, metavar="B,BD", help="of table 1 (default: all 14)")
    add_value(parser, TAKES.flag, TAKES.kind, "of context-fit", 2)
    add_playing(parser)
    add_option(parser, DRAFTS, words="of every take")
    add_value(parser, "--seeds", Whole(1), "of --curve, to average", 3)


def _system(text: str) -> tuple[str, str]:
    """Return a system's name, that of the folder if none is given, and where or how it is."""
    name, sign, value = text.partition("=")
    if not sign:
        name, value = Path(text).name, text
    if not (name and value):
        raise argparse.ArgumentTypeError(f"{text} is not NAME=SYSTEM")
    return name, value


def _arrangements(text: str) -> tuple[str, ...]:
    chosen = tuple(text.split(","))
    if not set(chosen) <= set(ARRANGEMENTS):
        raise argparse.ArgumentTypeError(f"{text} is not a list of {', '.join(ARRANGEMENTS)}")
    return chosen


def _steps(text: str) -> tuple[int, ...]:
    values = [option_type(STEPS)(part) for part in text.split(",")]
    return tuple(value for value in values if value)


def run(args: argparse.Namespace) -> int:
    """Evaluate, write the reports, say where they are; return the exit status.

    Raises:
        BandmateError: the corpus, the model, the estimates or the folder are not usable.
    """
    prepare(args.out)
    options = EvaluationOptions.read(args)
    folders = find_folders(options.corpus, options.split)
    clips = choose_clips(
        folders, options.clips, options.seconds, options.seed, options.pan, options.room
    )
    if args.mixtures:
        paths = write_mixtures(with_all_sources(clips), options.out)
        sys.stderr.write(f"wrote {len(paths)} files to {options.out}\n")
        return 0
    tables = options.tables or _default_tables(options)
    evaluation = Evaluation(options, None if tables == [SYSTEMS] else _model(options), clips)
    for table in tables:
        files = REPORTS[table](evaluation)
        for name, content in files.items():
            write_file(options.out / name, content)
        sys.stderr.write(f"wrote {', '.join(str(options.out / name) for name in files)}\n")
    return 0


def _default_tables(options: EvaluationOptions) -> list[str]:
    return [SEPARATION, SYSTEMS] if options.bundles or options.programs else [SEPARATION]


def _model(options: EvaluationOptions) -> Model | None:
    if options.model != NO_MODEL:
        return open_latent_model(options.model, options.device, options.threads)
    if options.curve:
        raise SettingsError("--curve needs a model, not none")
    return None
