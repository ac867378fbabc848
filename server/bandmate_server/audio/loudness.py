"""How loud audio is (ITU-R BS.1770), and how loud a stem is beside others."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import soxr

from bandmate_server.audio.arrays import FloatArray

BLOCK_SECONDS = 0.4  # of the gating blocks: shorter audio is padded
PEAK_FACTOR = 4  # of oversampling for the true peak
PEAK_CEILING_DB = -1.0  # dBTP
_PEAK_MARGIN_DB = 0.1  # what resampling to the session's rate may add
SILENCE_LUFS = -70.0  # the standard's absolute gate

# Source of both: `bandmate-train levels --corpus corpus --songs 40`.
# How loud a stem is in a band of all four, in dB of their sum; any other counts as UNKNOWN_DB.
STEM_DB = {"bass": -6.2, "drums": -9.0, "guitar": -4.9, "piano": -5.1}
UNKNOWN_DB = -6.0
# Loudness of a stem less that of the stems it plays to, mean over songs, in LU.
_BESIDE_LU = {
    "bass": {
        "drums": 3.0,
        "guitar": -0.8,
        "piano": -0.3,
        "drums+guitar": -1.7,
        "drums+piano": -1.3,
        "guitar+piano": -3.0,
        "drums+guitar+piano": -3.7,
    },
    "drums": {
        "bass": -3.0,
        "guitar": -3.8,
        "piano": -3.6,
        "bass+guitar": -5.9,
        "bass+piano": -5.5,
        "guitar+piano": -6.0,
        "bass+guitar+piano": -7.4,
    },
    "guitar": {
        "bass": 0.8,
        "drums": 3.8,
        "piano": 0.6,
        "bass+drums": -0.4,
        "bass+piano": -1.3,
        "drums+piano": -0.3,
        "bass+drums+piano": -2.2,
    },
    "piano": {
        "bass": 0.3,
        "drums": 3.6,
        "guitar": -0.6,
        "bass+drums": -0.5,
        "bass+guitar": -2.5,
        "drums+guitar": -1.2,
        "bass+drums+guitar": -3.2,
    },
}


def stem_db(stem: str) -> float:
    """Return how loud a stem usually is, in dB of a whole band."""
    return STEM_DB.get(stem, UNKNOWN_DB)


def usual_lu(stem: str, given: Collection[str]) -> float:
    """Return how much louder a stem usually is than the given others together, in LU."""
    measured = _BESIDE_LU.get(stem, {}).get("+".join(sorted(given)))
    if measured is not None:
        return measured
    return stem_db(stem) - power_sum_db([stem_db(name) for name in given])


def measure_lufs(audio: FloatArray, rate: int) -> float:
    """Return the integrated loudness of audio (n, channels), 1 to 5 channels; -inf for silence.

    Source: ITU-R BS.1770-4. Audio shorter than a gating block is padded with zeros.
    """
    import pyloudnorm  # here, as its scipy takes longer to load than the model

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
