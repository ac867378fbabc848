"""New parts for validation songs, sampled in torch, and how they compare with the true ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from bandmate_server.model.notes.layout import CELLS, DRUMS, TIMBRE, packed_stems
from bandmate_server.spec import STEMS
from bandmate_training.networks.layers import autocast
from bandmate_training.notes.diffusion import sample, scaled, unscaled
from bandmate_training.notes.learning.figures import harmony, mean_length, notes_per_second
from bandmate_training.notes.networks.network import KINDS, NoteDenoiser
from bandmate_training.notes.packing import pack, unpack

STEPS = 8
GUIDANCE = 2.0
SONGS = 4  # examples that parts are added to
_SEED = 0


def guided(
    model: NoteDenoiser, known: Tensor, mask: Tensor, activity: Tensor, guidance: float
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the guided estimate of clean scaled latents, for `diffusion.sample`.

    Args:
        model: the network.
        known: scaled packed latents (B, T, P) of given stems.
        mask: (B, T, S), 1 where a stem is given.
        activity: (B, S, 2), as the network takes it.
        guidance: 1 is none.
    """
    batch, frames, _ = known.shape
    none = torch.zeros(batch, frames, 2 * CELLS - TIMBRE)
    kind, open_timbre = torch.zeros(batch, KINDS), torch.zeros(batch, 1)

    def guess(x: Tensor, angle: Tensor) -> Tensor:
        with autocast():
            told = model(x, angle, none, kind, known, mask, activity, open_timbre)
            if guidance == 1:
                return scaled(told.latents())
            blank = model(
                x, angle, none, kind, torch.zeros_like(known), torch.zeros_like(mask),
                activity, open_timbre,
            )  # fmt: skip
        return scaled(guidance * told.latents() + (1 - guidance) * blank.latents())

    return guess


def add_part(
    model: NoteDenoiser, examples: Tensor, stem: int, steps: int, guidance: float, seed: int
) -> Tensor:
    """Return a stem's sampled latents (B, C, T, F), given the others of examples as transcribed.

    Args:
        model: the network.
        examples: (B, 2, S + 1, C, T, F).
        stem: the one to add.
        steps: of sampling.
        guidance: 1 is none.
        seed: of the noise.
    """
    given = pack(examples[:, 1, : len(STEMS)])
    mask = torch.ones(*given.shape[:2], len(STEMS))
    mask[..., stem] = 0
    known = scaled(given) * mask[..., torch.from_numpy(packed_stems())]
    facts = torch.stack([torch.ones(len(STEMS)), model.usual], -1).expand(len(given), -1, -1)
    noise = torch.randn(given.shape, generator=torch.Generator().manual_seed(seed))
    found = sample(guided(model, known, mask, facts, guidance), noise, steps)
    return unpack(unscaled(found))[:, stem]


@torch.no_grad()
def compare_takes(model: NoteDenoiser, examples: Tensor) -> dict[str, float]:
    """Return for each stem the notes of a sampled part as a share of the true part's.

    And for those with pitches how long they last, as a share likewise, and the harmony with the
    others: the sampled part's, then the true one's. Only examples in which the stem sounds count.
    """
    figures = {}
    for stem, name in enumerate(STEMS):
        sounding = examples[:, 0, stem].flatten(1).any(1)
        some = examples[sounding][:SONGS]
        if not len(some):
            continue
        made = add_part(model, some, stem, STEPS, GUIDANCE, _SEED).numpy()
        true = some[:, 0, stem].numpy()
        played, wanted = (sum(notes_per_second(p, name) for p in each) for each in (made, true))
        figures[f"density_{name}"] = played / max(wanted, 1e-6)
        if name == DRUMS:
            continue
        figures[f"length_{name}"] = mean_length(made, name) / mean_length(true, name)
        others = [k for k, other in enumerate(STEMS) if k != stem and other != DRUMS]
        context = some[:, 0, others].amax(1).numpy()
        for each, kind in ((made, "made"), (true, "true")):
            values = [harmony(a, b) for a, b in zip(each, context, strict=True)]
            figures[f"harmony_{kind}_{name}"] = float(np.nanmean(values)) if values else 0.0
    return figures
