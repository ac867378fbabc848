"""Mask targets and their losses on bands of the spectrum.

A band's mask multiplies all its bins alike, so the error of a masked mixture is a quadratic
in the mask whose three coefficients are sums over the band: exact, and a quarter of the cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bandmate_server.model.bands import band_bins
from bandmate_server.spec import BandSpec

_FLOOR = 1e-3  # of the mixture's energy: what lies 30 dB below it counts as silence


@dataclass
class Bands:
    """Sums over the bands' bins, for the sources (B, S + 1, N, M) of mixtures (B, N, M)."""

    mixture: Tensor  # |X|^2
    cross: Tensor  # Re(conj(X) S)
    source: Tensor  # |S|^2


class BandSums(nn.Module):
    """Sum powers over the bins of every band."""

    weights: Tensor

    def __init__(self, spec: BandSpec) -> None:
        """Find the bins of a spec's bands."""
        super().__init__()
        edges = torch.from_numpy(band_bins(spec))
        bins = torch.arange(2 * int(edges[-1]))[:, None] // 2  # real and imaginary parts
        inside = (bins >= edges[:-1]) & (bins < edges[1:])
        self.register_buffer("weights", inside.float(), persistent=False)

    def forward(self, spectra: Tensor) -> Bands:
        """Sum the spectra (B, S + 1, N, K) of sources that add up to their mixture."""
        parts = torch.view_as_real(spectra).flatten(-2)
        mixture = parts.sum(dim=1)
        return Bands(
            mixture.square() @ self.weights,
            (mixture[:, None] * parts) @ self.weights,
            parts.square() @ self.weights,
        )


def mask_loss(logits: Tensor, bands: Bands) -> Tensor:
    """Return the cross-entropy of masks (B, S + 1, N, M) against the sources' power shares.

    Cells are weighted by the mixture's magnitude, relative to the example's mean.
    """
    power = bands.source + 1e-12
    target = power / power.sum(dim=1, keepdim=True)
    weight = bands.mixture.sqrt()
    weight = weight / weight.mean(dim=(1, 2), keepdim=True).clamp_min(1e-6)
    loss = -(target * F.log_softmax(logits, dim=1)).sum(dim=1)
    return (loss * weight).mean()


def distortion(masks: Tensor, bands: Bands) -> Tensor:
    """Return every source's error against its own energy in dB (B, S + 1); low is good.

    Both energies are raised by a thousandth of the mixture's, so a silent source is asked
    to be 30 dB below the mixture, no more.
    """
    error = masks.square() * bands.mixture[:, None] - 2 * masks * bands.cross + bands.source
    floor = _FLOOR * bands.mixture.sum(dim=(1, 2))[:, None] + 1e-9
    energy = bands.source.sum(dim=(2, 3))
    ratio = (error.sum(dim=(2, 3)).clamp_min(0) + floor) / (energy + floor)
    return 10 * torch.log10(ratio)


def si_sdr(masks: Tensor, bands: Bands) -> Tensor:
    """Return the scale-invariant signal-to-distortion ratio in dB (B, S + 1) of masked mixtures.

    Source: Le Roux et al. 2019, eq. 3, on spectra.
    """
    overlap = (masks * bands.cross).sum(dim=(2, 3))
    energy = (masks.square() * bands.mixture[:, None]).sum(dim=(2, 3))
    target = overlap.square() / bands.source.sum(dim=(2, 3)).clamp_min(1e-9)
    return 10 * torch.log10((target + 1e-9) / ((energy - target).clamp_min(0) + 1e-9))
