"""Two sequences that attend to themselves and to each other in turn, as in HTDemucs.

Source: Rouard, Massa and Défossez 2023 (Hybrid Transformers for Music Source Separation), sec. 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes of a cross-domain transformer.

    width: of both sequences.
    layers: of each; self-attention first, then attention to the other, and so on.
    heads: of every attention.
    hidden: width inside the feed-forward layers.
    cross_first: whether attention to the other sequence comes first instead.
    max_period: of the slowest wave in the position embeddings, in places.
    position_weight: of these embeddings.
    """

    width: int
    layers: int = 5
    heads: int = 8
    hidden: int = 1536
    cross_first: bool = False
    max_period: float = 10_000.0
    position_weight: float = 1.0

    def crosses(self, layer: int) -> bool:
        """Whether a layer attends to the other sequence."""
        return (layer % 2 == 0) == self.cross_first


class Scale(nn.Module):
    """A factor per channel, on the last axis (`last`) or the second last."""

    def __init__(self, width: int, last: bool) -> None:
        """Start at a small factor: the branch begins as almost nothing."""
        super().__init__()
        self.scale = nn.Parameter(torch.full((width,), 1e-4))
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        """Scale (..., width) or (..., width, T)."""
        return x * (self.scale if self.last else self.scale[:, None])


class SequenceNorm(nn.GroupNorm):
    """Normalise each whole sequence (B, N, width) at once."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class Layer(nn.Module):
    """Attention, then two linear layers; both residual, scaled, and normalised before.

    Args:
        config: sizes.
        cross: whether it attends to another sequence; the parameters' names say which.
    """

    def __init__(self, config: TransformerConfig, cross: bool) -> None:
        """Make the layers, named as in the published checkpoints."""
        super().__init__()
        width = config.width
        attention = nn.MultiheadAttention(width, config.heads, batch_first=True)
        self.cross = cross
        if cross:
            self.cross_attn = attention
            self.norm3 = nn.LayerNorm(width)
        else:
            self.self_attn = attention
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, config.hidden)
        self.linear2 = nn.Linear(config.hidden, width)
        self.norm_out = SequenceNorm(1, width)
        self.gamma_1, self.gamma_2 = Scale(width, last=True), Scale(width, last=True)

    @property
    def attention(self) -> nn.MultiheadAttention:
        """The attention, whatever its name."""
        return self.cross_attn if self.cross else self.self_attn

    @property
    def feed_norm(self) -> nn.LayerNorm:
        """The normalisation before the linear layers."""
        return self.norm3 if self.cross else self.norm2

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """Map x (B, N, width), given the other sequence (B, M, width), to the shape of x."""
        query = self.norm1(x)
        key = self.norm2(other) if self.cross else query
        x = x + self.gamma_1(self.attention(query, key, key, need_weights=False)[0])
        x = x + self.gamma_2(self.linear2(F.gelu(self.linear1(self.feed_norm(x)))))
        return self.norm_out(x)


class CrossTransformer(nn.Module):
    """The layers of both sequences: a spectrogram's cells and a wave's frames."""

    def __init__(self, config: TransformerConfig) -> None:
        """Make the layers, named as in the published checkpoints."""
        super().__init__()
        self.config = config
        kinds = [config.crosses(layer) for layer in range(config.layers)]
        self.norm_in, self.norm_in_t = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.layers = nn.ModuleList(Layer(config, cross) for cross in kinds)
        self.layers_t = nn.ModuleList(Layer(config, cross) for cross in kinds)

    def forward(self, cells: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Map cells (B, width, F, T) and frames (B, width, N) to the same shapes."""
        config, (_, width, bands, time) = self.config, cells.shape
        x = self.norm_in(cells.permute(0, 3, 2, 1).flatten(1, 2))  # (B, T F, width)
        x = x + config.position_weight * cell_positions(width, bands, time, config.max_period)
        y = self.norm_in_t(frames.transpose(1, 2))
        y = y + config.position_weight * frame_positions(width, y.shape[1], config.max_period)
        for layer, layer_t in zip(self.layers, self.layers_t, strict=True):
            x, y = layer(x, y), layer_t(y, x)
        cells = x.unflatten(1, (time, bands)).permute(0, 3, 2, 1)
        return cells, y.transpose(1, 2)


def frame_positions(width: int, count: int, max_period: float) -> Tensor:
    """Return the embeddings (count, width) of places in a sequence: cosines, then sines."""
    half = width // 2
    rates = max_period ** (torch.arange(half) / (half - 1))
    angles = torch.arange(count)[:, None] / rates
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def cell_positions(width: int, bands: int, time: int, max_period: float) -> Tensor:
    """Return the embeddings (time * bands, width) of cells.

    The first half of the channels holds waves over time, the second over frequency; sines and
    cosines alternate.
    """
    half = width // 2
    rates = torch.exp(torch.arange(0.0, half, 2) * -(math.log(max_period) / half))

    def waves(count: int) -> Tensor:
        angles = torch.arange(float(count))[:, None] * rates
        return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)  # (count, half)

    over_time = waves(time)[:, None].expand(time, bands, half)
    over_bands = waves(bands)[None].expand(time, bands, half)
    return torch.cat([over_time, over_bands], dim=-1).flatten(0, 1)
