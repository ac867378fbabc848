"""The mini denoiser: one 2-d U-Net over the joint latents of all stems."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bandmate_server.spec import ModelSpec
from bandmate_training.networks.config import DenoiserConfig
from bandmate_training.networks.layers import Attention, ResBlock, level_embedding, zero

KINDS = 2  # mixture kinds: full, backing; neither set means absent


class Stage(nn.Module):
    """Residual blocks of one resolution, each followed by attention where wanted."""

    def __init__(self, inputs: list[int], width: int, attention: bool, c: DenoiserConfig) -> None:
        """Make one block per entry of `inputs`."""
        super().__init__()
        self.blocks = nn.ModuleList(ResBlock(n, width, c.embedding) for n in inputs)
        self.attention = nn.ModuleList(
            Attention(width, c.head_width) if attention else nn.Identity() for _ in inputs
        )

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Map (B, inputs[0], T, F) to (B, width, T, F)."""
        for block, attention in zip(self.blocks, self.attention, strict=True):
            x = attention(block(x, embedding))
        return x


class Denoiser(nn.Module):
    """Predict v from noisy latents and all that is known.

    Inputs, stacked as channels of the latent grid: the noisy latents, the mixture's latent,
    the known stems' latents and their mask. The noise level and the mixture's kind come in
    as an embedding.
    """

    def __init__(self, spec: ModelSpec, config: DenoiserConfig) -> None:
        """Make the network of a spec and its widths."""
        super().__init__()
        c, widths = config, config.widths
        self.stems, self.channels = len(spec.stems), spec.latent_channels
        self.width = c.embedding
        latents = self.stems * self.channels
        self.embedding = nn.Sequential(
            nn.Linear(c.embedding, c.embedding), nn.SiLU(), nn.Linear(c.embedding, c.embedding)
        )
        self.kind = nn.Linear(KINDS, c.embedding)
        grid = 2 * latents + self.channels + self.stems
        self.entry = nn.Conv2d(4 * grid, widths[0], 3, padding=1)
        self.bands = nn.Parameter(torch.zeros(1, widths[0], 1, spec.latent_bands // 2))
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        self.up, self.grow = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            attention = level in c.attention_levels
            last = level == len(widths) - 1
            self.down.append(Stage([width] * c.blocks, width, attention, c))
            fresh = [width if last else 2 * width] + [width] * (c.blocks - 1)
            self.up.append(Stage(fresh, width, attention, c))
            if not last:
                self.shrink.append(nn.Conv2d(width, widths[level + 1], 3, stride=2, padding=1))
                self.grow.append(nn.Conv2d(widths[level + 1], width, 3, padding=1))
        self.out_norm = nn.GroupNorm(32, widths[0])
        self.out = zero(nn.Conv2d(widths[0], 4 * latents, 3, padding=1))

    def forward(
        self,
        x: Tensor,
        level: Tensor,
        mixture: Tensor,
        mixture_kind: Tensor,
        known: Tensor,
        known_mask: Tensor,
    ) -> Tensor:
        """Return v (B, S, C, T, F).

        Args:
            x: noisy latents (B, S, C, T, F), T a multiple of 8.
            level: noise level (B,), training steps 0..999.
            mixture: the mixture's latent (B, C, T, F), zeros where absent.
            mixture_kind: (B, 2), [1, 0] full, [0, 1] backing, [0, 0] absent.
            known: clean latents of given stems (B, S, C, T, F), zeros elsewhere.
            known_mask: (B, S, T), 1 where a stem is given.
        """
        batch, _, _, time, bands = x.shape
        embedding = F.silu(
            self.embedding(level_embedding(level, self.width)) + self.kind(mixture_kind)
        )
        mask = known_mask[..., None].expand(-1, -1, -1, bands)
        grid = torch.cat([x.flatten(1, 2), mixture, known.flatten(1, 2), mask], dim=1)
        h = self._trunk(F.pixel_unshuffle(grid, 2), embedding)
        v: Tensor = F.pixel_shuffle(self.out(h), 2)
        return v.reshape(batch, self.stems, self.channels, time, bands)

    def _trunk(self, grid: Tensor, embedding: Tensor) -> Tensor:
        h = self.entry(grid) + self.bands
        skips = []
        for level, stage in enumerate(self.down):
            h = stage(h, embedding)
            if level < len(self.shrink):
                skips.append(h)
                h = self.shrink[level](h)
        h = self.up[-1](h, embedding)
        for level in reversed(range(len(self.grow))):
            h = self.grow[level](F.interpolate(h, scale_factor=2.0, mode="nearest"))
            h = self.up[level](torch.cat([h, skips[level]], dim=1), embedding)
        return F.silu(self.out_norm(h))
