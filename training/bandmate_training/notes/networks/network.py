"""The denoiser of note latents: a transformer over time, all stems' cells in each token."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bandmate_server.model.notes.layout import (
    CELLS,
    SCALE,
    TIMBRE,
    note_count,
    packed_cells,
    packed_stems,
)
from bandmate_server.spec import STEMS
from bandmate_training.networks.layers import level_embedding
from bandmate_training.notes.config import NoteDenoiserConfig
from bandmate_training.notes.evidence import STEPS as HEIGHTS
from bandmate_training.notes.evidence import evidence
from bandmate_training.notes.networks.rows import LocalNetwork

KINDS = 2  # of mixtures: full, backing; neither set means absent
MODULATIONS = 6  # shift, scale and gate, twice a block
HEARD = 0.1 * SCALE  # height above which a given cell sounds
KNOWN_ODDS = 8.0  # logit of a given cell that sounds
_TAPS = 5  # tokens that the convolution in front of attention sees


class Block(nn.Module):
    """A short convolution and attention, then two pointwise layers; each modulated and gated."""

    def __init__(self, config: NoteDenoiserConfig) -> None:
        """Make the layers."""
        super().__init__()
        width = config.width
        self.head_width = config.head_width
        self.modulation = nn.Parameter(torch.zeros(MODULATIONS, width))
        self.near = nn.Conv1d(width, width, _TAPS, padding=_TAPS // 2, groups=width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.expand = nn.Linear(width, config.expansion * width)
        self.contract = nn.Linear(config.expansion * width, width)

    def forward(self, x: Tensor, modulation: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        """Map tokens (B, N, width) to the same shape.

        Args:
            x: tokens.
            modulation: (B, 6, width), shared by all blocks.
            rotation: cosines and sines (N, head_width / 2) of the positions.
        """
        shift, scale, gate, shift2, scale2, gate2 = (
            (modulation + self.modulation)[:, :, None].unbind(1)
        )  # fmt: skip
        h = _norm(x) * (1 + scale) + shift
        h = h + self.near(h.transpose(1, 2)).transpose(1, 2)
        x = x + gate * self._attended(h, rotation)
        h = _norm(x) * (1 + scale2) + shift2
        return x + gate2 * self.contract(F.gelu(self.expand(h)))

    def _attended(self, h: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        batch, tokens, width = h.shape
        heads = self.qkv(h).view(batch, tokens, 3, -1, self.head_width)
        q, k, v = heads.permute(2, 0, 3, 1, 4).unbind()
        q, k = (_rotated(F.rms_norm(part, part.shape[-1:]), rotation) for part in (q, k))
        # Written out: its gradient takes less than half the time of torch's own on a processor.
        shares = (q @ k.transpose(-1, -2) * self.head_width**-0.5).softmax(-1)
        attended = shares.to(v.dtype) @ v
        return self.out(attended.transpose(1, 2).reshape(batch, tokens, width))


def _norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:])


def _rotated(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate pairs of channels (B, H, N, head_width) by angles that grow with the position.

    Source: Su et al. 2021, "RoFormer: enhanced transformer with rotary position embedding".
    """
    cosine, sine = (part.to(x.dtype) for part in rotation)
    a, b = x.chunk(2, -1)
    return torch.cat([a * cosine - b * sine, a * sine + b * cosine], -1)


def positions(tokens: int, width: int) -> tuple[Tensor, Tensor]:
    """Return cosines and sines (tokens, width / 2) of the positions' angles."""
    rates = torch.exp(-math.log(10_000.0) * torch.arange(width // 2) / (width // 2))
    angles = torch.arange(tokens)[:, None] * rates
    return angles.cos(), angles.sin()


class Guess(NamedTuple):
    """What is estimated of clean latents.

    odds: logits that a note's cell sounds (B, T, notes); heights: if it does, the same shape.
    timbres: (B, T, timbres). near: like odds, of who sees what is near each cell alone.
    """

    odds: Tensor
    heights: Tensor
    timbres: Tensor
    near: Tensor

    def latents(self) -> Tensor:
        """Return the expected packed latents (B, T, P), before scaling."""
        return torch.cat([self.odds.sigmoid() * self.heights, self.timbres], -1)


class NoteDenoiser(nn.Module):
    """Estimate clean note latents from noisy ones and all that is known.

    Latents are packed (B, T, P): notes, then timbres. The network says how likely each cell
    sounds, given everything around it; what its own noisy value says is added by Bayes' rule.
    How busy each stem is can be given, too: a network that is not told must spread its guesses
    over songs in which the stem rests.
    """

    prior: Tensor  # (notes,) logits of how often the cells sound
    shares: Tensor  # (notes, STEPS) how often each height occurs in a cell that sounds
    entropies: Tensor  # (S,) surprise, in nats, of a frame to who knows the means alone
    usual: Tensor  # (S,) how busy a stem is that plays, as in `activity`

    def __init__(self, config: NoteDenoiserConfig) -> None:
        """Make a network that estimates every cell's mean, once the buffers are set."""
        super().__init__()
        width, stems = config.width, len(STEMS)
        self.group, self.head_width, self.width = config.group, config.head_width, width
        packed, notes = len(packed_cells()), note_count()
        self.register_buffer("prior", torch.zeros(notes))
        self.register_buffer("shares", torch.full((notes, HEIGHTS), 1 / HEIGHTS))
        self.register_buffer("entropies", torch.ones(stems))
        self.register_buffer("usual", torch.zeros(stems))
        self.entry = nn.Linear(config.group * (2 * packed + 2 * CELLS - TIMBRE + stems), width)
        self.level = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))
        self.facts = nn.Linear(KINDS + 2 * stems + 1, width)
        self.modulation = nn.Linear(width, MODULATIONS * width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.blocks))
        self.exit = nn.Linear(width, config.group * packed)
        self.before = LocalNetwork(2, config.local_width, config.local_blocks)
        self.after = LocalNetwork(3, config.local_width, config.local_blocks)
        for layer in (self.modulation, self.exit):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        x: Tensor,
        angle: Tensor,
        mixture: Tensor,
        mixture_kind: Tensor,
        known: Tensor,
        known_mask: Tensor,
        activity: Tensor,
        timbred: Tensor,
    ) -> Guess:
        """Return the estimate.

        Args:
            x: noisy scaled latents (B, T, P), T a multiple of the group.
            angle: (B,) of the noise: 0 none, 1 nothing else; tan(angle pi / 2) = sigma / alpha.
            mixture: the mixture's notes (B, T, C F - TIMBRE), zeros where absent.
            mixture_kind: (B, 2), [1, 0] full, [0, 1] backing, [0, 0] absent.
            known: clean scaled latents of given stems (B, T, P), zeros elsewhere.
            known_mask: (B, T, S), 1 where a stem is given.
            activity: (B, S, 2): whether a stem's onsets are counted, and log(1 + onsets/s).
            timbred: (B, 1), 1 where the latents hold timbres, 0 where they are left open.
        """
        count = len(self.prior)
        seen, heights = self.seen(x[..., :count].float(), angle, known, known_mask)
        prior = self.prior.expand_as(seen)
        near = prior + seen + self.before([prior, seen], angle)
        facts = torch.cat([mixture_kind, activity.flatten(1), timbred], 1)
        state = F.silu(self.level(level_embedding(angle * 1000, 256)) + self.facts(facts))
        expected = SCALE * near.sigmoid() * heights
        frames = torch.cat([expected, x[..., count:], known, mixture, known_mask], -1)
        h = self.entry(frames.reshape(len(x), x.shape[1] // self.group, -1))
        modulation = self.modulation(state).unflatten(1, (MODULATIONS, self.width))
        rotation = positions(h.shape[1], self.head_width)
        for block in self.blocks:
            h = block(h, modulation, rotation)
        found = self.exit(_norm(h)).float().reshape(x.shape)
        context = found[..., :count]
        odds = near + context + self.after([near, seen, context], angle)
        turn = angle[:, None, None] * (math.pi / 2)
        timbres = turn.cos() * x[..., count:] + turn.sin() * found[..., count:]
        return Guess(odds, heights, timbres, near)

    @torch.no_grad()
    def seen(
        self, x: Tensor, angle: Tensor, known: Tensor, known_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return what noisy and given values say of cells: logits, and heights if they sound."""
        turn = angle[:, None, None] * (math.pi / 2)
        odds, heights = evidence(x, SCALE * turn.cos(), turn.sin(), self.shares)
        count = len(self.prior)
        given = known_mask[..., torch.from_numpy(packed_stems()[:count])] > 0
        told = torch.where(known[..., :count] > HEARD, KNOWN_ODDS, -KNOWN_ODDS)
        return torch.where(given, told, odds), heights
