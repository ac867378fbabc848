"""Blocks that the networks share: residual convolutions and attention."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)
Convolution = TypeVar("Convolution", bound=nn.Conv1d | nn.Conv2d | nn.Conv3d)


def channels_last(module: Module) -> Module:
    """Lay a network's weights out channels last: 2-d convolutions run faster so."""
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


def quick_type() -> torch.dtype:
    """Return bfloat16 where the processor is quick at it, else float32.

    Processors without AVX-512 emulate it, and take ten times as long as in float32.
    """
    native = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return torch.bfloat16 if native else torch.float32


def autocast() -> torch.autocast:
    """Compute in `quick_type` inside a `with`."""
    return torch.autocast("cpu", torch.bfloat16, enabled=quick_type() == torch.bfloat16)


def zero(module: Convolution) -> Convolution:
    """Zero a convolution, so that its residual branch starts as the identity."""
    nn.init.zeros_(module.weight)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    return module


def level_embedding(level: Tensor, width: int) -> Tensor:
    """Return cosines and sines (B, width) of noise levels (B,) in training steps."""
    half = width // 2
    rates = torch.exp(-math.log(10_000.0) / half * torch.arange(half, device=level.device))
    angles = level[:, None].float() * rates[None]
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class PlainBlock(nn.Module):
    """A residual block without normalisation: lengths and neighbours change nothing."""

    def __init__(self, width: int) -> None:
        """Make the convolutions."""
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = zero(nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, T, F) to the same shape."""
        return x + self.second(F.silu(self.first(F.silu(x))))


class ResBlock(nn.Module):
    """A residual block whose second normalisation is scaled and shifted by an embedding.

    A subclass may convolve in other dimensions (`conv`), or use the embedding otherwise:
    `modulations` numbers per output channel, which `modulate` gets.
    """

    conv: type[nn.Conv2d] | type[nn.Conv3d] = nn.Conv2d
    modulations = 2

    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        """Make a block of `inputs` to `outputs` channels."""
        super().__init__()
        self.first_norm = nn.GroupNorm(32, inputs)
        self.first = self.conv(inputs, outputs, 3, padding=1)
        self.modulation = nn.Linear(embedding, self.modulations * outputs)
        self.second_norm = nn.GroupNorm(32, outputs)
        self.second = zero(self.conv(outputs, outputs, 3, padding=1))
        self.skip = self.conv(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Map (B, inputs, ...) and (B, embedding) to (B, outputs, ...)."""
        h = self.first(F.silu(self.first_norm(x)))
        h = self.modulate(h, self.modulation(embedding))
        return self.skip(x) + self.second(F.silu(h))

    def modulate(self, h: Tensor, modulation: Tensor) -> Tensor:
        """Normalise (B, outputs, ...), then scale and shift by (B, modulations * outputs)."""
        scale, shift = modulation[..., None, None].chunk(2, dim=1)
        return self.second_norm(h) * (1 + scale) + shift


class ConvNeXtBlock(nn.Module):
    """A depthwise convolution over time, then two pointwise layers; residual."""

    def __init__(self, width: int, expansion: int, scale: float) -> None:
        """Make the layers; the branch starts at `scale`."""
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, expansion * width)
        self.contract = nn.Linear(expansion * width, width)
        self.scale = nn.Parameter(torch.full((width,), scale))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, N) to the same shape."""
        h = self.norm(self.depthwise(x).transpose(1, 2))
        h = self.contract(F.gelu(self.expand(h)))
        return x + (self.scale * h).transpose(1, 2)


class Attention(nn.Module):
    """Self-attention over all time-frequency cells."""

    def __init__(self, width: int, head_width: int, norm: nn.Module | None = None) -> None:
        """Make the projections of heads of `head_width` channels; without a norm, 32 groups."""
        super().__init__()
        self.head_width = head_width
        self.norm = norm or nn.GroupNorm(32, width)
        self.qkv = nn.Conv2d(width, 3 * width, 1)
        self.out = zero(nn.Conv2d(width, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, T, F) to the same shape."""
        batch, width, time, bands = x.shape
        heads = width // self.head_width
        qkv = self.qkv(self.norm(x)).reshape(batch, 3, heads, self.head_width, time * bands)
        q, k, v = qkv.transpose(-1, -2).unbind(1)
        y = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(y.transpose(-1, -2).reshape(batch, width, time, bands))
