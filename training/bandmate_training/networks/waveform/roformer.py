"""BS-RoFormer and Mel-Band RoFormer: masks from attention over time and over frequency bands.

The two differ only in their bands. The transform and its inverse stand outside of `RoFormer`, which
maps a spectrogram to those of all stems.

Source: Lu et al. 2023 (Music Source Separation with Band-Split RoPE Transformer); Wang, Lu and Won
2023 (Mel-Band RoFormer for Music Source Separation). Parameters are named as in the checkpoints
that circulate, so that these load as they are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bandmate_server.model.mel import filter_bank
from bandmate_server.spec import MelSpec

ROTARY_BASE = 10_000.0
SMALLEST_NORM = 1e-12  # vectors are never divided by less
FREQS_PER_BAND = (*[2] * 24, *[4] * 12, *[12] * 8, *[24] * 8, *[48] * 8, 128, 129)

Bands = tuple[tuple[int, ...], ...]  # the bins of every band


@dataclass(frozen=True)
class RoFormerConfig:
    """Sizes of the network.

    bands: the bins of each; a bin may lie in several.
    bins: of the spectrogram.
    stems: how many are estimated.
    channels: of the wave.
    dim: features of a band.
    depth: pairs of transformers.
    time_depth, band_depth: layers of the transformer over time, and of that over bands.
    heads, dim_head: of every attention.
    feed_mult: how much wider the feed-forward layers are inside.
    mask_hidden: how much wider, and `mask_layers`: how many layers the mask estimators have
        between their first and last width.
    norm_output: whether every transformer ends in a normalisation; else the last one only.
    """

    bands: Bands
    bins: int
    stems: int
    channels: int
    dim: int
    depth: int
    time_depth: int = 2
    band_depth: int = 2
    heads: int = 8
    dim_head: int = 64
    feed_mult: int = 4
    mask_hidden: int = 4
    mask_layers: int = 1
    norm_output: bool = False

    @property
    def widths(self) -> list[int]:
        """Numbers that each band has: real and imaginary parts of its bins in all channels."""
        return [2 * self.channels * len(band) for band in self.bands]


def split_bands(widths: Iterable[int]) -> Bands:
    """Return bands that follow each other, of so many bins each (BS-RoFormer)."""
    edges = np.cumsum([0, *widths]).tolist()
    return tuple(tuple(range(a, b)) for a, b in itertools.pairwise(edges))


def mel_bands(count: int, sample_rate: int, fft_size: int) -> Bands:
    """Return overlapping bands as wide as mel triangles (Mel-Band RoFormer).

    The lowest also has the bin at 0 Hz, the highest that at half the rate.
    """
    spec = MelSpec(
        sample_rate=sample_rate,
        fft_size=fft_size,
        hop=fft_size // 4,
        bands=count,
        fmin=0.0,
        fmax=sample_rate / 2,
    )
    inside = filter_bank(spec) > 0
    inside[0, 0] = inside[-1, -1] = True
    return tuple(tuple(np.flatnonzero(row).tolist()) for row in inside)


class RMSNorm(nn.Module):
    """Scale vectors to the length sqrt(width), then each number by its own factor."""

    def __init__(self, width: int) -> None:
        """Start with factors of 1."""
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to the same shape."""
        return F.normalize(x, dim=-1, eps=SMALLEST_NORM) * math.sqrt(x.shape[-1]) * self.gamma


class FeedForward(nn.Module):
    """Two linear layers behind a normalisation."""

    def __init__(self, dim: int, mult: int) -> None:
        """Make the layers, named as in the checkpoints."""
        super().__init__()
        self.net = nn.Sequential(
            RMSNorm(dim),
            nn.Linear(dim, dim * mult),
            nn.GELU(),
            nn.Identity(),  # dropout
            nn.Linear(dim * mult, dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., dim) to the same shape."""
        y: Tensor = self.net(x)
        return y


class GatedAttention(nn.Module):
    """Attention with rotary places, each head's output weighed by a gate."""

    def __init__(self, config: RoFormerConfig) -> None:
        """Make the layers, named as in the checkpoints."""
        super().__init__()
        inner = config.heads * config.dim_head
        self.heads = config.heads
        self.norm = RMSNorm(config.dim)
        self.to_qkv = nn.Linear(config.dim, 3 * inner, bias=False)
        self.to_gates = nn.Linear(config.dim, config.heads)
        self.to_out = nn.Sequential(nn.Linear(inner, config.dim, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Map sequences (B, N, dim) to the same shape."""
        x = self.norm(x)
        qkv = self.to_qkv(x).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, N, dim_head) each
        y = F.scaled_dot_product_attention(rotated(q), rotated(k), v)
        y = y.transpose(1, 2) * self.to_gates(x).sigmoid()[..., None]
        out: Tensor = self.to_out(y.flatten(2))
        return out


class Transformer(nn.Module):
    """Layers of attention and linear layers, both residual."""

    def __init__(self, config: RoFormerConfig, depth: int) -> None:
        """Make `depth` layers, named as in the checkpoints."""
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList([GatedAttention(config), FeedForward(config.dim, config.feed_mult)])
            for _ in range(depth)
        )
        self.norm = RMSNorm(config.dim) if config.norm_output else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map sequences (B, N, dim) to the same shape."""
        for attend, feed in pairs(self.layers):
            x = x + attend(x)
            x = x + feed(x)
        y: Tensor = self.norm(x)
        return y


class BandSplit(nn.Module):
    """A normalisation and a linear layer for every band."""

    def __init__(self, config: RoFormerConfig) -> None:
        """Make the layers, named as in the checkpoints."""
        super().__init__()
        self.widths = config.widths
        self.to_features = nn.ModuleList(
            nn.Sequential(RMSNorm(width), nn.Linear(width, config.dim)) for width in self.widths
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map the bands' numbers (B, T, all widths) to features (B, T, bands, dim)."""
        parts = x.split(self.widths, dim=-1)
        features = [layer(part) for layer, part in zip(self.to_features, parts, strict=True)]
        return torch.stack(features, dim=2)


class MaskEstimator(nn.Module):
    """A small network with a gated output for every band."""

    def __init__(self, config: RoFormerConfig) -> None:
        """Make the layers, named as in the checkpoints."""
        super().__init__()
        hidden = config.dim * config.mask_hidden
        inner = [config.dim, *[hidden] * config.mask_layers]
        self.to_freqs = nn.ModuleList(
            nn.Sequential(perceptron([*inner, 2 * width]), nn.GLU(-1)) for width in config.widths
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map features (B, T, bands, dim) to the bands' mask numbers (B, T, all widths)."""
        pairs = zip(self.to_freqs, x.unbind(2), strict=True)
        return torch.cat([layers(features) for layers, features in pairs], dim=-1)


def pairs(layers: nn.ModuleList) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Yield the two modules of every item."""
    for item in layers:
        assert isinstance(item, nn.ModuleList)
        yield item[0], item[1]


def perceptron(widths: list[int]) -> nn.Sequential:
    """Return linear layers from each width to the next, tanh between them."""
    layers: list[nn.Module] = []
    for place, (before, after) in enumerate(itertools.pairwise(widths)):
        layers += [nn.Tanh()] * (place > 0) + [nn.Linear(before, after)]
    return nn.Sequential(*layers)


class RoFormer(nn.Module):
    """The network between the transforms."""

    def __init__(self, config: RoFormerConfig) -> None:
        """Make the layers, named as in the checkpoints."""
        super().__init__()
        self.config = config
        self.band_split = BandSplit(config)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                [Transformer(config, config.time_depth), Transformer(config, config.band_depth)]
            )
            for _ in range(config.depth)
        )
        self.final_norm = nn.Identity() if config.norm_output else RMSNorm(config.dim)
        self.mask_estimators = nn.ModuleList(MaskEstimator(config) for _ in range(config.stems))

    def forward(self, spectrum: Tensor) -> Tensor:
        """Return the stems' spectra (B, S, 2 channels, bins, T).

        Args:
            spectrum: (B, 2 channels, bins, T): real and imaginary part of each channel in turn.
        """
        config = self.config
        cells = spectrum.unflatten(1, (config.channels, 2))  # (B, C, 2, bins, T)
        numbers = cells.permute(0, 4, 3, 1, 2)  # (B, T, bins, C, 2)
        bins = torch.tensor([b for band in config.bands for b in band])
        x = self.band_split(numbers[:, :, bins].flatten(2))
        for over_time, over_bands in pairs(self.layers):
            batch, time, count, _ = x.shape
            x = over_time(x.transpose(1, 2).flatten(0, 1)).unflatten(0, (batch, count))
            x = over_bands(x.transpose(1, 2).flatten(0, 1)).unflatten(0, (batch, time))
        x = self.final_norm(x)
        masks = torch.stack([self._mask(estimate(x), bins) for estimate in self.mask_estimators], 1)
        real, imaginary = numbers[:, None].unbind(-1)
        mask_real, mask_imaginary = masks.unbind(-1)  # (B, S, T, bins, C)
        parts = [
            real * mask_real - imaginary * mask_imaginary,
            real * mask_imaginary + imaginary * mask_real,
        ]
        return torch.stack(parts, -1).permute(0, 1, 4, 5, 3, 2).flatten(2, 3)

    def _mask(self, numbers: Tensor, bins: Tensor) -> Tensor:
        """Return the mean mask (B, T, bins, C, 2) of all bands that a bin lies in."""
        parts = numbers.unflatten(-1, (len(bins), self.config.channels, 2))
        total = parts.new_zeros((*parts.shape[:2], self.config.bins, *parts.shape[3:]))
        total.index_add_(2, bins, parts)
        return total / self.counts()[:, None, None]

    def counts(self) -> Tensor:
        """Return in how many bands each bin (bins,) lies."""
        bins = torch.tensor([b for band in self.config.bands for b in band])
        return torch.bincount(bins, minlength=self.config.bins).clamp(min=1).float()


def rotary_rates(width: int) -> Tensor:
    """Return the angles (width / 2,) by which pairs of numbers are turned from place to place."""
    return ROTARY_BASE ** -(torch.arange(0, width, 2) / width)


def rotary_waves(length: int, width: int) -> tuple[Tensor, Tensor]:
    """Return the cosines and sines (length, width / 2) by which pairs of numbers are turned.

    Source: Su et al. 2021 (RoFormer), eq. 15.
    """
    angles = torch.arange(length)[:, None] * rotary_rates(width)
    return angles.cos(), angles.sin()


def rotated(x: Tensor) -> Tensor:
    """Turn neighbouring pairs of numbers (..., N, width) by angles that grow with the place."""
    cos, sin = rotary_waves(x.shape[-2], x.shape[-1])
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, odd * cos + even * sin], dim=-1).flatten(-2)
