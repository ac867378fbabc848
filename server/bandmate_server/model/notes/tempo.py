"""A steady tempo for notes: where their beats are, from the times of the onsets alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandmate_server.audio.arrays import FloatArray

Doubles = npt.NDArray[np.float64]
Phases = npt.NDArray[np.complex128]

USUAL = 110.0  # beats a minute, the likeliest tempo
SPREAD = 0.35  # of tempos around it, a standard deviation in log
SLOWEST, FASTEST = 55.0, 210.0
STEPS = 4000  # tempos that are tried
FEWEST = 6  # onsets below which nothing can be said
PARTS = ((1, 1.0), (2, 1.0), (4, 0.5))  # of a beat, and how much onsets on them count


def find_beats(onsets: FloatArray, seconds: float) -> list[float]:
    """Return the beats, in seconds, from the last one before 0 up to the first one after the end.

    The tempo is the one whose beats, halves and quarters most onsets fall on: the sum of the
    lengths of the onsets' mean phases at those frequencies, weighted by how usual the tempo is.
    A slow song's may be found doubled: its notes are right all the same, its bars are halved.
    Without enough onsets the tempo is `USUAL`, and a beat is at 0.

    Args:
        onsets: (n, 2), times in seconds and strengths.
        seconds: length of what is played.
    """
    period, first = 60.0 / USUAL, 0.0
    if len(onsets) >= FEWEST:
        period, first = _steady(*onsets.T.astype(np.float64))
    count = int(np.ceil((seconds - first) / period)) + 1
    return [first + period * k for k in range(max(count, 2))]


def _steady(times: Doubles, strengths: Doubles) -> tuple[float, float]:
    """Return the period of the beats and the last beat before 0."""
    tempos = np.exp(np.linspace(np.log(SLOWEST), np.log(FASTEST), STEPS))
    usual = np.exp(-0.5 * (np.log(tempos / USUAL) / SPREAD) ** 2)
    agreed = [w * np.abs(_phase(times, strengths, tempos / 60 * k)) for k, w in PARTS]
    rate = float(tempos[np.argmax(np.sum(agreed, 0) * usual)]) / 60
    turn = float(np.angle(_phase(times, strengths, np.array([rate]))[0])) / (2 * np.pi)
    return 1 / rate, (turn % 1 - 1) / rate


def _phase(times: Doubles, strengths: Doubles, rates: Doubles) -> Phases:
    """Return the mean phase (tempos,) of onsets at rates per second, as complex numbers."""
    turns = np.exp(2j * np.pi * rates[:, None] * times)
    return np.asarray(turns @ strengths / strengths.sum())
