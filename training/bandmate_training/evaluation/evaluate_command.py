"""The `evaluate` command: how well the shipped engine separates, beside baselines.

With `--table` also the paper's tables and what generated parts are worth.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from bandmate_server.errors import CorpusError, SettingsError
from bandmate_server.model.model import Model
from bandmate_server.model.opening import open_latent_model
from bandmate_server.option_arguments import add_option, add_value, option_type
from bandmate_server.option_kinds import Number, Whole
from bandmate_server.options import (
    DEVICE,
    DRAFTS,
    MODEL,
    SEED,
    SOLVER,
    STEPS,
    TAKES,
    THREADS,
    USUAL_MODEL,
)
from bandmate_server.separation.latent import DEFAULT_SOLVER
from bandmate_training.evaluation import generation_command, step_curve
from bandmate_training.evaluation.arguments import CLIP_SECONDS, add_playing
from bandmate_training.evaluation.clips import Clip, choose_clips, find_folders
from bandmate_training.evaluation.scores.arrangements import ARRANGEMENTS
from bandmate_training.evaluation.scores.separation_scores import (
    Scores,
    evaluate_clips,
    summary_json,
)
from bandmate_training.evaluation.systems.separators import (
    System,
    at_one_speed,
    diffusion,
    equal_split,
    masks_of_separator,
    mixture_as_stem,
    oracle_bands,
    oracle_masks,
    oracle_through_vae,
    stored,
)
from bandmate_training.evaluation.tables import tables
from bandmate_training.evaluation.tables.report import (
    circumstances,
    head,
    prepare,
    progress_bar,
    write_file,
)

NO_MODEL = "none"
REPORT, FIGURES, CURVE = "separation.md", "separation.json", "curve"
MEL_TABLE = "2"
SHARE = Number(0.0, 1.0, metavar="W")
TABLES = ("1", MEL_TABLE, "3", "parts", "context-fit", "vocoder")

EPILOG = """\
Writes separation.md and separation.json to OUT; with --curve also curve.md, .csv and .png.
With --table, instead, a .md and a .json of each:
  1            the paper's Table I: Frechet audio distance of the 14 arrangements
  2            Table II: log-mel error per stem of separation, with the VAE's own
  3            Table III: Frechet audio distance of total generation
  parts        added stems in raw figures: agreement with the context, distance to true stems
               alone, clarity, how many notes; with pictures
  context-fit  whether added parts keep to their context, its beat, and differ between takes
  vocoder      the vocoder beside Griffin-Lim and the true wave

Another system's output is scored in the same run by --system NAME=DIR. It lies in
  DIR/<track>/<stem>.wav                      whole tracks, for table 2
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
    usual = replace(MODEL, default=USUAL_MODEL)
    add_option(parser, usual, words="bundle's name or folder; none: no model")
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
    add("--table", nargs="+", choices=TABLES, default=[], help="reports to make instead, see below")
    add("--system", type=_named, action="append", default=[], metavar="NAME=DIR",
        help="another system's output, see below; may be repeated")  # fmt: skip
    add("--vggish", type=Path, metavar="FILE",
        help="VGGish weights (torchvggish's) for the distances; default: musicnn")  # fmt: skip
    add("--arrangements", type=_arrangements, metavar="B,BD", help="of table 1 (default: all 14)")
    add_value(parser, TAKES.flag, TAKES.kind, "of context-fit", 2)
    add_playing(parser)
    add_option(parser, DRAFTS, words="of every take")
    add_value(parser, "--seeds", Whole(1), "of --curve, to average", 3)


def _named(text: str) -> tuple[str, Path]:
    name, sign, folder = text.partition("=")
    if not (name and sign and folder):
        raise argparse.ArgumentTypeError(f"{text} is not NAME=DIR")
    return name, Path(folder)


def _arrangements(text: str) -> list[str]:
    chosen = text.split(",")
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
    folders = find_folders(args.corpus, args.split)
    clips = choose_clips(folders, args.clips, args.seconds, args.seed, args.pan, args.room)
    model = None
    if args.model != NO_MODEL:
        model = open_latent_model(args.model, args.device, args.threads)
    elif args.curve:
        raise SettingsError("--curve needs a model, not none")
    args.system = _systems_given(args.system)
    facts = _facts(args, model, clips)
    for table in args.table or [""]:
        if table in generation_command.REPORTS:
            files = generation_command.report(table, args, model, clips, facts)
        else:
            files = _separation(table, args, model, clips, facts)
        for name, content in files.items():
            write_file(args.out / name, content)
        sys.stderr.write(f"wrote {', '.join(str(args.out / name) for name in files)}\n")
    return 0


def _systems_given(named: list[tuple[str, Path]]) -> dict[str, Path]:
    """Return the folders of other systems by name.

    Raises:
        SettingsError: if two have one name.
        CorpusError: if there is no such folder.
    """
    systems = dict(named)
    if len(systems) < len(named):
        raise SettingsError("--system: two systems have the same name")
    for name, folder in systems.items():
        if not folder.is_dir():
            raise CorpusError(f"--system {name}={folder}: there is no such folder")
    return systems


def _separation(table: str, args: argparse.Namespace, model: Model | None, clips: list[Clip],
                facts: dict[str, Any]) -> dict[str, bytes]:  # fmt: skip
    """Separate; return the report, or only the paper's Table II of it, and the curve."""
    with progress_bar("evaluate", len(clips)) as advance:
        scores = evaluate_clips(clips, _systems(args, model, clips), model, advance)
    figures = _figures(facts, scores).encode()
    if table == MEL_TABLE:
        return {"table-2.md": _mel_report(facts, scores).encode(), "table-2.json": figures}
    files = {REPORT: _report(facts, scores).encode(), FIGURES: figures}
    if args.curve and model is not None:
        chosen = clips[: args.curve_clips]
        with progress_bar("curve", len(chosen)) as advance:
            points = step_curve.measure_curve(model, chosen, args.seeds, advance)
        files |= {
            f"{CURVE}.md": _curve_report(_facts(args, model, chosen), points).encode(),
            f"{CURVE}.csv": step_curve.curve_csv(points).encode(),
            f"{CURVE}.png": step_curve.curve_picture(points),
        }
    return files


def _systems(args: argparse.Namespace, model: Model | None, clips: list[Clip]) -> dict[str, System]:
    """Return all systems to compare, by the names in the tables."""
    systems: dict[str, System] = {}
    if model is not None:
        if model.spec.masks:
            systems["separator"] = partial(masks_of_separator, model)
            if len(model.bundle.mask_speeds) > 1:
                once = partial(masks_of_separator, at_one_speed(model))
                systems["separator, at one speed"] = once
        for steps in args.steps:
            name = f"diffusion, {steps} {step_curve.LABELS[args.solver]} steps"
            systems[name] = partial(diffusion, model, steps, args.solver, args.seed)
    named = [(f"{folder.name} (files)", folder) for folder in args.estimates]
    tracks = [clip.track for clip in clips]
    for name, folder in args.system.items():
        if any(
            (folder / track).is_dir() or (folder / args.split / track).is_dir() for track in tracks
        ):
            named.append((name, folder))
    for name, folder in named:
        inside = folder / args.split
        root = inside if inside.is_dir() else folder
        if not root.is_dir():
            raise CorpusError(f"no folder of estimates at {folder}")
        systems[name] = partial(stored, root)
    systems["mixture as stem"] = mixture_as_stem
    systems["equal split"] = equal_split
    systems["oracle band mask"] = oracle_bands
    systems["oracle mel mask"] = oracle_masks
    if model is not None:
        systems["oracle mel mask through the VAE"] = oracle_through_vae
    return systems


def _facts(args: argparse.Namespace, model: Model | None, clips: list[Clip]) -> dict[str, Any]:
    """Return what is needed to understand the figures and to measure them again."""
    return circumstances(command_line(args), model) | {
        "clips": len(clips),
        "songs": len({clip.track for clip in clips}),
        "rates": sorted({clip.rate for clip in clips}),
    }


def command_line(args: argparse.Namespace) -> str:
    """Return the command with every option, those left to their defaults too."""
    words = ["bandmate-train", "evaluate"]
    plain = ("corpus", "split", "model", "clips", "seconds", "seed", "solver", "device", "threads")
    for name in plain:
        if getattr(args, name) is not None:
            words += [f"--{name}", str(getattr(args, name))]
    for folder in args.estimates:
        words += ["--estimates", str(folder)]
    for name, folder in args.system.items():
        words += ["--system", f"{name}={folder}"]
    for option in ("pan", "room"):
        if getattr(args, option):
            words += [f"--{option}", f"{getattr(args, option):g}"]
    words += ["--steps", ",".join(map(str, args.steps)) or "0"]
    if args.curve:
        words += ["--curve", "--curve-clips", str(args.curve_clips), "--seeds", str(args.seeds)]
    if args.table:
        words += _table_words(args)
    return shlex.join([*words, "--out", str(args.out)])


def _table_words(args: argparse.Namespace) -> list[str]:
    words = ["--table", *args.table, "--takes", str(args.takes)]
    if args.arrangements:
        words += ["--arrangements", ",".join(args.arrangements)]
    for option in ("vggish", "part_steps", "guidance", "drafts"):
        if getattr(args, option) is not None:
            words += [f"--{option.replace('_', '-')}", str(getattr(args, option))]
    return words


def _report(facts: dict[str, Any], scores: Scores) -> str:
    parts = [
        head("Separation", facts),
        tables.separation_table(scores),
        tables.NOTES,
        tables.counts_line(scores) + "\n",
        "## Log-mel error\n",
        tables.mel_table(scores),
        tables.MEL_NOTES,
    ]
    return parts[0] + "\n".join(parts[1:])


def _mel_report(facts: dict[str, Any], scores: Scores) -> str:
    text = head("Table II: log-mel error of separation", facts)
    return f"{text}{tables.mel_table(scores)}\n{tables.MEL_NOTES}"


def _figures(facts: dict[str, Any], scores: Scores) -> str:
    rows = [{k: v for k, v in asdict(row).items() if v is not None} for row in scores.rows]
    return json.dumps(facts | {"systems": summary_json(scores), "scores": rows}, indent=1) + "\n"


def _curve_report(facts: dict[str, Any], points: list[step_curve.Point]) -> str:
    text = head("Error against number of steps", facts)
    return f"{text}![curve]({CURVE}.png)\n\n{step_curve.curve_table(points)}"
