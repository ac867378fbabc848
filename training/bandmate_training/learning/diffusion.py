"""The forward process in torch: noise levels and what they make of latents."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bandmate_server.spec import ScheduleSpec


def alphas_cumprod(spec: ScheduleSpec) -> Tensor:
    """Return the signal's share of variance (steps,) at every noise level, in float32."""
    start, end = math.sqrt(spec.beta_start), math.sqrt(spec.beta_end)
    betas = torch.linspace(start, end, spec.steps, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, dim=0).float()


def signal_and_noise(abar: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    """Return alpha and sigma (B, 1, 1, 1, 1) at integer noise levels (B,)."""
    share = abar[level].reshape(-1, 1, 1, 1, 1)
    return share.sqrt(), (1 - share).sqrt()


def velocity(x0: Tensor, noise: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """Return v of latents and noise (B, S, C, T, F).

    Source: Salimans and Ho 2022, section 4: v = alpha eps - sigma x.
    """
    return alpha * noise - sigma * x0


def clean_from_velocity(x: Tensor, v: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """Return the estimate of the clean latents from noisy latents x and v, same shapes."""
    return alpha * x - sigma * v
