"""What a noisy value by itself says of a cell: Bayes' rule for cells that are mostly silent.

A cell is silent, or sounds with a height whose distribution is known: then the noisy value
gives the odds that it sounds, up to what was likely before, and the height that it has if so.
The network has to supply only what was likely before, out of everything around the cell; it
need not carry the values to its output, for which it is too narrow.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bandmate_server.model.notes.layout import cell_kinds

STEPS = 20  # of heights
SPREAD = 0.03  # of heights around each step, a standard deviation
LARGEST = 30.0  # evidence, in nats
LEAST_CHANCE = 1e-30
LEAST_NOISE = 1e-3
_RAREST = 1e-4  # share of a height among those of its kind


def heights() -> Tensor:
    """Return the heights (STEPS,) that are told apart; the last is 1."""
    return torch.arange(1, STEPS + 1) / STEPS


def height_shares(notes: Tensor) -> Tensor:
    """Return how often each height occurs (cells, STEPS) where cells (..., cells) sound.

    Cells of one kind (onsets of keys, of drums, sustain) share their figures.
    """
    kinds = torch.from_numpy(cell_kinds())
    nearest = (notes.flatten(0, -2) * STEPS).round().long().clamp(1, STEPS) - 1
    sounding = notes.flatten(0, -2) > 0
    shares = torch.zeros(int(kinds.max()) + 1, STEPS)
    for kind in range(len(shares)):
        mine = kinds == kind
        found = nearest[:, mine][sounding[:, mine]]
        counts = torch.bincount(found, minlength=STEPS).float() + 1e-3
        shares[kind] = (counts / counts.sum()).clamp_min(_RAREST)
    return (shares / shares.sum(1, keepdim=True))[kinds]


def evidence(x: Tensor, signal: Tensor, noise: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
    """Return the log odds that noisy values add for sounding, and the mean height if they do.

    Args:
        x: noisy values (B, T, cells).
        signal: by which clean heights were multiplied, broadcasts to x; may be 0.
        noise: standard deviation of what was added, at least LEAST_NOISE; broadcasts to x.
        shares: of heights (cells, STEPS).

    Returns:
        Two tensors of x's shape, of float32.
    """
    noise = noise.clamp_min(LEAST_NOISE)
    wide = (noise.square() + (signal * SPREAD).square()).sqrt()
    place, unit = x / wide, signal / wide
    total, weighted = torch.zeros_like(x), torch.zeros_like(x)
    for height, share in zip(heights().tolist(), shares.unbind(1), strict=True):
        chance = (place - unit * height).square_().mul_(-0.5).exp_().mul_(share)
        total += chance
        weighted.add_(chance, alpha=height)
    silent = 0.5 * (x / noise).square() + (noise / wide).log()
    odds = (total.clamp_min(LEAST_CHANCE).log() + silent).clamp(-LARGEST, LARGEST)
    mean = shares @ heights()
    return odds, torch.where(total > LEAST_CHANCE, weighted / total.clamp_min(LEAST_CHANCE), mean)
