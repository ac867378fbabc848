"""The Slaney mel filter bank: linear frequency bins to mel bands.

Source: M. Slaney, Auditory Toolbox, 1998: linear below 1 kHz, logarithmic above.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from bandmate_server.spec import MelSpec

FloatArray = npt.NDArray[np.float32]

_HZ_PER_MEL = 200.0 / 3.0  # below the break
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _HZ_PER_MEL
_LOG_STEP = math.log(6.4) / 27.0  # per mel above the break


def hz_to_mel(hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Map frequencies in Hz (any shape, >= 0) to Slaney mels."""
    hz = np.asarray(hz, dtype=np.float64)
    above = _BREAK_MEL + np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(hz < _BREAK_HZ, hz / _HZ_PER_MEL, above)


def mel_to_hz(mel: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Map Slaney mels (any shape, >= 0) to frequencies in Hz."""
    mel = np.asarray(mel, dtype=np.float64)
    above = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _HZ_PER_MEL, above)


def band_edges_hz(spec: MelSpec) -> npt.NDArray[np.float64]:
    """Return the (M + 2) corner frequencies in Hz: band m rises from m to m+1, falls to m+2."""
    low, high = hz_to_mel([spec.fmin, spec.fmax])
    return mel_to_hz(np.linspace(low, high, spec.bands + 2))


def triangles(spec: MelSpec, frequencies: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Evaluate the bands' triangles, of height 1, at frequencies (K,) in Hz: (M, K)."""
    edges = band_edges_hz(spec)
    lower, centre, upper = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rise = (frequencies[None] - lower) / (centre - lower)
    fall = (upper - frequencies[None]) / (upper - centre)
    return np.maximum(0.0, np.minimum(rise, fall))


def filter_bank(spec: MelSpec) -> FloatArray:
    """Return the area-normalised bank (M, fft_size / 2 + 1) for DFT magnitudes."""
    bins = np.linspace(0.0, spec.sample_rate / 2, spec.fft_size // 2 + 1)
    edges = band_edges_hz(spec)
    area = 2.0 / (edges[2:] - edges[:-2])
    return (triangles(spec, bins) * area[:, None]).astype(np.float32)
