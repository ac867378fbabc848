"""Training the denoiser of note latents: clean latents from noisy ones and what is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bandmate_server.model.notes.layout import CELLS, TIMBRE, note_count, onset_cells, packed_stems
from bandmate_server.spec import NOTES, STEMS
from bandmate_training.learning.conditions import BACKING, FULL, ConditionPlan, draw_plan
from bandmate_training.learning.one_network import OneNetworkTask
from bandmate_training.learning.trainer import Optimisers, backward_and_step
from bandmate_training.networks.layers import autocast
from bandmate_training.notes.config import NoteDenoiserConfig
from bandmate_training.notes.diffusion import LEVELS, angle_of, scaled, signal_shares
from bandmate_training.notes.evidence import height_shares
from bandmate_training.notes.learning.objective import (
    TIMBRE_WEIGHT,
    sounding_logits,
    stem_entropies,
    surprise,
)
from bandmate_training.notes.learning.takes import compare_takes
from bandmate_training.notes.networks.network import KINDS, Guess, NoteDenoiser
from bandmate_training.notes.packing import pack

TOLD = 0.7  # share of stems of which it is said how busy they are
CHECKED_LEVELS = (0.5, 0.999)  # of the schedule, in validation
NEAR_WEIGHT = 0.3  # of the loss of what is seen of each cell's surroundings alone
_CHECK_SEED = 0


@dataclass
class Batch:
    """Inputs of the network in the order of its forward, and what it should return.

    wanted: (B, T, P), 1 where a value is to be found.
    """

    inputs: tuple[Tensor, ...]
    target: Tensor
    wanted: Tensor


def activity(notes: Tensor) -> Tensor:
    """Return log(1 + heights of onsets per second) (B, S) of packed values (B, T, P)."""
    onsets = notes[..., : note_count()] * torch.from_numpy(onset_cells())
    stems = torch.from_numpy(packed_stems()[: note_count()])
    sums = torch.zeros(len(notes), len(STEMS)).index_add(1, stems, onsets.sum(1))
    return (sums / (notes.shape[1] * NOTES.latent_hop / NOTES.mel.sample_rate)).log1p()


class NoteTask(OneNetworkTask[NoteDenoiser]):
    """The diffusion of all stems' notes under conditions drawn at random."""

    kind, module = "note-denoiser", "denoiser"

    def __init__(self, config: NoteDenoiserConfig, sample: Tensor, validation: Tensor) -> None:
        """Make the network.

        Args:
            config: its widths.
            sample: of training examples (B, 2, S + 1, C, T, F), for the cells' means.
            validation: examples of the same shape.
        """
        super().__init__(NOTES, config, NoteDenoiser(config))
        packed = pack(sample[:, 0, : len(STEMS)].float())
        notes = packed[..., : note_count()]
        self.model.shares.copy_(height_shares(notes))
        self.model.prior.copy_(sounding_logits(notes, self.model.shares))
        self.model.entropies.copy_(stem_entropies(notes))
        self.model.usual.copy_(_usual(activity(packed)))
        self.alphas = signal_shares()
        self.validation = validation

    def update(
        self, step: int, batch: Tensor, generator: torch.Generator, optimisers: Optimisers
    ) -> dict[str, float]:
        """Do one step on examples (B, 2, S + 1, C, T, F) at random levels and conditions."""
        examples = batch.float()
        count, frames = len(examples), examples.shape[-2]
        plans = [draw_plan(len(STEMS), frames, generator) for _ in range(count)]
        told = (torch.rand(count, len(STEMS), generator=generator) < TOLD).float()
        made = self.noised(examples, plans, self._levels(count, generator), told, generator)
        with autocast():
            guess = self.network(*made.inputs)
        loss = self.losses(guess, made).mean()
        near = self.losses(guess._replace(odds=guess.near), made).mean()
        backward_and_step(loss + NEAR_WEIGHT * near, self.model, optimisers["denoiser"])
        return {"loss": loss.item()}

    def _levels(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw levels (B,), one in each B-th part of the schedule."""
        place = torch.randperm(count, generator=generator)
        place = (place + torch.rand(count, generator=generator)) / count
        return (place * LEVELS).long().clamp_max(LEVELS - 1)

    def noised(
        self,
        examples: Tensor,
        plans: list[ConditionPlan],
        level: Tensor,
        told: Tensor,
        generator: torch.Generator,
    ) -> Batch:
        """Hide what the plans hide, add noise of the levels."""
        clean, heard = (pack(part[:, : len(STEMS)]) for part in examples.unbind(1))
        timbred = (clean[..., note_count() :] != 0).flatten(1).any(1, keepdim=True).float()
        mask = torch.stack([plan.known_mask.T for plan in plans])
        given = mask[..., torch.from_numpy(packed_stems())]
        alpha = self.alphas[level][:, None, None]
        noise = torch.randn(clean.shape, generator=generator)
        x = alpha * scaled(clean) + (1 - alpha**2).sqrt() * noise
        open_timbres = torch.ones_like(x)
        open_timbres[..., note_count() :] = timbred[..., None]
        mixture, kind = mixtures(examples[:, 1], plans)
        facts = torch.stack([told, told * activity(clean)], -1)
        return Batch(
            (
                x * open_timbres, angle_of(self.alphas[level]), mixture, kind,
                scaled(heard) * given, mask, facts, timbred,
            ),
            clean,
            (1 - given) * open_timbres,
        )  # fmt: skip

    def losses(self, guess: Guess, made: Batch) -> Tensor:
        """Return for each example the share of the wanted stems' entropy that is not explained."""
        notes = note_count()
        wanted = made.wanted
        cells = surprise(guess.odds, made.target[..., :notes], guess.heights)
        cells = cells * wanted[..., :notes]
        stems = torch.from_numpy(packed_stems())
        shares = cells.sum(1) / self.model.entropies[stems[:notes]]
        timbres = (guess.timbres - made.target[..., notes:]).square() * wanted[..., notes:]
        starts = torch.tensor([int((stems == s).nonzero()[0]) for s in range(len(STEMS))])
        frames = wanted[..., starts].sum((1, 2)).clamp_min(1)
        return (shares.sum(1) + TIMBRE_WEIGHT * timbres.sum((1, 2))) / frames

    @torch.no_grad()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return what of the entropy is not explained in each task, and figures of takes."""
        assert isinstance(model, NoteDenoiser)
        examples = self.validation.float()
        told = torch.zeros(len(examples), len(STEMS))
        figures = {}
        for name, plan in checks(examples.shape[-2]).items():
            generator = torch.Generator().manual_seed(_CHECK_SEED)
            losses = []
            for share in CHECKED_LEVELS:
                level = torch.full((len(examples),), int(share * LEVELS))
                made = self.noised(examples, [plan] * len(examples), level, told, generator)
                with autocast():
                    guess = model(*made.inputs)
                losses.append(float(self.losses(guess, made).mean()))
                if name == "generate":
                    figures[f"level_{share}"] = losses[-1]
            figures[f"val_{name}"] = float(np.mean(losses))
        return figures | compare_takes(model, examples)

    def picture(self, model: nn.Module, path: Path) -> None:
        """Nothing is drawn."""


def checks(frames: int) -> dict[str, ConditionPlan]:
    """Return the conditions under which validation looks: one stem wanted, or all."""
    plans = {}
    for stem, name in enumerate(STEMS):
        given = torch.ones(len(STEMS))
        given[stem] = 0
        plans[f"add_{name}"] = ConditionPlan(
            None, BACKING, given[:, None].expand(-1, frames).clone()
        )
    nothing = torch.zeros(len(STEMS), frames)
    plans["separate"] = ConditionPlan(torch.ones(len(STEMS) + 1), FULL, nothing)
    plans["generate"] = ConditionPlan(None, FULL, nothing)
    return plans


def mixtures(sources: Tensor, plans: list[ConditionPlan]) -> tuple[Tensor, Tensor]:
    """Return the notes (B, T, C F - TIMBRE) and kinds (B, 2) of the plans' mixtures.

    A mixture's notes are those of all its sources (B, S + 1, C, T, F).
    """
    notes = torch.zeros(len(plans), sources.shape[-2], 2 * CELLS - TIMBRE)
    kind = torch.zeros(len(plans), KINDS)
    for row, plan in enumerate(plans):
        if plan.mixture is not None:
            kind[row, plan.kind] = 1
            if plan.mixture.any():
                union = sources[row][plan.mixture > 0].amax(0)
                notes[row] = union.transpose(0, 1).flatten(1)[:, :-TIMBRE]
    return notes, kind


def _usual(values: Tensor) -> Tensor:
    """Return the median (S,) of how busy each stem is (B, S) where it plays at all."""
    return torch.stack([v[v > 0].median() if v.any() else v.sum() for v in values.unbind(1)])
