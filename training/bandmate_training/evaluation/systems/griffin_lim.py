"""Griffin-Lim: a wave whose spectra have the magnitudes of a mel. The vocoder's floor."""

from __future__ import annotations

import torch
from torch import Tensor

from bandmate_training.networks.mel import LogMel

ITERATIONS = 60
MOMENTUM = 0.99
SPREADING = 30  # multiplicative updates from mel bands to linear bins
_LEAST = 1e-8


@torch.no_grad()
def griffin_lim(log_mel: Tensor, mel: LogMel, seed: int = 0) -> Tensor:
    """Return waves (B, hop * N) of log-mels (B, N, M).

    The bands are spread over the bins by the multiplicative updates of non-negative least
    squares (Lee and Seung 2001); then phases are found by the fast variant of Perraudin et al.
    2013, from random ones.
    """
    spec = mel.spec
    magnitude = spread(log_mel.exp(), mel.bank)
    magnitude = torch.cat([magnitude, magnitude[:, -1:]], dim=1).transpose(1, 2)  # (B, K, N + 1)
    length = log_mel.shape[1] * spec.hop
    generator = torch.Generator().manual_seed(seed)
    angle = 2 * torch.pi * torch.rand(magnitude.shape, generator=generator)
    spectrum, last = torch.polar(magnitude, angle), None
    for _ in range(ITERATIONS):
        wave = torch.istft(spectrum, spec.fft_size, spec.hop, window=mel.window, length=length)
        found = torch.stft(
            wave, spec.fft_size, spec.hop, window=mel.window, pad_mode="reflect",
            return_complex=True,
        )  # fmt: skip
        ahead = found if last is None else found + MOMENTUM * (found - last)
        spectrum, last = magnitude * ahead / ahead.abs().clamp_min(_LEAST), found
    return torch.istft(spectrum, spec.fft_size, spec.hop, window=mel.window, length=length)


def spread(bands: Tensor, bank: Tensor) -> Tensor:
    """Return magnitudes (..., K), none below 0, whose mel by `bank` (M, K) is near `bands`."""
    start = (bands @ bank) / (bank.sum(dim=0) * bank.sum(dim=1).mean()).clamp_min(_LEAST)
    magnitude = start.clamp_min(_LEAST)
    wanted, power = bands @ bank, bank.T @ bank  # (..., K), (K, K)
    for _ in range(SPREADING):
        magnitude = magnitude * wanted / (magnitude @ power).clamp_min(_LEAST)
    return magnitude
