"""The published denoiser: a 3-d U-Net over the joint latents of all stems.

The latent's channels are an axis of their own (never resampled), beside time and bands;
the stems are channels. The mixture's latent is added to the input of every block.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from bandmate_training.networks.layers import ResBlock, level_embedding, zero
from bandmate_training.paper.config import HEAD_WIDTH, UNetConfig

HALVED = (1, 2, 2)  # downsampling leaves the latent channels alone


class ShiftBlock(ResBlock):
    """A residual block in 3-d; the embedding is added before the second normalisation."""

    conv = nn.Conv3d
    modulations = 1

    def modulate(self, h: Tensor, modulation: Tensor) -> Tensor:
        """Shift (B, outputs, C, T, F) by (B, outputs), then normalise."""
        return self.second_norm(h + modulation[..., None, None, None])


class CellAttention(nn.Module):
    """Self-attention over all cells of latent channel, time and band.

    Each head's queries, keys and values lie next to each other. The matrix of scores is
    never held as a whole: at full length it would take 2 GB.
    """

    def __init__(self, width: int) -> None:
        """Make the projections."""
        super().__init__()
        self.norm = nn.GroupNorm(32, width)
        self.qkv = nn.Conv1d(width, 3 * width, 1)
        self.out = zero(nn.Conv1d(width, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, C, T, F) to the same shape."""
        cells = x.flatten(2)
        batch, width, count = cells.shape
        heads = self.qkv(self.norm(cells)).reshape(batch, -1, 3, HEAD_WIDTH, count)
        # Only where a head's channels lie next to each other does torch go block by block.
        q, k, v = heads.transpose(-1, -2).contiguous().unbind(2)
        y = F.scaled_dot_product_attention(q, k, v)
        y = self.out(y.transpose(-1, -2).reshape(batch, width, count))
        return x + y.reshape(x.shape)


class Block(nn.Module):
    """One step of the U-Net; its parts run in the order residual, attention, resample."""

    def __init__(
        self,
        residual: nn.Module | None = None,
        attention: nn.Module | None = None,
        resample: nn.Module | None = None,
    ) -> None:
        """Take the parts that this step has."""
        super().__init__()
        self.residual, self.attention, self.resample = residual, attention, resample

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Map (B, inputs, C, T, F) to (B, outputs, C, T', F')."""
        if self.residual is not None:
            x = self.residual(x, embedding)
        if self.attention is not None:
            x = self.attention(x)
        return x if self.resample is None else self.resample(x)


class Upsample(nn.Module):
    """Repeat every cell along time and band, then convolve."""

    def __init__(self, width: int) -> None:
        """Make the convolution."""
        super().__init__()
        self.conv = nn.Conv3d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, C, T, F) to (B, width, C, 2 T, 2 F)."""
        return self.conv(F.interpolate(x, scale_factor=HALVED, mode="nearest"))


def downsample(width: int) -> nn.Conv3d:
    """Make the convolution that halves time and band."""
    return nn.Conv3d(width, width, 3, stride=HALVED, padding=1)


class UNet(nn.Module):
    """Predict the noise in noisy latents.

    With `checkpointing`, training keeps no activations inside blocks but computes them
    again on the way back.
    """

    def __init__(self, config: UNetConfig) -> None:
        """Make the network."""
        super().__init__()
        c = config
        self.config, self.checkpointing = config, False
        self.embedding = nn.Sequential(
            nn.Linear(c.widths[0], c.embedding), nn.SiLU(), nn.Linear(c.embedding, c.embedding)
        )
        entry = nn.Conv3d(c.stems, c.widths[0], 3, padding=1)
        self.input_blocks = nn.ModuleList([Block(resample=entry)])
        width, skips = c.widths[0], [c.widths[0]]
        for level, wanted in enumerate(c.widths):
            if level:
                self.input_blocks.append(Block(resample=downsample(width)))
                skips.append(width)
            for _ in range(c.blocks):
                self.input_blocks.append(self._block(width, wanted, level))
                width = wanted
                skips.append(width)
        self.middle = nn.ModuleList(
            [
                Block(ShiftBlock(width, width, c.embedding), CellAttention(width)),
                Block(ShiftBlock(width, width, c.embedding)),
            ]
        )
        self.output_blocks = nn.ModuleList()
        for level in reversed(range(len(c.widths))):
            for index in range(c.blocks + 1):
                block = self._block(width + skips.pop(), c.widths[level], level)
                width = c.widths[level]
                if level and index == c.blocks:
                    block.resample = Upsample(width)
                self.output_blocks.append(block)
        self.out_norm = nn.GroupNorm(32, width)
        self.out = zero(nn.Conv3d(width, c.stems, 3, padding=1))

    def _block(self, inputs: int, outputs: int, level: int) -> Block:
        attention = CellAttention(outputs) if level in self.config.attention_levels else None
        return Block(ShiftBlock(inputs, outputs, self.config.embedding), attention)

    def forward(self, x: Tensor, level: Tensor, mixture: Tensor | None = None) -> Tensor:
        """Return the predicted noise (B, S, C, T, F).

        Args:
            x: noisy latents (B, S, C, T, F), T a multiple of 8.
            level: noise level (B,), training steps 0..999.
            mixture: the mixture's latent (B, C, T, F); None, like zeros, is no condition.

        Raises:
            ValueError: if T does not suit the network.
        """
        multiple = 2 ** (len(self.config.widths) - 1)
        if x.shape[3] % multiple:
            raise ValueError(f"{x.shape[3]} latent frames: expected a multiple of {multiple}")
        embedding = F.silu(self.embedding(level_embedding(level, self.config.widths[0])))
        given = torch.zeros_like(x[:, :1]) if mixture is None else mixture[:, None]
        skips, grids = [], {given.shape[-1]: given}  # by the resolution they have
        h = x
        for block in self.input_blocks:
            h = self._run(block, h + given, embedding)
            skips.append(h)
            if h.shape[-1] != given.shape[-1]:
                given = F.avg_pool3d(given, HALVED)
                grids[given.shape[-1]] = given
        for block in self.middle:
            h = self._run(block, h, embedding)
        for block in self.output_blocks:
            h = torch.cat([h, skips.pop()], dim=1)
            h = self._run(block, h + grids[h.shape[-1]], embedding)
        return self.out(F.silu(self.out_norm(h)))

    def _run(self, block: nn.Module, h: Tensor, embedding: Tensor) -> Tensor:
        if self.checkpointing and torch.is_grad_enabled():
            recomputed: Tensor = checkpoint(block, h, embedding, use_reentrant=False)
            return recomputed
        return block(h, embedding)
