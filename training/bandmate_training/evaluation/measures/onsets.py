"""When something is struck: an envelope of attacks, their times, and how they sit on a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from bandmate_server.spec import MelSpec
from bandmate_training.networks.mel import LogMel

FloatArray = npt.NDArray[np.float32]
Times = npt.NDArray[np.float64]  # seconds

SPEC = MelSpec(fft_size=512, hop=160, bands=40)
FRAME = SPEC.hop / SPEC.sample_rate  # seconds
LEVEL = 0.1  # root mean square to which every wave is brought
COMPRESSION = 1000.0  # of magnitudes, before the logarithm
ATTACK_AHEAD = 0.01  # seconds by which a window hears an attack before its centre
APART = 0.05  # seconds between two onsets at least
THRESHOLD = 0.15  # of the envelope's strongest attacks
TOLERANCE = 0.04  # seconds from a line of the grid
DIVISIONS = (4, 3)  # lines of the grid in a beat: sixteenths, or triplets where a song swings


class Attacks:
    """Computes onset envelopes; holds the filter bank."""

    def __init__(self) -> None:
        """Make the filter bank."""
        self._mel = LogMel(SPEC)

    @torch.no_grad()
    def envelope(self, wave: FloatArray) -> FloatArray:
        """Return how much louder the bands got (frames,) of a wave (N,) at 16 kHz.

        Half-wave rectified differences of compressed mel magnitudes over two frames, averaged
        over the bands: the spectral flux of Boeck and Widmer 2013 without its vibrato filter.
        """
        loudness = math.sqrt(float(np.mean(np.square(wave, dtype=np.float64)))) if len(wave) else 0
        gain = LEVEL / loudness if loudness > 0 else 0.0
        scaled = torch.from_numpy(np.ascontiguousarray(wave * np.float32(gain), np.float32))
        magnitude = self._mel.stft(scaled).abs() @ self._mel.bank.T
        bands = (1.0 + COMPRESSION * magnitude).log()
        rise = (bands[2:] - bands[:-2]).clamp_min(0.0).mean(dim=1)
        envelope: FloatArray = torch.cat([rise.new_zeros(1), rise, rise.new_zeros(1)]).numpy()
        return envelope


def onset_times(envelope: FloatArray) -> Times:
    """Return the times of an envelope's clear local maxima."""
    strongest = float(np.quantile(envelope, 0.99)) if len(envelope) else 0.0
    if strongest <= 0:
        return np.zeros(0)
    reach = round(APART / FRAME)
    around = np.pad(envelope, reach, mode="edge")
    highest = np.lib.stride_tricks.sliding_window_view(around, 2 * reach + 1).max(axis=1)
    clear = (envelope == highest) & (envelope > THRESHOLD * strongest)
    return np.asarray(np.flatnonzero(clear) * FRAME + ATTACK_AHEAD, np.float64)


def song_grid(beats: Sequence[float], times: Times) -> Times:
    """Return the grid that a song's own onsets keep to best, of DIVISIONS, above chance."""

    def kept(lines: Times) -> float:
        share, chance = share_on_grid(times, lines), chance_on_grid(lines)
        return -1.0 if math.isnan(share) or chance >= 1 else (share - chance) / (1 - chance)

    return max((grid_lines(beats, division) for division in DIVISIONS), key=kept)


def grid_lines(beats: Sequence[float], per_beat: int) -> Times:
    """Return the beats with lines between them, evenly spaced; seconds."""
    places = np.arange((len(beats) - 1) * per_beat + 1) / per_beat
    return np.interp(places, np.arange(len(beats)), np.asarray(beats, np.float64))


def share_on_grid(times: Times, lines: Times) -> float:
    """Return the share of onsets within TOLERANCE of a line; nan if there is none to judge."""
    within = times[(times >= lines[0] - TOLERANCE) & (times <= lines[-1] + TOLERANCE)]
    if not len(within):
        return math.nan
    return float(np.mean(np.abs(within[:, None] - lines).min(axis=1) <= TOLERANCE))


def chance_on_grid(lines: Times) -> float:
    """Return the share that onsets at random times would have."""
    return float(min(1.0, 2 * TOLERANCE / np.diff(lines).mean()))
