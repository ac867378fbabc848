"""Harmonic clarity: the share of a sound's power in steady, narrow lines."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandmate_server.spec import MEL

FloatArray = npt.NDArray[np.float32]

FFT, HOP = 4096, 1024  # samples: lines a semitone apart part from 130 Hz on
LOWEST, HIGHEST = 60.0, 4000.0  # Hz
AROUND = 31  # bins over which the floor between lines is the median
ABOVE = 10.0  # times the floor's power from which on a bin belongs to a line
_SILENCE = 1e-10  # mean power of a bin


def clarity(wave: FloatArray) -> float:
    """Return the share, 0 to 1, of a wave's (N,) power in spectral lines; nan for silence.

    Tones have about 0.95 and more, however many; steady noise has less than 0.02.
    """
    power = _powers(wave)
    if float(power.mean()) < _SILENCE:
        return float("nan")
    floor = _medians(power)
    return float(power[power > ABOVE * floor].sum() / power.sum())


def _powers(wave: FloatArray) -> npt.NDArray[np.float64]:
    """Return the power spectra (frames, bins) of a wave between LOWEST and HIGHEST."""
    padded = np.pad(wave.astype(np.float64), FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP]
    per_hertz = FFT / MEL.sample_rate
    spectra = np.fft.rfft(frames * np.hanning(FFT + 1)[:-1], axis=1)
    inside = spectra[:, round(LOWEST * per_hertz) : round(HIGHEST * per_hertz)]
    return np.asarray(np.abs(inside) ** 2 / FFT)


def _medians(power: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the median of AROUND bins around each (frames, bins)."""
    padded = np.pad(power, ((0, 0), (AROUND // 2, AROUND // 2)), mode="reflect")
    around = np.lib.stride_tricks.sliding_window_view(padded, AROUND, axis=1)
    return np.asarray(np.partition(around, AROUND // 2, axis=-1)[..., AROUND // 2])
