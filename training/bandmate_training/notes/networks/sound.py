"""How notes sound: a timbre code out of log-mels, and log-mels out of notes and timbre."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bandmate_server.model.notes.layout import CELLS, PITCHES, SUSTAIN, TIMBRE
from bandmate_server.spec import ModelSpec
from bandmate_training.networks.layers import ConvNeXtBlock
from bandmate_training.notes.config import NoteDecoderConfig

MEL_MEAN, MEL_STD = -5.0, 3.0  # brings log-mels near zero mean and unit variance
REACH = 64  # latent frames, about, over which timbre is averaged: it changes slowly
LEAST_WEIGHT = 1e-3  # weight of a frame of silence


class Timbre(nn.Module):
    """Log-mels to a code of TIMBRE values a latent frame, of mean 0 and variance 1.

    Loud frames count more. Averages over seconds cannot hold what is played.
    """

    def __init__(self, spec: ModelSpec, config: NoteDecoderConfig) -> None:
        """Make the network."""
        super().__init__()
        self.ratio = spec.latent_ratio
        width = config.timbre_width
        self.entry = nn.Conv1d(spec.mel.bands, width, 2 * self.ratio + 1, stride=self.ratio,
                               padding=self.ratio)  # fmt: skip
        self.blocks = nn.Sequential(*(ConvNeXtBlock(width, 2, 0.5) for _ in range(2)))
        self.exit = nn.Conv1d(width, TIMBRE, 1)
        self.standard = nn.BatchNorm1d(TIMBRE, affine=False)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Return the code (B, T, TIMBRE) of log-mels (B, N, M)."""
        h = self.entry(((log_mel - MEL_MEAN) / MEL_STD).transpose(1, 2))
        code = self.exit(self.blocks(h)).float()
        loudness = log_mel.exp().mean(-1, keepdim=True).sqrt().transpose(1, 2)
        weight = F.avg_pool1d(loudness, self.ratio)[..., : code.shape[-1]] + LEAST_WEIGHT
        code = code[..., : weight.shape[-1]]
        mean = _smooth(code * weight) / _smooth(weight)
        standard: Tensor = self.standard(mean)
        return standard.transpose(1, 2)


def _smooth(x: Tensor) -> Tensor:
    return F.avg_pool1d(x, REACH + 1, stride=1, padding=REACH // 2)


class NoteDecoder(nn.Module):
    """Note latents, timbre included, to log-mels; which stem it is, the latents say."""

    def __init__(self, spec: ModelSpec, config: NoteDecoderConfig) -> None:
        """Make the networks."""
        super().__init__()
        c = config
        self.ratio = spec.latent_ratio
        self.timbre = Timbre(spec, config)
        self.entry = nn.Conv1d(2 * CELLS, c.width, 3, padding=1)
        self.slow = nn.Sequential(
            *(ConvNeXtBlock(c.width, c.expansion, 1 / c.slow_blocks) for _ in range(c.slow_blocks))
        )
        self.grow = nn.ConvTranspose1d(c.width, c.fine_width, self.ratio, stride=self.ratio)
        self.fine = nn.Sequential(
            *(ConvNeXtBlock(c.fine_width, c.expansion, 1 / c.fine_blocks)
              for _ in range(c.fine_blocks))
        )  # fmt: skip
        self.exit = nn.Conv1d(c.fine_width, spec.mel.bands, 3, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        """Return log-mels (B, N, M) of latents (B, C, T, F), notes between 0 and 1."""
        frames = latents.permute(0, 1, 3, 2).flatten(1, 2)  # (B, C F, T)
        h = self.fine(self.grow(self.slow(self.entry(frames))))
        return self.exit(h).transpose(1, 2).float() * MEL_STD + MEL_MEAN


def with_timbre(notes: Tensor, timbre: Tensor) -> Tensor:
    """Return latents (B, C, T, F) of notes, the same shape, with a code (B, T, TIMBRE)."""
    out = notes.clone()
    out[:, SUSTAIN, :, PITCHES:] = timbre
    return out


def softened(notes: Tensor, generator: torch.Generator) -> Tensor:
    """Return planes (B, C, T, F) as a sampler leaves them: heights a little off."""
    size = 0.8 + 0.3 * torch.rand(len(notes), 1, 1, 1, generator=generator)
    noise = 0.02 * torch.randn(notes.shape, generator=generator)
    return (notes * size + noise).clamp(0, 1)
