"""Discriminators on complex spectra at several resolutions, for the vocoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

_SIZES = (1024, 512, 256)  # samples per window
_WIDTH = 24
_SLOPE = 0.1


class SpectralDiscriminator(nn.Module):
    """Judge the complex spectrum of a wave.

    Source: Défossez et al. 2022 (EnCodec), section 3.4, made smaller.
    """

    window: Tensor

    def __init__(self, size: int) -> None:
        """Make the layers for windows of `size` samples."""
        super().__init__()
        self.size = size
        self.register_buffer("window", torch.hann_window(size), persistent=False)
        shapes = [(2, 1), (_WIDTH, 2), (_WIDTH, 2), (_WIDTH, 2)]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(n, _WIDTH, (3, 9), stride=(1, stride), padding=(1, 4)))
            for n, stride in shapes
        )
        self.out = weight_norm(nn.Conv2d(_WIDTH, 1, 3, padding=1))

    def forward(self, wave: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return scores (B, 1, frames, bins) of waves (B, N), and every layer's features."""
        spectrum = torch.stft(
            wave, self.size, self.size // 4, window=self.window, return_complex=True
        )
        x = torch.view_as_real(spectrum).permute(0, 3, 2, 1)
        features = []
        for layer in self.layers:
            x = nn.functional.leaky_relu(layer(x), _SLOPE)
            features.append(x)
        return self.out(x), features


class SpectralDiscriminators(nn.Module):
    """One discriminator per resolution."""

    def __init__(self) -> None:
        """Make the discriminators."""
        super().__init__()
        self.parts = nn.ModuleList(SpectralDiscriminator(size) for size in _SIZES)

    def forward(self, wave: Tensor) -> list[tuple[Tensor, list[Tensor]]]:
        """Return each discriminator's scores and features of waves (B, N)."""
        return [part(wave) for part in self.parts]
