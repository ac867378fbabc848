"""Scores of every system on every clip, and their summary."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from bandmate_server.model.model import Model
from bandmate_server.spec import OTHER, STEMS
from bandmate_training.evaluation.measures.metrics import (
    Summary,
    level_db,
    mel_error,
    null_error,
    sdr,
    si_sdr,
    summarise,
)
from bandmate_training.evaluation.songs.analysis import Analyser, reconstruct
from bandmate_training.evaluation.songs.clips import Clip, read_song
from bandmate_training.evaluation.systems.separators import Estimate, Example, System

VAE, VAE_MIXTURE = "VAE reconstruction", "VAE reconstruction of the mixture"


@dataclass(frozen=True)
class Score:
    """One stem of one clip by one system; a figure that does not apply is missing.

    level: of the true stem against the mixture, dB; active: whether it counts as sounding.
    si_sdri, sdri: improvement over the mixture, dB, of an active stem.
    left: level of the estimate of a silent stem against the mixture, dB.
    mel: squared log-mel error of the audio; own_mel: of the system's own log-mels.
    """

    system: str
    track: str
    start: float  # seconds
    stem: str
    level: float
    active: bool
    si_sdri: float | None = None
    sdri: float | None = None
    left: float | None = None
    mel: float | None = None
    own_mel: float | None = None


@dataclass
class Scores:
    """All scores, and per system the null errors and the seconds of every clip."""

    rows: list[Score] = field(default_factory=list)
    null: dict[str, list[float]] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def of(self, system: str) -> list[Score]:
        """Return a system's rows."""
        return [row for row in self.rows if row.system == system]

    def systems(self) -> list[str]:
        """Return the systems' names in the order they came."""
        return list(dict.fromkeys(row.system for row in self.rows))


def evaluate_clips(
    clips: list[Clip],
    systems: dict[str, System],
    model: Model | None,
    progress: Callable[[], None],
) -> Scores:
    """Run every system on every clip.

    Args:
        clips: to read.
        systems: by name.
        model: whose VAE gets a row; None leaves it out.
        progress: is called after each clip.
    """
    analyser, scores = Analyser(), Scores()
    for clip in clips:
        example = read_example(clip, analyser, model)
        scores.rows += _vae_rows(example)
        for name, system in systems.items():
            begin = time.perf_counter()
            estimate = system(example)
            scores.seconds.setdefault(name, []).append(time.perf_counter() - begin)
            scores.rows += score(name, estimate, example, analyser)
            if OTHER in estimate.stems:
                parts = list(estimate.stems.values())
                scores.null.setdefault(name, []).append(null_error(parts, example.song.mixture))
        progress()
    return scores


def read_example(clip: Clip, analyser: Analyser, model: Model | None = None) -> Example:
    """Read a clip and listen to it, through the model's VAE too if there is one."""
    song = read_song(clip)
    analysis = analyser.analyse(song)
    return Example(clip, song, analysis, None if model is None else reconstruct(model, analysis))


def score(system: str, estimate: Estimate, example: Example, analyser: Analyser) -> list[Score]:
    """Judge an estimate of a clip, stem by stem."""
    song, analysis = example.song, example.analysis
    mels = analyser.mels([estimate.stems[stem] for stem in STEMS], song.rate, analysis)
    rows = []
    for index, stem in enumerate(STEMS):
        true, guess = song.sources[stem], estimate.stems[stem]
        figures: dict[str, float] = {"mel": mel_error(mels[index], analysis.stems[index])}
        if estimate.mels is not None:
            figures["own_mel"] = mel_error(estimate.mels[index], analysis.stems[index])
        if song.active(stem):
            figures["si_sdri"] = si_sdr(guess, true) - si_sdr(song.mixture, true)
            figures["sdri"] = sdr(guess, true) - sdr(song.mixture, true)
        else:
            figures["left"] = level_db(guess, song.mixture)
        rows.append(_row(system, example, stem, figures))
    return rows


def _vae_rows(example: Example) -> list[Score]:
    """Return the error of the VAE's own reconstructions: of the stems, then of the mixture."""
    analysis, found = example.analysis, example.decoded
    if found is None:
        return []
    rows = [
        _row(VAE, example, stem, {"own_mel": mel_error(found[index], analysis.stems[index])})
        for index, stem in enumerate(STEMS)
    ]
    error = {"own_mel": mel_error(found[-1], analysis.mixture)}
    return [*rows, _row(VAE_MIXTURE, example, "mixture", error)]


def _row(system: str, example: Example, stem: str, figures: dict[str, float]) -> Score:
    clip, song = example.clip, example.song
    level = level_db(song.sources.get(stem, song.mixture), song.mixture)
    active = stem not in STEMS or song.active(stem)
    start = clip.start / clip.rate
    return Score(system, clip.track, start, stem, round(level, 2), active, **figures)


def summary_of(rows: list[Score], figure: str, stem: str | None = None) -> Summary:
    """Summarise one figure over all rows of one system that have it, or of one stem."""
    chosen = [row for row in rows if stem in (None, row.stem) and getattr(row, figure) is not None]
    return summarise([getattr(row, figure) for row in chosen], [row.track for row in chosen])


def mean_level(rows: list[Score], stem: str | None = None) -> float:
    """Return the mean power of the estimates of silent stems in dB; nan if none was silent."""
    powers = [10 ** (r.left / 10) for r in rows if r.left is not None and stem in (None, r.stem)]
    return 10 * math.log10(float(np.mean(powers))) if powers else math.nan


def summary_json(scores: Scores) -> dict[str, Any]:
    """Return the figures of every system as JSON values."""
    found: dict[str, Any] = {}
    for system in scores.systems():
        rows = scores.of(system)
        entry: dict[str, Any] = {}
        for figure in ("si_sdri", "sdri", "mel", "own_mel"):
            whole = summary_of(rows, figure)
            if whole.count:
                stems = {stem: _clean(asdict(summary_of(rows, figure, stem))) for stem in STEMS}
                entry[figure] = _clean(asdict(whole)) | {"stems": stems}
        left = [row.left for row in rows if row.left is not None]
        if left:
            stems_left = {stem: mean_level(rows, stem) for stem in STEMS}
            entry["silent_db"] = {
                "mean_power": mean_level(rows),
                "median": float(np.median(left)),
                "worst": max(left),
                "count": len(left),
                "stems": _clean(stems_left),
            }
        if system in scores.null:
            entry["null_error"] = max(scores.null[system])
        if system in scores.seconds:
            entry["seconds_per_clip"] = float(np.median(scores.seconds[system]))
        found[system] = entry
    return found


def _clean(values: dict[str, Any]) -> dict[str, Any]:
    """Replace nan, which JSON has not, by None."""
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in values.items()}
