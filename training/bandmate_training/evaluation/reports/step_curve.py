"""The curve: error against number of diffusion steps, for each solver, beside the separator."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import get_args

import numpy as np
from matplotlib.figure import Figure

from bandmate_server.model.model import Model
from bandmate_server.options import Solver
from bandmate_training.evaluation.scores.separation_scores import Score, read_example, score
from bandmate_training.evaluation.songs.analysis import Analyser
from bandmate_training.evaluation.songs.clips import Clip
from bandmate_training.evaluation.systems.separators import (
    Estimate,
    Example,
    diffused,
    masks_of_separator,
    mean_mels,
    render_mels,
)
from bandmate_training.evaluation.tables.tables import number, table

STEPS = (1, 2, 4, 8, 16, 32)
SEPARATOR = "separator"
MEAN = "mean"  # stands for a seed: the seeds' log-mels averaged, then rendered
LABELS = {"ddim": "DDIM", "dpm": "DPM-Solver++", SEPARATOR: "separator"}


@dataclass(frozen=True)
class Point:
    """One seed of one solver and number of steps, averaged over all clips.

    si_sdri: dB, over active stems; own_mel, audio_mel: log-mel errors over all stems;
    seconds: per clip.
    """

    solver: str
    steps: int
    seed: str
    si_sdri: float
    own_mel: float
    audio_mel: float
    seconds: float


Key = tuple[str, int, str]  # solver, steps, seed


def measure_curve(
    model: Model, clips: list[Clip], seeds: int, progress: Callable[[], None]
) -> list[Point]:
    """Measure every solver, number of steps and seed on the same clips.

    Args:
        model: with or without a separator.
        clips: to read.
        seeds: 0, 1, ... this many.
        progress: is called after each clip.
    """
    analyser = Analyser()
    scores: dict[Key, list[Score]] = {}
    seconds: dict[Key, list[float]] = {}
    for clip in clips:
        example = read_example(clip, analyser)
        for key, estimate, spent in _takes(model, example, seeds):
            scores.setdefault(key, []).extend(score("", estimate, example, analyser))
            seconds.setdefault(key, []).append(spent)
        progress()
    return [
        Point(
            *key,
            _mean(row.si_sdri for row in rows),
            _mean(row.own_mel for row in rows),
            _mean(row.mel for row in rows),
            float(np.median(seconds[key])),
        )
        for key, rows in scores.items()
    ]


def _takes(model: Model, example: Example, seeds: int) -> Iterator[tuple[Key, Estimate, float]]:
    """Separate a clip in every way; yield each with the seconds it took."""
    if model.spec.masks:
        begin = time.perf_counter()
        estimate = masks_of_separator(model, example)
        yield (SEPARATOR, 0, "0"), estimate, time.perf_counter() - begin
    for solver in get_args(Solver):
        for steps in STEPS:
            predictions = []
            for seed in range(seeds):
                begin = time.perf_counter()
                predictions.append(diffused(model, steps, solver, seed, example))
                estimate = render_mels(example, predictions[-1])
                yield (solver, steps, str(seed)), estimate, time.perf_counter() - begin
            if seeds > 1:
                mean = render_mels(example, mean_mels(predictions))
                yield (solver, steps, MEAN), mean, float("nan")


def _mean(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else float("nan")


def curve_csv(points: list[Point]) -> str:
    """Return one line per point."""
    out = io.StringIO()
    writer = csv.DictWriter(out, [field.name for field in fields(Point)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(point) for point in points)
    return out.getvalue()


def _grouped(points: list[Point]) -> Iterator[tuple[str, int, list[Point], Point | None]]:
    """Yield solver, steps, the seeds' points, and the point of their averaged log-mels."""
    for solver, steps in dict.fromkeys((point.solver, point.steps) for point in points):
        own = [point for point in points if (point.solver, point.steps) == (solver, steps)]
        seeds = [point for point in own if point.seed != MEAN]
        yield solver, steps, seeds, next((point for point in own if point.seed == MEAN), None)


def curve_table(points: list[Point]) -> str:
    """Return the seeds' means as Markdown."""
    header = ["solver", "steps", "SI-SDRi", "spread of seeds", "SI-SDRi of mean log-mels"]
    header += ["log-mel error (own)", "log-mel error (audio)", "s/clip"]
    rows = []
    for solver, steps, seeds, mean in _grouped(points):
        gains = [point.si_sdri for point in seeds]
        rows.append(
            [
                LABELS[solver],
                str(steps),
                number(_mean(gains)),
                number(float(np.std(gains)) if len(gains) > 1 else float("nan")),
                number(mean.si_sdri if mean else float("nan")),
                number(_mean(point.own_mel for point in seeds), 3),
                number(_mean(point.audio_mel for point in seeds), 3),
                number(_mean(point.seconds for point in seeds)),
            ]
        )
    return table(header, rows)


def curve_picture(points: list[Point]) -> bytes:
    """Draw improvement and log-mel error against steps, as PNG."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for solver in get_args(Solver):
        groups = [(steps, seeds) for name, steps, seeds, _ in _grouped(points) if name == solver]
        steps = [steps for steps, _ in groups]
        gains = [_mean(point.si_sdri for point in seeds) for _, seeds in groups]
        errors = [_mean(point.own_mel for point in seeds) for _, seeds in groups]
        left.plot(steps, gains, marker="o", label=LABELS[solver])
        right.plot(steps, errors, marker="o", label=LABELS[solver])
    for point in points:
        if point.solver == SEPARATOR:
            left.axhline(point.si_sdri, color="0.4", linestyle="--", label=LABELS[SEPARATOR])
    left.set_ylabel("SI-SDR improvement (dB)")
    right.set_ylabel("log-mel squared error, stems")
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xticks(STEPS, [str(steps) for steps in STEPS])
        axes.set_xlabel("denoiser evaluations")
        axes.grid(alpha=0.3)
        axes.legend()
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=120)
    return out.getvalue()
