"""The noise of note latents: scales, levels without any signal at their end, and sampling."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from bandmate_server.model.notes.layout import SCALE, note_count
from bandmate_server.model.schedule import cumulative_alphas
from bandmate_server.spec import NOTES

LEVELS = NOTES.schedule.steps


def scaled(values: Tensor) -> Tensor:
    """Return packed latents (B, T, P) as noise is added to them; timbres stay as they are."""
    notes = note_count()
    return torch.cat([SCALE * values[..., :notes], values[..., notes:]], -1)


def unscaled(latents: Tensor) -> Tensor:
    """Undo `scaled`."""
    notes = note_count()
    return torch.cat([latents[..., :notes] / SCALE, latents[..., notes:]], -1)


def signal_shares() -> Tensor:
    """Return alpha (LEVELS,) of every noise level; the last is 0."""
    return torch.from_numpy(cumulative_alphas(NOTES.schedule)).double().sqrt().float()


def angle_of(alpha: Tensor) -> Tensor:
    """Return the angle of the noise, 0 to 1, of signal shares alpha."""
    return torch.acos(alpha.clamp(0, 1)) * (2 / math.pi)


def trailing_levels(steps: int) -> list[int]:
    """Return the levels of a number of steps, from the last level down."""
    return [round(LEVELS * (1 - k / steps)) - 1 for k in range(steps)]


def sample(guess: Callable[[Tensor, Tensor], Tensor], noise: Tensor, steps: int) -> Tensor:
    """Return clean scaled latents (B, T, P), by deterministic DDIM steps.

    Args:
        guess: estimates clean scaled latents from noisy ones and the angle (B,).
        noise: (B, T, P).
        steps: how many.
    """
    shares = signal_shares()
    alphas = [float(shares[level]) for level in trailing_levels(steps)] + [1.0]
    x = noise
    for alpha, following in pairwise(alphas):
        angle = angle_of(torch.full((len(x),), alpha))
        clean = guess(x, angle)
        sigma = math.sqrt(1 - alpha**2)
        fresh = (x - alpha * clean) / sigma
        x = following * clean + math.sqrt(1 - following**2) * fresh
    return x
