"""What the denoiser of notes learns from: cross-entropy of cells, each stem alike."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from bandmate_server.model.notes.layout import note_count, packed_stems
from bandmate_server.spec import STEMS
from bandmate_training.notes.evidence import heights

RAREST, COMMONEST = 1e-5, 0.5  # between which a cell's mean is taken to be
_SUREST = 1 - 1e-6
TIMBRE_WEIGHT = 0.02  # of a timbre's squared error against a share of a stem's entropy


def surprise(logits: Tensor, target: Tensor, mean: Tensor | None = None) -> Tensor:
    """Return the divergence in nats of cells' estimates from their heights, 0 at best.

    A height between 0 and 1 counts as the share of times that a cell sounds: so the best
    estimate is the mean, as with the squared error, but a small chance is not the same as none.

    Args:
        logits: that the cells sound.
        target: their true heights, 0 to 1.
        mean: height where they sound, above 0, up to 1; None: 1.
    """
    entropy = torch.special.entr(target) + torch.special.entr(1 - target)
    if mean is None:
        return F.binary_cross_entropy_with_logits(logits, target, reduction="none") - entropy
    log_estimate = F.logsigmoid(logits) + mean.log()
    log_rest = torch.log1p(-log_estimate.exp().clamp_max(_SUREST))
    return -(target * log_estimate + (1 - target) * log_rest) - entropy


def sounding_logits(notes: Tensor, shares: Tensor) -> Tensor:
    """Return the logits (cells,) of how often cells (..., cells) sound, by their mean heights.

    Args:
        notes: a sample.
        shares: of heights where cells sound (cells, STEPS).
    """
    means = notes.flatten(0, -2).mean(0) / (shares @ heights())
    return means.clamp(RAREST, COMMONEST).logit()


def stem_entropies(notes: Tensor) -> Tensor:
    """Return the mean surprise (S,) of a frame of each stem to who knows the means alone."""
    values = notes.flatten(0, -2)
    means = values.mean(0).clamp(RAREST, COMMONEST)
    cells = surprise(means.logit().expand_as(values), values).mean(0)
    stems = torch.from_numpy(packed_stems())[: note_count()]
    return torch.zeros(len(STEMS)).index_add(0, stems, cells)
