"""The mini separator: a 2-d U-Net from a mixture's spectrum to the masks of its stems.

Four ideas: bands as narrow as the DFT's bins where basses and kicks meet; patches of 4 x 4
cells, so that convolutions run on few cells of many channels; layers that see all bands of
a frame at once, for harmonics; attention over the whole window, for who plays in this song.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bandmate_server.model.bands import band_bins
from bandmate_server.spec import BandSpec, ModelSpec
from bandmate_training.networks.config import SeparatorConfig
from bandmate_training.networks.layers import Attention, zero
from bandmate_training.networks.mel import all_frames

POWER_FLOOR = 1e-6  # of a band's mean power; a full-scale sine has 1e5
LOG_SCALE = 0.25  # brings the log powers' spread near one


class Spectrum(nn.Module):
    """Waves to spectra on the masks' grid, and to what the separator sees of them."""

    window: Tensor
    means: Tensor

    def __init__(self, spec: BandSpec) -> None:
        """Compute the window and the bands' means of a spec."""
        super().__init__()
        self.spec = spec
        half_turn = torch.pi * torch.arange(spec.fft_size) / spec.fft_size
        self.register_buffer("window", half_turn.sin(), persistent=False)
        edges = band_bins(spec)
        means = np.zeros((edges[-1], spec.bands), np.float32)
        for band, (first, stop) in enumerate(itertools.pairwise(edges)):
            means[first:stop, band] = 1 / (stop - first)
        self.register_buffer("means", torch.from_numpy(means), persistent=False)

    def stft(self, wave: Tensor) -> Tensor:
        """Return the complex spectra (..., N / hop, bins) of waves (..., N).

        The wave is reflect-padded by half a window on both sides; the frame that would
        stand after the last whole hop is left out.
        """
        return all_frames(wave, self.spec, self.window)[..., :-1, :]

    def features(self, spectrum: Tensor) -> Tensor:
        """Return the scaled log powers (..., N / hop, bands) of spectra (..., N / hop, bins)."""
        parts = torch.view_as_real(spectrum).square()
        power = (parts[..., 0] + parts[..., 1]) @ self.means
        return LOG_SCALE * (power + POWER_FLOOR).log()


class ConvBlock(nn.Module):
    """A residual block of two convolutions, each after a batch normalisation."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """Make a block of `inputs` to `outputs` channels."""
        super().__init__()
        self.first_norm = nn.BatchNorm2d(inputs)
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.second = zero(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, T, F) to (B, outputs, T, F)."""
        h = self.first(F.silu(self.first_norm(x)))
        return self.skip(x) + self.second(F.silu(self.second_norm(h)))


class BandMixer(nn.Module):
    """A residual layer that sees all bands of a frame, in few channels."""

    def __init__(self, width: int, bands: int, channels: int) -> None:
        """Make the layers for features (B, width, T, bands)."""
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.shrink = nn.Conv2d(width, channels, 1)
        self.first = nn.Linear(channels * bands, channels * bands)
        self.second = nn.Linear(channels * bands, channels * bands)
        self.grow = zero(nn.Conv2d(channels, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, T, bands) to the same shape."""
        h = self.shrink(self.norm(x)).permute(0, 2, 3, 1)
        flat = self.second(F.silu(self.first(F.silu(h.flatten(2)))))
        return x + self.grow(F.silu(flat.unflatten(2, h.shape[2:]).permute(0, 3, 1, 2)))


class Stage(nn.Module):
    """What happens at one resolution: convolutions, then bands, then, where wanted, attention."""

    def __init__(self, inputs: int, level: int, bands: int, config: SeparatorConfig) -> None:
        """Make the layers of a level for features (B, inputs, T, bands)."""
        super().__init__()
        width = config.widths[level]
        self.blocks = nn.ModuleList(
            ConvBlock(width if block else inputs, width) for block in range(config.blocks)
        )
        self.mixer = BandMixer(width, bands, config.mixer_channels)
        attends = level in config.attention_levels
        norm = nn.BatchNorm2d(width)
        self.attention = Attention(width, config.head_width, norm) if attends else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, T, bands) to (B, width, T, bands)."""
        for block in self.blocks:
            x = block(x)
        x = self.attention(self.mixer(x))
        return x


class Separator(nn.Module):
    """Spectra of mixtures to mask logits."""

    def __init__(self, spec: ModelSpec, config: SeparatorConfig) -> None:
        """Make the network of a spec and its widths.

        Raises:
            ValueError: if the spec has no masks.
        """
        super().__init__()
        if spec.masks is None:
            raise ValueError(f"{spec.name} has no masks to separate by")
        c, widths, self.patch = config, config.widths, config.patch
        bands = [spec.masks.bands // c.patch >> level for level in range(len(widths))]
        self.spectrum = Spectrum(spec.masks)
        self.entry = nn.Conv2d(c.patch**2, widths[0], 3, padding=1)
        self.places = nn.ParameterList(
            torch.zeros(1, width, 1, count) for width, count in zip(widths, bands, strict=True)
        )
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        self.up, self.grow = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            last = level == len(widths) - 1
            self.down.append(Stage(width, level, bands[level], c))
            self.up.append(Stage(width if last else 2 * width, level, bands[level], c))
            if not last:
                self.shrink.append(nn.Conv2d(width, widths[level + 1], 3, stride=2, padding=1))
                self.grow.append(nn.Conv2d(widths[level + 1], width, 1))
        self.out_norm = nn.BatchNorm2d(widths[0])
        sources = len(spec.stems) + 1
        self.out = zero(nn.Conv2d(widths[0], sources * c.patch**2, 3, padding=1))

    def separate(self, wave: Tensor) -> Tensor:
        """Map waves (B, N) to mask logits (B, S + 1, N / hop, bands), `other` last."""
        logits: Tensor = self(self.spectrum.features(self.spectrum.stft(wave)))
        return logits

    def forward(self, features: Tensor) -> Tensor:
        """Map features (B, N / hop, bands) to mask logits (B, S + 1, N / hop, bands).

        N / hop is a multiple of patch * 2 ** (levels - 1).
        """
        x = F.pixel_unshuffle(features[:, None], self.patch)
        x = self.entry(x.contiguous(memory_format=torch.channels_last))
        skips = []
        for level, stage in enumerate(self.down):
            x = stage(x + self.places[level])
            if level < len(self.shrink):
                skips.append(x)
                x = self.shrink[level](x)
        x = self.up[-1](x)
        for level in reversed(range(len(self.grow))):
            x = F.interpolate(self.grow[level](x), scale_factor=2.0, mode="nearest")
            x = self.up[level](torch.cat([x, skips[level]], dim=1))
        return F.pixel_shuffle(self.out(F.silu(self.out_norm(x))), self.patch)
