"""The `evaluate` command: how well the shipped engine separates, beside baselines."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bandmate_server.errors import CorpusError, OutputError, SettingsError
from bandmate_server.session import Model, open_model
from bandmate_server.version import bandmate_version
from bandmate_training import curve, tables
from bandmate_training.clips import Clip, choose_clips, find_folders
from bandmate_training.scoring import Scores, evaluate_clips, summary_json
from bandmate_training.systems import (
    System,
    diffusion,
    equal_split,
    masks_of_separator,
    mixture_as_stem,
    oracle_masks,
    oracle_through_vae,
    stored,
)

NO_MODEL = "none"
REPORT, FIGURES, CURVE = "separation.md", "separation.json", "curve"

EPILOG = """\
Writes separation.md and separation.json to OUT; with --curve also curve.md, .csv and .png.

  bandmate-train evaluate --corpus corpus --clips 100 --out docs/evaluation
  bandmate-train evaluate --corpus slakh --split test --model none --estimates theirs --out eval
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    add = parser.add_argument
    add("--corpus", type=Path, required=True, help="folder of <split>/<track>/<stem>.wav, any rate")
    add("--out", type=Path, required=True, help="folder of the report, made if missing")
    add("--split", default="validation", help="default: validation")
    add("--model", default="mini", help="bundle's name or folder; none: no model (default: mini)")
    add("--estimates", type=Path, action="append", default=[], metavar="DIR",
        help="another system's stems, laid out like the corpus; may be repeated")  # fmt: skip
    add("--clips", type=_positive, default=100, metavar="N", help="how many (default 100)")
    add("--seconds", type=_seconds, default=10.24, metavar="S", help="of each (default 10.24)")
    add("--seed", type=int, default=0, help="chooses the clips, draws the noise (default 0)")
    add("--steps", type=_steps, default=(4,), metavar="N,N",
        help="diffusion steps to report beside the separator; 0: none (default 4)")  # fmt: skip
    add("--solver", choices=("ddim", "dpm"), default="ddim", help="of --steps (default: ddim)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: auto")
    add("--threads", type=_positive, help="of ONNX Runtime (default: all cores)")
    add("--curve", action="store_true", help="also measure error against number of steps")
    add("--curve-clips", type=_positive, default=12, metavar="N", help="for it (default 12)")
    add("--seeds", type=_positive, default=3, metavar="N", help="of it, to average (default 3)")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 1.0 <= value <= 600.0:
        raise argparse.ArgumentTypeError(f"{text} is not within 1 to 600")
    return value


def _steps(text: str) -> tuple[int, ...]:
    values = tuple(int(part) for part in text.split(","))
    if not all(0 <= value <= 999 for value in values):
        raise argparse.ArgumentTypeError(f"{text} is not a list of numbers within 0 to 999")
    return tuple(value for value in values if value)


def run(args: argparse.Namespace) -> int:
    """Evaluate, write the report, print its tables' place; return the exit status.

    Raises:
        BandmateError: the corpus, the model, the estimates or the folder are not usable.
    """
    _prepare(args.out)
    clips = choose_clips(find_folders(args.corpus, args.split), args.clips, args.seconds, args.seed)
    model = None
    if args.model != NO_MODEL:
        model = open_model(args.model, args.device, args.threads)
    elif args.curve:
        raise SettingsError("--curve needs a model, not none")
    with _bar("evaluate", len(clips)) as advance:
        scores = evaluate_clips(clips, _systems(args, model), model, advance)
    facts = _facts(args, model, clips)
    files = {
        REPORT: _report(facts, scores).encode(),
        FIGURES: _figures(facts, scores).encode(),
    }
    if args.curve and model is not None:
        chosen = clips[: args.curve_clips]
        with _bar("curve", len(chosen)) as advance:
            points = curve.measure_curve(model, chosen, args.seeds, advance)
        facts = _facts(args, model, chosen)
        files |= {
            f"{CURVE}.md": _curve_report(facts, points).encode(),
            f"{CURVE}.csv": curve.curve_csv(points).encode(),
            f"{CURVE}.png": curve.curve_picture(points),
        }
    for name, content in files.items():
        _write(args.out / name, content)
    sys.stderr.write(f"wrote {', '.join(str(args.out / name) for name in files)}\n")
    return 0


def _prepare(folder: Path) -> None:
    """Make the folder of the report before hours are spent on it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise OutputError(f"cannot write to {folder}: permission denied")


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path}: {error.strerror}") from error


@contextmanager
def _bar(title: str, clips: int) -> Iterator[Callable[[], None]]:
    """Draw a bar of clips with the time left, where stderr is a terminal."""
    tqdm.monitor_interval = 0  # No watching thread for one bar.
    with tqdm(total=clips, desc=title, unit="clip", disable=None, leave=False) as bar:

        def advance() -> None:
            bar.update()

        yield advance


def _systems(args: argparse.Namespace, model: Model | None) -> dict[str, System]:
    """Return all systems to compare, by the names in the tables."""
    systems: dict[str, System] = {}
    if model is not None:
        if model.spec.masks:
            systems["separator"] = partial(masks_of_separator, model)
        for steps in args.steps:
            name = f"diffusion, {steps} {curve.LABELS[args.solver]} steps"
            systems[name] = partial(diffusion, model, steps, args.solver, args.seed)
    for folder in args.estimates:
        inside = folder / args.split
        root = inside if inside.is_dir() else folder
        if not root.is_dir():
            raise CorpusError(f"no folder of estimates at {folder}")
        systems[f"{folder.name} (files)"] = partial(stored, root)
    systems["mixture as stem"] = mixture_as_stem
    systems["equal split"] = equal_split
    systems["oracle mel mask"] = oracle_masks
    if model is not None:
        systems["oracle mel mask through the VAE"] = oracle_through_vae
    return systems


def _facts(args: argparse.Namespace, model: Model | None, clips: list[Clip]) -> dict[str, Any]:
    """Return what is needed to understand the figures and to measure them again."""
    facts: dict[str, Any] = {
        "command": command_line(args),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "version": bandmate_version(),
        "machine": machine(),
        "clips": len(clips),
        "songs": len({clip.track for clip in clips}),
        "rates": sorted({clip.rate for clip in clips}),
    }
    if model is not None:
        bundle = model.bundle
        facts["model"] = {"name": bundle.name, "version": bundle.version, "hash": bundle.hash}
        facts["provider"], facts["threads"] = model.provider, model.threads
    return facts


def command_line(args: argparse.Namespace) -> str:
    """Return the command with every option, those left to their defaults too."""
    words = ["bandmate-train", "evaluate"]
    plain = ("corpus", "split", "model", "clips", "seconds", "seed", "solver", "device", "threads")
    for name in plain:
        if getattr(args, name) is not None:
            words += [f"--{name}", str(getattr(args, name))]
    for folder in args.estimates:
        words += ["--estimates", str(folder)]
    words += ["--steps", ",".join(map(str, args.steps)) or "0"]
    if args.curve:
        words += ["--curve", "--curve-clips", str(args.curve_clips), "--seeds", str(args.seeds)]
    return shlex.join([*words, "--out", str(args.out)])


def machine() -> str:
    """Describe the processor."""
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        lines = information.read_text().splitlines()
        name = next((s.split(":", 1)[1].strip() for s in lines if s.startswith("model name")), name)
    return f"{name}, {os.cpu_count()} cores, {platform.system()}"


def _head(title: str, facts: dict[str, Any]) -> str:
    model = facts.get("model")
    lines = [
        f"# {title}",
        "",
        f"    {facts['command']}",
        "",
        f"{facts['clips']} clips of {facts['songs']} songs. {facts['machine']}.",
    ]
    if model is not None:
        lines.append(
            f"Model {model['name']} {model['version']}, hash `{model['hash'][:16]}`,"
            f" {facts['provider']}, {facts['threads']} threads."
        )
    return "\n".join([*lines, f"Measured {facts['created'][:10]}.", "", ""])


def _report(facts: dict[str, Any], scores: Scores) -> str:
    parts = [
        _head("Separation", facts),
        tables.separation_table(scores),
        tables.NOTES,
        tables.counts_line(scores) + "\n",
        "## Log-mel error\n",
        tables.mel_table(scores),
        tables.MEL_NOTES,
    ]
    return parts[0] + "\n".join(parts[1:])


def _figures(facts: dict[str, Any], scores: Scores) -> str:
    rows = [{k: v for k, v in asdict(row).items() if v is not None} for row in scores.rows]
    return json.dumps(facts | {"systems": summary_json(scores), "scores": rows}, indent=1) + "\n"


def _curve_report(facts: dict[str, Any], points: list[curve.Point]) -> str:
    head = _head("Error against number of steps", facts)
    return f"{head}![curve]({CURVE}.png)\n\n{curve.curve_table(points)}"
