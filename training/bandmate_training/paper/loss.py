"""The published objective, and what its condition is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bandmate_training.learning.diffusion import signal_and_noise


def noise_error(
    network: nn.Module, latents: Tensor, mixture: Tensor, level: Tensor, noise: Tensor, abar: Tensor
) -> Tensor:
    """Return the squared error (B,) of the predicted noise, each example's mean.

    Args:
        network: the denoiser.
        latents: clean and scaled (B, S, C, T, F).
        mixture: scaled latent (B, C, T, F), zeros where the condition is dropped.
        level: noise level (B,), integers.
        noise: standard normal, of the latents' shape.
        abar: the signal's share of variance at every level.
    """
    alpha, sigma = signal_and_noise(abar, level)
    predicted = network(alpha * latents + sigma * noise, level, mixture)
    return (predicted.float() - noise).square().flatten(1).mean(1)


def drop_condition(mixture: Tensor, dropped: Tensor) -> Tensor:
    """Return latents (B, C, T, F) with zeros where `dropped` (B,) is true."""
    return torch.where(dropped[:, None, None, None], torch.zeros_like(mixture), mixture)
