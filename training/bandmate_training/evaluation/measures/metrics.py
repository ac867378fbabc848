"""Figures of merit for separated stems: pure functions on arrays.

Waves are of any shape, their channels judged together; levels and ratios are in dB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

ACTIVE_DB = -30.0  # of the mixture's energy: a stem below it counts as silent
LOWEST_DB, HIGHEST_DB = -60.0, 100.0  # what a ratio is cut to; a silent estimate gets the lowest
SILENT_DB = -120.0  # level of digital silence
RESAMPLES = 2000


def energy(wave: FloatArray) -> float:
    """Return the sum of squares."""
    return float(np.sum(np.square(wave, dtype=np.float64)))


def level_db(wave: FloatArray, mixture: FloatArray) -> float:
    """Return a wave's energy relative to the mixture's, at least SILENT_DB."""
    whole = energy(mixture)
    share = energy(wave) / whole if whole > 0 else 0.0
    return 10 * math.log10(max(share, 10 ** (SILENT_DB / 10)))


def is_active(stem: FloatArray, mixture: FloatArray) -> bool:
    """Whether a stem sounds: its energy is above ACTIVE_DB of the mixture's."""
    return level_db(stem, mixture) > ACTIVE_DB


def _ratio_db(signal: float, error: float) -> float:
    if signal <= 0:
        return LOWEST_DB
    if error <= 0:
        return HIGHEST_DB
    return min(max(10 * math.log10(signal / error), LOWEST_DB), HIGHEST_DB)


def si_sdr(estimate: FloatArray, target: FloatArray) -> float:
    """Return the scale-invariant signal-to-distortion ratio of a target that is not silent.

    Source: Le Roux et al. 2019 (SDR, half-baked or well done?), eqs. 4 and 5; no mean is removed.

    Raises:
        ValueError: if the shapes differ.
    """
    _check_shapes(estimate, target)
    wide, wanted = estimate.astype(np.float64), target.astype(np.float64)
    scale = float(np.vdot(wanted, wide)) / max(energy(target), 1e-30)
    return _ratio_db(scale**2 * energy(target), float(np.sum((wide - scale * wanted) ** 2)))


def sdr(estimate: FloatArray, target: FloatArray) -> float:
    """Return the plain signal-to-distortion ratio: a wrong level counts as an error.

    Raises:
        ValueError: if the shapes differ.
    """
    _check_shapes(estimate, target)
    error = estimate.astype(np.float64) - target
    return _ratio_db(energy(target), float(np.sum(error**2)))


def _check_shapes(estimate: FloatArray, target: FloatArray) -> None:
    if estimate.shape != target.shape:
        raise ValueError(f"expected an estimate of shape {target.shape}, got {estimate.shape}")


def mel_error(estimate: FloatArray, target: FloatArray) -> float:
    """Return the mean squared difference of two log-mels of one shape."""
    _check_shapes(estimate, target)
    return float(np.mean(np.square(estimate.astype(np.float64) - target)))


def null_error(parts: Sequence[FloatArray], mixture: FloatArray) -> float:
    """Return the largest difference between the sum of all parts and the mixture."""
    total = np.sum(np.stack(parts).astype(np.float64), axis=0)
    return float(np.abs(total - mixture).max())


@dataclass(frozen=True)
class Summary:
    """Mean, median and a 95 % interval of the mean; nan where nothing was measured."""

    mean: float
    median: float
    low: float
    high: float
    count: int


def summarise(values: Sequence[float], groups: Sequence[str], seed: int = 0) -> Summary:
    """Summarise figures; the interval is a bootstrap over groups (songs), drawn whole.

    Clips of one song resemble each other, so songs are what is drawn. The same groups and
    seed draw the same songs for every system.

    Args:
        values: one figure per clip and stem.
        groups: the song of each.
        seed: of the bootstrap.
    """
    if not values:
        return Summary(math.nan, math.nan, math.nan, math.nan, 0)
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.bincount(index, weights=np.asarray(values), minlength=len(names))
    counts = np.bincount(index, minlength=len(names))
    draws = np.random.default_rng(seed).integers(len(names), size=(RESAMPLES, len(names)))
    means = sums[draws].sum(axis=1) / counts[draws].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Summary(
        float(np.mean(values)), float(np.median(values)), float(low), float(high), len(values)
    )
