"""The encoder of notes: a wave to the planes of all that sounds in it, stem or mixture."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bandmate_server.model.notes.layout import CELLS, PITCHES, SUSTAIN, TIMBRE
from bandmate_training.networks.layers import ConvNeXtBlock, zero
from bandmate_training.notes.config import TranscriberConfig
from bandmate_training.notes.networks.front import PER_FRAME, PER_SEMITONE, SEMITONES, PitchSpectrum

OUTPUTS = 2 * CELLS - TIMBRE  # a frame's notes: onsets of pitches and pieces, sustain of pitches
_PIECES = CELLS - PITCHES
_SELDOM = -5.0  # logit that a cell starts with


class Transcriber(nn.Module):
    """Convolutions over time and pitch, then over time alone with all pitches in sight.

    What is heard at a pitch and around it decides first; the second part, which sees whole
    frames and seconds, corrects that and finds the drums.
    """

    def __init__(self, config: TranscriberConfig) -> None:
        """Make the layers."""
        super().__init__()
        c = config
        self.front = PitchSpectrum()
        self.near = nn.Sequential(
            nn.Conv2d(1, c.near, 5, padding=2), nn.GELU(),
            nn.Conv2d(c.near, c.near, (3, 2 * PER_SEMITONE + 1), padding=(1, PER_SEMITONE)),
            nn.GELU(),
        )  # fmt: skip
        stride = (PER_FRAME, PER_SEMITONE)
        self.join = nn.Conv2d(c.near, c.far, stride, stride=stride)
        self.far = nn.Sequential(
            nn.GELU(),
            nn.Conv2d(c.far, c.far, (3, 13), padding=(1, 6)), nn.GELU(),
            nn.Conv2d(c.far, c.far, (5, 3), padding=(2, 1)), nn.GELU(),
        )  # fmt: skip
        self.local = nn.Conv2d(c.far, 2, (3, 1), padding=(1, 0))
        self.squeeze = nn.Conv1d(c.far * SEMITONES, c.width, 1)
        self.frames = nn.Sequential(
            *(ConvNeXtBlock(c.width, c.expansion, 1 / c.blocks) for _ in range(c.blocks))
        )
        self.exit = zero(nn.Conv1d(c.width, OUTPUTS, 1))
        self.seldom = nn.Parameter(torch.full((OUTPUTS,), _SELDOM))

    def forward(self, wave: Tensor) -> Tensor:
        """Return the logits (B, T, OUTPUTS) of waves (B, N), N a multiple of the latent hop."""
        h = self.far(self.join(self.near(self.front(wave)[:, None])))  # (B, far, T, SEMITONES)
        local = self.local(h)[..., :PITCHES]
        frames = self.squeeze(h.transpose(2, 3).flatten(1, 2))
        logits = self.exit(self.frames(frames)).transpose(1, 2) + self.seldom
        onsets, sustain = local.unbind(1)
        return logits + torch.cat([F.pad(onsets, (0, _PIECES)), sustain], -1)


def to_outputs(latents: Tensor) -> Tensor:
    """Return the notes (B, T, OUTPUTS) of a source's latents (B, C, T, F)."""
    return latents.transpose(1, 2).flatten(2)[..., :OUTPUTS]


def to_latents(notes: Tensor) -> Tensor:
    """Return latents (B, C, T, F) of notes (B, T, OUTPUTS); the cells of timbre are zero."""
    return F.pad(notes, (0, TIMBRE)).unflatten(2, (SUSTAIN + 1, CELLS)).transpose(1, 2)
