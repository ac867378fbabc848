"""A spectrum with three bins a semitone: long windows for low pitches, short ones for high."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bandmate_server.model.notes.layout import LOWEST
from bandmate_server.spec import NOTES

PER_SEMITONE = 3
SEMITONES = 98  # from the lowest pitch cell to 7.6 kHz
BINS = SEMITONES * PER_SEMITONE
CYCLES = 34.0  # of a bin's tone in its window: neighbours a semitone away are told apart
LENGTHS = (640, 4096)  # samples, the shortest and the longest window
PER_FRAME = 2  # spectra in a latent frame
HOP = NOTES.latent_hop // PER_FRAME  # samples
FLOOR = 1e-4  # magnitude of a full-scale sine is 0.5
LEVEL_MEAN, LEVEL_DEVIATION = -6.5, 2.0  # bring levels near zero mean and unit variance


def frequencies() -> Tensor:
    """Return the bins' frequencies (BINS,) in Hz, the middle one of each semitone on the key."""
    keys = LOWEST + (torch.arange(BINS, dtype=torch.float64) - PER_SEMITONE // 2) / PER_SEMITONE
    return 440 * 2 ** ((keys - 69) / 12)


def kernels() -> Tensor:
    """Return windowed cosines, then sines (2 BINS, 1, longest window)."""
    rate, (shortest, longest) = NOTES.mel.sample_rate, LENGTHS
    frequency = frequencies()[:, None]
    length = (CYCLES * rate / frequency).clamp(shortest, longest)
    time = torch.arange(longest, dtype=torch.float64) - longest / 2
    window = 0.5 + 0.5 * torch.cos(2 * math.pi * time / length)
    window = torch.where(time.abs() < length / 2, window, 0.0)
    window = window / window.sum(1, keepdim=True)
    angle = 2 * math.pi * frequency * time / rate
    return torch.cat([window * angle.cos(), window * angle.sin()])[:, None].float()


class PitchSpectrum(nn.Module):
    """Waves (B, N) to levels (B, PER_FRAME N / latent hop, BINS), about standard."""

    bank: Tensor

    def __init__(self) -> None:
        """Make the bank of windowed tones."""
        super().__init__()
        self.register_buffer("bank", kernels(), persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        """Return the levels; spectrum k is centred on its own HOP samples."""
        longest = self.bank.shape[-1]
        ahead = longest // 2 - HOP // 2
        padded = F.pad(wave[:, None], (ahead, longest - HOP - ahead))
        parts = F.conv1d(padded, self.bank, stride=HOP)
        real, imaginary = parts.chunk(2, dim=1)
        power = real.square() + imaginary.square()
        level = 0.5 * (power + FLOOR**2).log()
        return ((level - LEVEL_MEAN) / LEVEL_DEVIATION).transpose(1, 2)
