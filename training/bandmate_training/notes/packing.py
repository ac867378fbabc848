"""Stems' note latents without the cells that no stem uses, and back."""

from __future__ import annotations

import torch
from torch import Tensor

from bandmate_server.model.notes.layout import CELLS, packed_cells
from bandmate_server.spec import STEMS


def pack(latents: Tensor) -> Tensor:
    """Return the cells that are in use (B, T, P) of stems' latents (B, S, C, T, F)."""
    cells = torch.from_numpy(packed_cells())
    return latents.permute(0, 3, 1, 2, 4).flatten(2)[..., cells]


def unpack(values: Tensor) -> Tensor:
    """Return stems' latents (B, S, C, T, F) of packed values (B, T, P), zeros elsewhere."""
    batch, time, _ = values.shape
    flat = values.new_zeros(batch, time, len(STEMS) * 2 * CELLS)
    flat[..., torch.from_numpy(packed_cells())] = values
    return flat.unflatten(2, (len(STEMS), 2, CELLS)).permute(0, 2, 3, 1, 4)
