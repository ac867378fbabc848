"""A steady tempo for notes: where their beats are, from the times of the onsets alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Pulse:
    """A steady beat: its tempo in beats a minute, and the time of one of its beats in seconds."""

    tempo: float
    beat: float

    def beats(self, seconds: float) -> list[float]:
        """Return the beats from the last one up to 0 to the first one from `seconds` on."""
        period = 60.0 / self.tempo
        first = self.beat - math.ceil(self.beat / period) * period
        count = math.ceil((seconds - first) / period)
        return [first + period * k for k in range(max(count, 1) + 1)]

    def later(self, seconds: float) -> Pulse:
        """Return the same beat, of which every time is later by some seconds."""
        return Pulse(self.tempo, self.beat + seconds)


def find_pulse(onsets: FloatArray) -> Pulse:
    """Return the beat that onsets keep.

    The tempo is the one whose beats, halves and quarters most onsets fall on: the sum of the
    lengths of the onsets' mean phases at those frequencies, weighted by how usual the tempo is.
    A slow song's may be found doubled: its notes are right all the same, its bars are halved.
    Without enough onsets the tempo is `USUAL`, and a beat is at 0.

    Args:
        onsets: (n, 2), times in seconds and strengths.
    """
    if len(onsets) < FEWEST:
        return Pulse(USUAL, 0.0)
    times, strengths = onsets.T.astype(np.float64)
    tempos = np.exp(np.linspace(np.log(SLOWEST), np.log(FASTEST), STEPS))
    usual = np.exp(-0.5 * (np.log(tempos / USUAL) / SPREAD) ** 2)
    agreed = [w * np.abs(_phase(times, strengths, tempos / 60 * k)) for k, w in PARTS]
    tempo = float(tempos[np.argmax(np.sum(agreed, 0) * usual)])
    turn = np.angle(_phase(times, strengths, np.array([tempo / 60]))[0]) / (2 * math.pi)
    return Pulse(tempo, float(turn) * 60 / tempo)


def _phase(times: Doubles, strengths: Doubles, rates: Doubles) -> Phases:
    """Return the mean phase (tempos,) of onsets at rates per second, as complex numbers."""
    turns = np.exp(2j * np.pi * rates[:, None] * times)
    return np.asarray(turns @ strengths / strengths.sum())
