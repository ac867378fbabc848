"""The mini vocoder: log-mel to waveform by ConvNeXt blocks, an inverse STFT and oscillators.

The idea of predicting spectra instead of samples is Siuzdak's (Vocos, 2023); low steady tones
come from a bank of oscillators (`oscillators.py`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bandmate_server.spec import ModelSpec
from bandmate_training.networks.config import VocoderConfig
from bandmate_training.networks.layers import ConvNeXtBlock
from bandmate_training.networks.oscillators import HarmonicOscillators, Partials, tone_lobes

MEL_MEAN, MEL_STD = -5.0, 3.0
LARGEST_LOG_MAGNITUDE = 6.0
LEAST_POWER = 1e-8  # of bins
FAINTEST = 1e-14  # squared amplitude of an oscillator: well below the mels' floor
TONAL_FROM, TONAL_AT = 0.1, 0.25  # of a band's power in its tone: begins to be one, is one


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


def normal(log_mel: Tensor) -> Tensor:
    """Bring log-mels near mean 0 and variance 1."""
    return (log_mel - MEL_MEAN) / MEL_STD


class Vocoder(nn.Module):
    """Turn log-mels (B, N, M) into waves (B, hop N)."""

    basis: Tensor
    envelope: Tensor
    lobes: Tensor
    matched: Tensor

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
        self.tones = HarmonicOscillators(spec.mel, config)
        self.register_buffer("basis", synthesis_basis(config.fft_size), persistent=False)
        envelope = torch.hann_window(config.fft_size).square()
        self.register_buffer("envelope", envelope[None, None], persistent=False)
        lobes = torch.from_numpy(tone_lobes(config.fft_size))
        self.register_buffer("lobes", lobes, persistent=False)
        self.register_buffer("matched", (lobes / lobes.square().sum(0)).T, persistent=False)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Return the waves (B, hop N) of log-mels (B, N, M)."""
        x = normal(log_mel)
        partials = self.tones(x)
        h = self.norm(self.blocks(self.entry(x.transpose(1, 2))).transpose(1, 2))
        level, real, imaginary = self.out(h).float().transpose(1, 2).chunk(3, dim=1)
        power = (2 * level.clamp(max=LARGEST_LOG_MAGNITUDE)).exp()
        tonal = self.tonal(power, partials)
        rest = (power - self.lobes @ tonal).clamp_min(0) + LEAST_POWER
        scale = (rest / (real.square() + imaginary.square() + LEAST_POWER)).sqrt()
        noise = self.inverse(torch.cat([scale * real, scale * imaginary], dim=1))
        steady = Partials(tonal.clamp_min(FAINTEST).sqrt(), partials.frequency)
        return noise + self.tones.sound(steady)

    def tonal(self, power: Tensor, partials: Partials) -> Tensor:
        """Return the squared amplitudes (B, J, N) that the oscillators get of bins (B, bins, N).

        The tuning says how likely a band is a tone. One that has a quarter of its bins' power gets
        all of it, so that a tone in tune is heard, and not noise of its strength besides.
        """
        found = (self.matched @ power).clamp_min(FAINTEST)
        share = (partials.amplitude.square() / found - TONAL_FROM) / (TONAL_AT - TONAL_FROM)
        return share.clamp(0, 1).detach() * found

    def inverse(self, spectrum: Tensor) -> Tensor:
        """Overlap-add the frames (B, 2 bins, N) into waves (B, hop N)."""
        frames = spectrum.shape[-1]
        wave = F.conv_transpose1d(spectrum, self.basis, stride=self.hop)
        ones = torch.ones_like(spectrum[:1, :1])
        weight = F.conv_transpose1d(ones, self.envelope, stride=self.hop)
        start = self.fft_size // 2
        stop = start + frames * self.hop
        padded = F.pad(wave / weight.clamp_min(1e-2), (0, self.fft_size))
        return padded[:, 0, start:stop]
