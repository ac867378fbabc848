"""What the denoiser of notes learns from: cross-entropy of cells, each stem alike."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from bandmate_server.spec import STEMS
from bandmate_training.notes.layout import note_count, packed_stems

RAREST = 1e-5  # the least that a cell's mean is taken for
TIMBRE_WEIGHT = 0.02  # of a timbre's squared error against a share of a stem's entropy


def surprise(logits: Tensor, target: Tensor) -> Tensor:
    """Return the divergence in nats of cells' estimates from their heights, 0 at best.

    A height between 0 and 1 counts as the share of times that a cell sounds: so the best
    estimate is the mean, as with the squared error, but a small chance is not the same as none.
    """
    entropy = torch.special.entr(target) + torch.special.entr(1 - target)
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none") - entropy


def mean_logits(notes: Tensor) -> Tensor:
    """Return the logits (P,) of the mean of packed values (..., P); 0 for timbres."""
    count = note_count()
    means = notes.flatten(0, -2)[:, :count].mean(0).clamp(RAREST, 0.5)
    return F.pad(means.logit(), (0, len(STEMS) * (notes.shape[-1] - count) // len(STEMS)))


def stem_entropies(notes: Tensor, prior: Tensor) -> Tensor:
    """Return the mean surprise (S,) of a frame of each stem to who knows the means alone."""
    count = note_count()
    values = notes.flatten(0, -2)[:, :count]
    cells = surprise(prior[:count].expand_as(values), values).mean(0)
    stems = torch.from_numpy(packed_stems())[:count]
    return torch.zeros(len(STEMS)).index_add(0, stems, cells)
