"""The frequency bands of masks: the separator's own, and mels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandmate_server.model import mel
from bandmate_server.spec import BandSpec, MelSpec

_HALVINGS = 60  # of the interval in which the growth is sought


def band_bins(spec: BandSpec) -> npt.NDArray[np.int64]:
    """Return the first bin of every band, and the number of bins (bands + 1,).

    The lowest `single` bands hold one bin each; the others grow by a constant factor until
    the last ends at the Nyquist frequency.
    """
    bins = spec.fft_size // 2 + 1

    def edges(growth: float) -> npt.NDArray[np.float64]:
        widths = growth ** np.arange(1, spec.bands - spec.single + 1)
        return spec.single + np.cumsum(widths)

    low, high = 1.0, 2.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if edges(middle)[-1] < bins else (low, middle)
    upper = np.round(edges(low)).astype(np.int64)
    upper[-1] = bins
    return np.concatenate([np.arange(spec.single + 1), upper])


def band_centres(spec: BandSpec | MelSpec) -> npt.NDArray[np.float64]:
    """Return the bands' centre frequencies in Hz (bands,)."""
    if isinstance(spec, MelSpec):
        return mel.band_edges_hz(spec)[1:-1]
    edges = band_bins(spec)
    return (edges[:-1] + edges[1:] - 1) / 2 * (spec.sample_rate / spec.fft_size)
