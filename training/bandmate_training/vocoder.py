"""The mini vocoder: log-mel to waveform by ConvNeXt blocks and an inverse STFT.

The idea of predicting spectra instead of samples is Siuzdak's (Vocos, 2023).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bandmate_server.spec import ModelSpec
from bandmate_training.config import VocoderConfig

MEL_MEAN, MEL_STD = -5.0, 3.0
LARGEST_LOG_MAGNITUDE = 6.0


def synthesis_basis(fft_size: int) -> Tensor:
    """Return the windowed inverse real DFT (fft_size + 2, 1, fft_size): real, then imaginary.

    Row k of each half is what bin k adds to a frame; the window is a periodic Hann.
    """
    bins = torch.arange(fft_size // 2 + 1, dtype=torch.float64)
    samples = torch.arange(fft_size, dtype=torch.float64)
    angle = 2 * torch.pi / fft_size * bins[:, None] * samples[None]
    weight = torch.full_like(bins, 2.0 / fft_size)
    weight[0] = weight[-1] = 1.0 / fft_size
    window = torch.hann_window(fft_size, dtype=torch.float64)
    rows = torch.cat([weight[:, None] * angle.cos(), -weight[:, None] * angle.sin()])
    return (rows * window).float()[:, None]


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


class Vocoder(nn.Module):
    """Turn log-mels (B, N, M) into waves (B, hop N)."""

    basis: Tensor
    envelope: Tensor

    def __init__(self, spec: ModelSpec, config: VocoderConfig) -> None:
        """Make the network of a spec and its widths."""
        super().__init__()
        self.hop, self.fft_size = spec.mel.hop, config.fft_size
        self.bins = config.fft_size // 2 + 1
        self.entry = nn.Conv1d(spec.mel.bands, config.width, 7, padding=3)
        self.blocks = nn.Sequential(
            *(
                ConvNeXtBlock(config.width, config.expansion, 1 / config.blocks)
                for _ in range(config.blocks)
            )
        )
        self.norm = nn.LayerNorm(config.width)
        self.out = nn.Linear(config.width, 3 * self.bins)
        self.register_buffer("basis", synthesis_basis(config.fft_size), persistent=False)
        envelope = torch.hann_window(config.fft_size).square()
        self.register_buffer("envelope", envelope[None, None], persistent=False)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Return the waves (B, hop N) of log-mels (B, N, M)."""
        x = ((log_mel - MEL_MEAN) / MEL_STD).transpose(1, 2)
        h = self.out(self.norm(self.blocks(self.entry(x)).transpose(1, 2))).float()
        level, real, imaginary = h.transpose(1, 2).chunk(3, dim=1)
        magnitude = level.clamp(max=LARGEST_LOG_MAGNITUDE).exp()
        length = (real.square() + imaginary.square() + 1e-8).rsqrt()
        spectrum = torch.cat([magnitude * real * length, magnitude * imaginary * length], dim=1)
        return self._inverse(spectrum)

    def _inverse(self, spectrum: Tensor) -> Tensor:
        """Overlap-add the frames (B, 2 bins, N) into waves (B, hop N)."""
        frames = spectrum.shape[-1]
        wave = F.conv_transpose1d(spectrum, self.basis, stride=self.hop)
        ones = torch.ones_like(spectrum[:1, :1])
        weight = F.conv_transpose1d(ones, self.envelope, stride=self.hop)
        start = self.fft_size // 2
        stop = start + frames * self.hop
        padded = F.pad(wave / weight.clamp_min(1e-2), (0, self.fft_size))
        return padded[:, 0, start:stop]
