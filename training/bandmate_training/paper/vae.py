"""The published autoencoder: log-mel to a latent grid at a quarter of its resolution, and back."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bandmate_training.paper.config import VaeConfig

EPSILON = 1e-6  # of all normalisations
LOG_VARIANCE_RANGE = (-30.0, 20.0)


def norm(width: int) -> nn.GroupNorm:
    """Make a normalisation in 32 groups."""
    return nn.GroupNorm(32, width, eps=EPSILON)


class Residual(nn.Module):
    """Two normalised convolutions around an identity, or a 1x1 convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """Make a block of `inputs` to `outputs` channels."""
        super().__init__()
        self.first_norm = norm(inputs)
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.second_norm = norm(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, T, F) to (B, outputs, T, F)."""
        h = self.first(F.silu(self.first_norm(x)))
        return self.skip(x) + self.second(F.silu(self.second_norm(h)))


class GridAttention(nn.Module):
    """Self-attention of one head over all cells."""

    def __init__(self, width: int) -> None:
        """Make the projections."""
        super().__init__()
        self.norm = norm(width)
        self.q, self.k, self.v, self.out = (nn.Conv2d(width, width, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, T, F) to the same shape."""
        h = self.norm(x)
        heads = [p(h).flatten(2).transpose(1, 2).contiguous() for p in (self.q, self.k, self.v)]
        q, k, v = (head[:, None] for head in heads)
        y = F.scaled_dot_product_attention(q, k, v)[:, 0]
        return x + self.out(y.transpose(1, 2).reshape(x.shape))


class Middle(nn.Sequential):
    """Residual block, attention, residual block, at the lowest resolution."""

    def __init__(self, width: int) -> None:
        """Make the three."""
        super().__init__(Residual(width, width), GridAttention(width), Residual(width, width))


class Level(nn.Module):
    """Residual blocks of one resolution, and what leads to the next."""

    def __init__(
        self, inputs: int, outputs: int, blocks: int, resample: nn.Module | None = None
    ) -> None:
        """Make the blocks; `resample` runs after them."""
        super().__init__()
        widths = [inputs] + [outputs] * (blocks - 1)
        self.blocks = nn.Sequential(*(Residual(width, outputs) for width in widths))
        self.resample = resample

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, T, F) to (B, outputs, T', F')."""
        x = self.blocks(x)
        return x if self.resample is None else self.resample(x)


class Downsample(nn.Module):
    """Halve time and band; the padding lies at their ends only."""

    def __init__(self, width: int) -> None:
        """Make the convolution."""
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, T, F) to (B, width, T // 2, F // 2)."""
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Repeat every cell along time and band, then convolve."""

    def __init__(self, width: int) -> None:
        """Make the convolution."""
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, T, F) to (B, width, 2 T, 2 F)."""
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Encoder(nn.Module):
    """Log-mel image to the features of the moments."""

    def __init__(self, config: VaeConfig) -> None:
        """Make the network."""
        super().__init__()
        widths = config.widths
        self.entry = nn.Conv2d(1, widths[0], 3, padding=1)
        self.levels = nn.ModuleList()
        for level, width in enumerate(widths):
            resample = Downsample(width) if level + 1 < len(widths) else None
            self.levels.append(Level(widths[max(level - 1, 0)], width, config.blocks, resample))
        self.middle = Middle(widths[-1])
        self.norm = norm(widths[-1])
        self.out = nn.Conv2d(widths[-1], 2 * config.latent_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 1, N, M) to (B, 2 C, T, F)."""
        x = self.entry(x)
        for level in self.levels:
            x = level(x)
        return self.out(F.silu(self.norm(self.middle(x))))


class Decoder(nn.Module):
    """Latents to a log-mel image; `levels` are indexed as the encoder's and run backwards."""

    def __init__(self, config: VaeConfig) -> None:
        """Make the network."""
        super().__init__()
        widths = config.widths
        self.entry = nn.Conv2d(config.latent_channels, widths[-1], 3, padding=1)
        self.middle = Middle(widths[-1])
        self.levels = nn.ModuleList()
        for level, width in enumerate(widths):
            above = widths[min(level + 1, len(widths) - 1)]
            resample = Upsample(width) if level else None
            self.levels.append(Level(above, width, config.blocks + 1, resample))
        self.norm = norm(widths[0])
        self.out = nn.Conv2d(widths[0], 1, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        """Map (B, C, T, F) to (B, 1, N, M)."""
        x = self.middle(self.entry(z))
        for level in reversed(self.levels):
            x = level(x)
        return self.out(F.silu(self.norm(x)))


class Vae(nn.Module):
    """Encode log-mels to the moments of Gaussian latents, decode latents; nothing is scaled."""

    def __init__(self, config: VaeConfig) -> None:
        """Make the network."""
        super().__init__()
        self.config = config
        channels = config.latent_channels
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        self.to_moments = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.from_latent = nn.Conv2d(channels, channels, 1)

    def encode(self, log_mel: Tensor) -> Tensor:
        """Map log-mels (B, 1, N, M) to mean and log-variance (B, 2 C, N / 4, M / 4)."""
        return self.to_moments(self.encoder(log_mel))

    def decode(self, latent: Tensor) -> Tensor:
        """Map latents (B, C, T, F) to log-mels (B, 1, 4 T, 4 F)."""
        return self.decoder(self.from_latent(latent))


def mean_and_deviation(moments: Tensor) -> tuple[Tensor, Tensor]:
    """Split moments (B, 2 C, T, F) into the latents' mean and standard deviation."""
    mean, log_variance = moments.chunk(2, dim=1)
    return mean, torch.exp(0.5 * log_variance.clamp(*LOG_VARIANCE_RANGE))


def posterior_sample(moments: Tensor, noise: Tensor) -> Tensor:
    """Draw latents (B, C, T, F) from moments, with standard normal noise of that shape."""
    mean, deviation = mean_and_deviation(moments)
    return mean + deviation * noise
