"""The mini VAE: log-mel to a latent grid at a quarter of its resolution, and back."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bandmate_server.spec import ModelSpec
from bandmate_training.networks.config import VaeConfig
from bandmate_training.networks.layers import PlainBlock

MEL_MEAN, MEL_STD = -5.0, 3.0  # brings log-mels near zero mean and unit variance
LOG_VARIANCE_RANGE = (-12.0, 4.0)


class Vae(nn.Module):
    """Encode log-mels to Gaussian latents, decode latents to log-mels.

    `scale` is one over the latents' standard deviation on the corpus, set at the end of
    training; `encode` and `decode` work on unscaled latents.
    """

    scale: Tensor

    def __init__(self, spec: ModelSpec, config: VaeConfig) -> None:
        """Make the network of a spec and its widths."""
        super().__init__()
        self.ratio = spec.latent_ratio
        cells, channels, width = self.ratio**2, spec.latent_channels, config.width
        self.encoder = nn.Sequential(
            nn.Conv2d(cells, width, 3, padding=1),
            *(PlainBlock(width) for _ in range(config.encoder_blocks)),
            nn.SiLU(),
            nn.Conv2d(width, 2 * channels, 3, padding=1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            *(PlainBlock(width) for _ in range(config.decoder_blocks)),
            nn.SiLU(),
            nn.Conv2d(width, cells, 3, padding=1),
        )
        self.register_buffer("scale", torch.ones(()))

    def encode(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """Map log-mels (B, N, M) to the mean and log-variance (B, C, T, F) of the latents."""
        x = ((log_mel - MEL_MEAN) / MEL_STD)[:, None]
        mean, log_variance = self.encoder(F.pixel_unshuffle(x, self.ratio)).chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE_RANGE)

    def decode(self, latent: Tensor) -> Tensor:
        """Map latents (B, C, T, F) to log-mels (B, N, M)."""
        x = F.pixel_shuffle(self.decoder(latent), self.ratio)
        return x[:, 0] * MEL_STD + MEL_MEAN
