"""How loud audio is (ITU-R BS.1770), and how loud a stem is beside others."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import pyloudnorm
import soxr

from bandmate_server.arrays import FloatArray

BLOCK_SECONDS = 0.4  # of the gating blocks: shorter audio is padded
PEAK_FACTOR = 4  # of oversampling for the true peak
PEAK_CEILING_DB = -1.0  # dBTP
_PEAK_MARGIN_DB = 0.1  # what resampling to the session's rate may add
SILENCE_LUFS = -70.0  # the standard's absolute gate
# How loud a stem is in a band of all four, in dB of their sum.
# Source: `bandmate-train levels --corpus corpus --songs 150`.
STEM_DB = {"bass": -6.0, "drums": -4.0, "guitar": -7.0, "piano": -8.0}


def measure_lufs(audio: FloatArray, rate: int) -> float:
    """Return the integrated loudness of audio (n, channels), 1 to 5 channels; -inf for silence.

    Source: ITU-R BS.1770-4. Audio shorter than a gating block is padded with zeros.
    """
    shortest = math.ceil(BLOCK_SECONDS * rate) + 1
    padded = np.pad(audio.astype(np.float64), ((0, max(shortest - len(audio), 0)), (0, 0)))
    return float(pyloudnorm.Meter(rate).integrated_loudness(padded))


def true_peak(wave: FloatArray, rate: int) -> float:
    """Return the highest magnitude of a wave (n,) oversampled four times.

    Source: ITU-R BS.1770-4, annex 2.
    """
    finer = soxr.resample(wave, rate, PEAK_FACTOR * rate)
    return float(max(np.max(np.abs(finer), initial=0.0), np.max(np.abs(wave), initial=0.0)))


def ceiling_gain(peak: float) -> float:
    """Return the factor, at most 1, that brings a true peak under the ceiling."""
    ceiling = 10.0 ** ((PEAK_CEILING_DB - _PEAK_MARGIN_DB) / 20.0)
    return min(1.0, ceiling / peak) if peak > 0.0 else 1.0


def power_sum_db(levels: Collection[float]) -> float:
    """Return the level of several uncorrelated sounds together, in dB."""
    return 10.0 * math.log10(sum(10.0 ** (level / 10.0) for level in levels))


def decibels(factor: float) -> float:
    """Return an amplitude factor above 0 in dB."""
    return 20.0 * math.log10(factor)
