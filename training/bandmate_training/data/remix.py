"""More mixtures out of a batch: every source from another example, at another level."""

from __future__ import annotations

import torch
from torch import Tensor

GAIN_SPREAD = 5.0  # dB, standard deviation between sources
DROPPED = 0.1  # share of sources that are left out


def remixed(batch: Tensor, generator: torch.Generator) -> Tensor:
    """Return a batch (B, 5, N) whose mixtures join sources of different examples.

    Each mixture is as loud as the example's whose place it takes.
    """
    count, sources = batch.shape[:2]
    rows = torch.stack([torch.randperm(count, generator=generator) for _ in range(sources)], 1)
    mixed = batch[rows, torch.arange(sources)]
    decibels = GAIN_SPREAD * torch.randn(count, sources, 1, generator=generator)
    kept = torch.rand(count, sources, 1, generator=generator) >= DROPPED
    mixed = mixed * (10 ** (decibels / 20) * kept)
    before = batch.sum(1).square().mean(-1).sqrt()
    after = mixed.sum(1).square().mean(-1).sqrt()
    gain = torch.where(after > 1e-4, before / after.clamp_min(1e-4), torch.ones(()))
    return mixed * gain[:, None, None]
