"""`evaluate`, and `evaluate --table 2`: how well the engine separates, beside baselines."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import Any

from bandmate_server.model.bundle import read_spec
from bandmate_server.model.opening import open_model
from bandmate_server.spec import STEMS
from bandmate_training.evaluation.evaluation import Evaluation, Files
from bandmate_training.evaluation.reporting import head, progress_bar
from bandmate_training.evaluation.reports import step_curve
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
    separated,
    stored,
)
from bandmate_training.evaluation.tables import tables

REPORT, FIGURES, CURVE = "separation.md", "separation.json", "curve"


def separation_report(run: Evaluation) -> Files:
    """Separate by all systems; return the report, its figures, and the curve if it is wanted."""
    scores = _scores(run)
    files = {REPORT: _report(run.facts, scores).encode(), FIGURES: _figures(run.facts, scores)}
    return files | _curve(run)


def mel_report(run: Evaluation) -> Files:
    """Separate by all systems; return the paper's Table II."""
    scores = _scores(run)
    text = head("Table II: log-mel error of separation", run.facts)
    text += f"{tables.mel_table(scores)}\n{tables.MEL_NOTES}"
    return {"table-2.md": text.encode(), "table-2.json": _figures(run.facts, scores)}


def _scores(run: Evaluation) -> Scores:
    with progress_bar("evaluate", len(run.clips)) as advance:
        return evaluate_clips(run.clips, _systems(run), run.model, advance)


def _curve(run: Evaluation) -> Files:
    """Return the error against the number of steps, if that is wanted."""
    if not run.options.curve or run.model is None:
        return {}
    chosen = run.clips[: run.options.curve_clips]
    with progress_bar("curve", len(chosen)) as advance:
        points = step_curve.measure_curve(run.model, chosen, run.options.seeds, advance)
    text = head("Error against number of steps", run.of(chosen).facts)
    text += f"![curve]({CURVE}.png)\n\n{step_curve.curve_table(points)}"
    return {
        f"{CURVE}.md": text.encode(),
        f"{CURVE}.csv": step_curve.curve_csv(points).encode(),
        f"{CURVE}.png": step_curve.curve_picture(points),
    }


def _systems(run: Evaluation) -> dict[str, System]:
    """Return all systems to compare, by the names in the tables."""
    options, model = run.options, run.model
    systems: dict[str, System] = {}
    if model is not None:
        if model.spec.masks:
            systems["separator"] = partial(masks_of_separator, model)
            if len(model.bundle.mask_speeds) > 1:
                once = partial(masks_of_separator, at_one_speed(model))
                systems["separator, at one speed"] = once
        for steps in options.steps:
            name = f"diffusion, {steps} {step_curve.LABELS[options.solver]} steps"
            systems[name] = partial(diffusion, model, steps, options.solver, options.seed)
    for name, folder in options.folders.items():
        inside = folder / options.split
        root = inside if inside.is_dir() else folder
        if any((root / clip.track).is_dir() for clip in run.clips):
            systems[name] = partial(stored, root)
    for name, bundle in options.bundles.items():
        if set(STEMS) <= set(read_spec(bundle).stems):
            other = open_model(bundle, options.device, options.threads)
            systems[name] = partial(separated, other)
    systems["mixture as stem"] = mixture_as_stem
    systems["equal split"] = equal_split
    systems["oracle band mask"] = oracle_bands
    systems["oracle mel mask"] = oracle_masks
    if model is not None:
        systems["oracle mel mask through the VAE"] = oracle_through_vae
    return systems


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


def _figures(facts: dict[str, Any], scores: Scores) -> bytes:
    rows = [{k: v for k, v in asdict(row).items() if v is not None} for row in scores.rows]
    figures = facts | {"systems": summary_json(scores), "scores": rows}
    return (json.dumps(figures, indent=1) + "\n").encode()
