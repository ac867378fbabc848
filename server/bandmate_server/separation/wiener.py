"""Stereo masks that also tell stems apart by where they stand.

In a cell where two stems sound together a mask can only share the cell out. Two channels hold
more: how a stem's sound is divided between left and right shows where it stands, and what stands
elsewhere can be cancelled. So each stem's mask becomes a matrix from both channels to both: the
multichannel Wiener filter of Duong, Vincent and Gribonval 2010 ("Under-determined reverberant
audio source separation using a full-rank spatial covariance model", eq. 4), with the powers that
the network found, and covariances whose imaginary part, the delay between channels, is left out.
"""

from __future__ import annotations

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.stft import sine_window, stft
from bandmate_server.model.bands import band_bins
from bandmate_server.spec import BandSpec

# Chosen on training songs, with sources panned and with wide, doubled, reverberant ones.
SHARE_EXPONENT = 4  # power of the shares by which cells count: where a stem rules, its place shows
SMOOTHING_BANDS = 9  # bands that a place is sought in together; odd
DIFFUSE_POWER = 0.002  # of a stem's power, that comes from everywhere
_SILENT = 1e-14  # power of a cell: what is below it stays unsplit


def wiener_filter(masks: FloatArray, waves: FloatArray, grid: BandSpec) -> FloatArray:
    """Return the matrices (N, 2, 2, S, bands) that make each stem's two channels of a mixture's.

    They sum to the identity over the stems, but where nothing sounds.

    Args:
        masks: of each stem (2, S, N, bands), of every channel's power; they sum to 1.
        waves: the mixture's channels (2, N * hop) at the grid's rate.
        grid: of the shares.
    """
    left, both, right = _powers(waves, grid)
    power = left + right
    share = (masks[0] * left + masks[1] * right) / np.maximum(power, _SILENT)  # (S, N, bands)
    weight = share**SHARE_EXPONENT
    places = [_around((weight * moment).sum(axis=1)) for moment in (left, both, right)]
    spread = np.maximum(places[0] + places[2], _SILENT)
    places = [place / spread for place in places]
    places[0] += DIFFUSE_POWER
    places[2] += DIFFUSE_POWER
    # Covariances [[a, b], [b, c]] of each stem (S, N, bands), and of their sum (N, bands).
    share *= power
    a, b, c = (share * place[:, None] for place in places)
    total_a, total_b, total_c = (moment.sum(axis=0) for moment in (a, b, c))
    total_a += _SILENT
    total_c += _SILENT
    scale = 1 / (total_a * total_c - total_b**2)
    total_a, total_b, total_c = total_a * scale, total_b * scale, total_c * scale
    rows = [
        [a * total_c - b * total_b, b * total_a - a * total_b],
        [b * total_c - c * total_b, c * total_a - b * total_b],
    ]
    return np.moveaxis(np.array(rows, np.float32), 3, 0)


def _powers(waves: FloatArray, grid: BandSpec) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the left power, what both channels have in common, and the right (N, bands)."""
    left, right = stft(waves, sine_window(grid.fft_size), grid.hop)[:, :-1]
    moments = (left.real**2 + left.imag**2, left.real * right.real + left.imag * right.imag,
               right.real**2 + right.imag**2)  # fmt: skip
    first = band_bins(grid)[:-1]
    low, middle, high = (np.add.reduceat(moment, first, axis=1) for moment in moments)
    return low, middle, high


def _around(values: FloatArray) -> FloatArray:
    """Return the mean of AROUND neighbours on the last axis, whose ends go on as they are."""
    wide = np.pad(values, ((0, 0), (SMOOTHING_BANDS // 2, SMOOTHING_BANDS // 2)), mode="edge")
    mean: FloatArray = np.lib.stride_tricks.sliding_window_view(wide, SMOOTHING_BANDS, axis=1).mean(
        axis=2
    )
    return mean
