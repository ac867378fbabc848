"""How loud audio is, and the gain that brings it to the model's level."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.downmix import polarity
from bandmate_server.audio.sources import MAX_PEAK
from bandmate_server.errors import AudioError

REFERENCE_DB = -20.0  # dBFS, RMS of the model's input
MAX_GAIN_DB = 80.0
GATE_DB = -20.0  # blocks this far below the mean do not count as music
GATE_SECONDS = 0.1


@dataclass(frozen=True)
class SignalLevel:
    """How loud audio is: peak of any channel, gated RMS of its mono mix (full scale 1.0)."""

    peak: float
    rms: float

    @property
    def gain(self) -> float:
        """The factor that brings the RMS to the model's reference; 1 for silence."""
        if self.rms <= 0.0:
            return 1.0
        gain_db = REFERENCE_DB - 20.0 * math.log10(self.rms)
        return float(10.0 ** (min(gain_db, MAX_GAIN_DB) / 20.0))


def measure_level(blocks: Iterator[FloatArray], rate: int, name: str) -> SignalLevel:
    """Measure audio in one pass and make sure that all of it is finite.

    Blocks of 0.1 s more than 20 dB below the mean are left out of the RMS, so that
    rests do not make a song seem quiet.

    Args:
        blocks: (n, channels), any sizes.
        rate: Hz.
        name: what an error calls the audio.

    Raises:
        AudioError: if a sample is NaN or infinite.
    """
    size = math.ceil(GATE_SECONDS * rate)
    peak, powers = 0.0, []
    for block in blocks:
        highest = float(np.max(np.abs(block), initial=0.0))
        if not math.isfinite(highest):
            raise AudioError(f"{name} has samples that are not finite numbers (NaN or infinite)")
        if highest > MAX_PEAK:
            raise AudioError(
                f"{name} has samples up to {highest:.1e}: expected full scale at 1,"
                f" and nothing above {MAX_PEAK:.1e}; it may be damaged"
            )
        peak = max(peak, highest)
        mono = (block * polarity(block)).mean(axis=1, dtype=np.float64)
        edges = np.arange(0, len(mono), size)
        powers.append(np.add.reduceat(mono * mono, edges) / np.diff(edges, append=len(mono)))
    power = np.concatenate(powers) if powers else np.zeros(1)
    loud = power[power >= power.mean() * 10.0 ** (GATE_DB / 10.0)]
    return SignalLevel(peak, math.sqrt(float(loud.mean())))
