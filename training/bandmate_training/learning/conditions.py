"""What the denoiser is given in one training example: drawn anew for every example.

Four kinds of example make one conditional model of separation, generation, arrangement and
filling: a full mixture (the stems sum to it), nothing at all, some stems given, some stems
given in part; a backing mixture (the wanted stems come on top of it) may stand in for given
stems.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

FULL, BACKING = 0, 1  # positions in mixture_kind

UNCONDITIONAL = 0.1  # share of examples that lose every condition: guidance needs it
SEPARATION = 0.1  # share that gets the full mixture; masks separate better
BACKED = 0.35  # share of arrangements that get a backing mixture
HEARD_TOO = 0.5  # share of those whose given stems are also known one by one
PARTIAL = 0.3  # share of arrangements in which one wanted stem is given outside a range


@dataclass
class ConditionPlan:
    """What one example is given.

    mixture: which of the sources (S + 1) sound in the mixture, None for no mixture.
    kind: FULL or BACKING, of no meaning without a mixture.
    known_mask: (S, T), 1 where a stem is given.
    """

    mixture: Tensor | None
    kind: int
    known_mask: Tensor


def draw_plan(stems: int, frames: int, generator: torch.Generator) -> ConditionPlan:
    """Draw what an example of `stems` stems and `frames` latent frames is given."""

    def chance(share: float) -> bool:
        return bool(torch.rand((), generator=generator) < share)

    nothing = torch.zeros(stems, frames)
    if chance(UNCONDITIONAL):
        return ConditionPlan(None, FULL, nothing)
    if chance(SEPARATION):
        return ConditionPlan(torch.ones(stems + 1), FULL, nothing)
    subset = int(torch.randint(2**stems - 1, (), generator=generator))  # never all of them
    given = torch.tensor([float(subset >> stem & 1) for stem in range(stems)])
    known = given[:, None].expand(-1, frames).clone()
    mixture = None
    if chance(BACKED):
        mixture = torch.cat([given, torch.tensor([float(chance(0.5))])])
        if not chance(HEARD_TOO):
            known = torch.zeros_like(known)
    if chance(PARTIAL):
        _give_around(known, given, frames, generator)
    return ConditionPlan(mixture, BACKING, known)


def _give_around(known: Tensor, given: Tensor, frames: int, generator: torch.Generator) -> None:
    """Give one of the wanted stems outside a random range of 10 to 80 % of the window."""
    wanted = (given == 0).nonzero().flatten()
    stem = wanted[torch.randint(len(wanted), (), generator=generator)]
    share = 0.1 + 0.7 * float(torch.rand((), generator=generator))
    length = max(1, int(share * frames))
    start = int(torch.randint(frames - length + 1, (), generator=generator))
    known[stem] = 1
    known[stem, start : start + length] = 0
