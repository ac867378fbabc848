"""The graph of the denoiser of notes: one guided estimate of the clean latents."""

from __future__ import annotations

import math

import numpy as np
import onnx
import torch
from torch import Tensor

from bandmate_export.graph import Graph
from bandmate_export.layers import conv, level_embedding, linear, pointwise, silu
from bandmate_export.notes.cells import packed, unpacked
from bandmate_export.notes.rows import correction
from bandmate_export.weights import Precision
from bandmate_server.model.notes.layout import SCALE, TIMBRE, note_count, packed_cells, packed_stems
from bandmate_server.spec import ModelSpec
from bandmate_training.notes.diffusion import angle_of, scaled
from bandmate_training.notes.evidence import (
    LARGEST,
    LEAST_CHANCE,
    LEAST_NOISE,
    SPREAD,
    heights,
)
from bandmate_training.notes.networks.network import (
    HEARD,
    KINDS,
    KNOWN_ODDS,
    MODULATIONS,
    Block,
    NoteDenoiser,
    positions,
)
from bandmate_training.notes.packing import pack, unpack

MOST_TOKENS = 4096  # positions that are stored: windows of over five minutes
_EPSILON = 1e-5  # of torch's layer_norm
_RMS_EPSILON = float(torch.finfo(torch.float32).eps)  # of torch's rms_norm


def denoiser_graph(
    denoiser: NoteDenoiser, spec: ModelSpec, precision: Precision
) -> onnx.ModelProto:
    """Return the graph of the guided denoiser; the halves G and the batch B run as one batch.

    How busy a stem is, is what is usual; timbres are part of the latents.
    """
    g = Graph("denoiser", "denoiser", denoiser, precision)
    halves = g.length("guidance", 0)
    count, total = note_count(), len(packed_cells())
    noisy = packed(g, _joined(g, _over(g, "x", halves), spec), spec)
    notes, timbres = _part(g, noisy, 0, count), _part(g, noisy, count, total)
    known = packed(g, _joined(g, "known", spec), spec)
    mask = _mask(g, spec)
    alpha, sigma = (_column(g, name, halves) for name in ("alpha", "sigma"))
    angle = g.op("Mul", g.op("Acos", alpha), g.constant(2 / math.pi))
    seen, heights = _seen(g, notes, known, mask, (alpha, sigma), denoiser)
    prior = g.op("Expand", g.parameter(denoiser, "prior"), g.op("Shape", seen))
    near = g.op("Add", g.op("Add", prior, seen),
                correction(g, [prior, seen], angle, denoiser.before))  # fmt: skip
    expected = _expected(g, near, heights)
    frames = [expected, timbres, known, _mixture(g, spec), mask]
    tokens = g.reshape(g.op("Concat", *frames, axis=2), 0, -1, denoiser.entry.in_features)
    state = _state(g, denoiser, halves)
    modulation = g.reshape(linear(g, state, denoiser.modulation), 0, MODULATIONS, denoiser.width)
    h = pointwise(g, tokens, denoiser.entry)
    rotation = _rotation(g, h, denoiser.head_width)
    for block in denoiser.blocks:
        assert isinstance(block, Block)
        h = _block(g, h, modulation, rotation, block)
    found = g.reshape(pointwise(g, _norm(g, h), denoiser.exit), 0, -1, total)
    context = _part(g, found, 0, count)
    odds = g.op("Add", g.op("Add", near, context),
                correction(g, [near, seen, context], angle, denoiser.after))  # fmt: skip
    kept = g.op("Mul", alpha, timbres)
    timbres = g.op("Add", kept, g.op("Mul", sigma, _part(g, found, count, total)))
    clean = g.op("Concat", _expected(g, odds, heights), timbres, axis=2)
    x0 = _guided(g, unpacked(g, clean, spec), halves)
    latents = ("B", len(spec.stems), spec.latent_channels, "T", spec.latent_bands)
    one = (spec.latent_channels, "T", spec.latent_bands)
    return g.model(
        spec,
        {
            "x": latents,
            **dict.fromkeys(("level", "alpha", "sigma"), ("B",)),
            "guidance": ("G",),
            "mixture": ("G", "B", *one),
            "mixture_kind": ("G", "B", KINDS),
            "known": ("G", *latents),
            "known_mask": ("G", "B", len(spec.stems), "T"),
        },
        {"x0": (x0, latents)},
    )


def denoise(
    denoiser: NoteDenoiser, x: Tensor, alpha: Tensor, guidance: Tensor, mixture: Tensor,
    mixture_kind: Tensor, known: Tensor, known_mask: Tensor,
) -> Tensor:  # fmt: skip
    """Return what the graph does, in torch, one half of the guidance after the other."""
    x0 = torch.zeros_like(x)
    batch = len(x)
    usual = torch.stack([torch.ones_like(denoiser.usual), denoiser.usual], -1)
    for half, weight in enumerate(guidance.tolist()):
        guess = denoiser(
            pack(x),
            angle_of(alpha),
            mixture[half].transpose(1, 2).flatten(2)[..., :-TIMBRE] / SCALE,
            mixture_kind[half],
            pack(known[half]),
            known_mask[half].transpose(1, 2),
            usual.expand(batch, -1, -1),
            torch.ones(batch, 1),
        )
        x0 += weight * unpack(scaled(guess.latents()))
    return x0


def _over(g: Graph, x: str, halves: str) -> str:
    """Write x (B, ...) once for each half: (G, B, ...)."""
    x = g.unsqueeze(x, 0)
    rest = g.op("Shape", x, start=1)
    return g.op("Expand", x, g.op("Concat", halves, rest, axis=0))


def _joined(g: Graph, x: str, spec: ModelSpec) -> str:
    """Join (G, B, S, C, T, F) to (G B, S, C, T, F)."""
    shape = (-1, len(spec.stems), spec.latent_channels)
    time = g.length(x, 4)
    bands = g.integers(spec.latent_bands)
    return g.op("Reshape", x, g.op("Concat", g.integers(*shape), time, bands, axis=0))


def _mixture(g: Graph, spec: ModelSpec) -> str:
    """Write the mixture's notes (G B, T, C F - TIMBRE), between 0 and 1."""
    cells = spec.latent_channels * spec.latent_bands
    frames = g.op("Transpose", "mixture", perm=[0, 1, 3, 2, 4])  # (G, B, T, C, F)
    shape = g.op("Concat", g.integers(-1), g.length("mixture", 3), g.integers(cells), axis=0)
    flat = g.op("Reshape", frames, shape)
    notes = g.slice(flat, g.integers(0), g.integers(cells - TIMBRE), 2)
    return g.op("Div", notes, g.constant(SCALE))


def _mask(g: Graph, spec: ModelSpec) -> str:
    """Write where stems are given (G B, T, S)."""
    stems = g.integers(-1, len(spec.stems))
    shape = g.op("Concat", stems, g.length("known_mask", 3), axis=0)
    return g.op("Transpose", g.op("Reshape", "known_mask", shape), perm=[0, 2, 1])


def _state(g: Graph, denoiser: NoteDenoiser, halves: str) -> str:
    """Write what modulates all blocks (G B, width): noise, mixture's kind, how busy stems are."""
    angle = g.op("Mul", g.op("Acos", "alpha"), g.constant(2 / math.pi * 1000))
    level = g.op("Flatten", _over(g, level_embedding(g, angle, denoiser.level), halves), axis=2)
    kind = g.reshape("mixture_kind", -1, KINDS)
    usual = denoiser.usual.numpy()
    rest = np.concatenate([np.stack([np.ones_like(usual), usual], -1).ravel(), [1.0]])
    count = g.op("Concat", g.length(kind, 0), g.integers(len(rest)), axis=0)
    facts = g.op("Concat", kind, g.op("Expand", g.constant(rest[None]), count), axis=1)
    return silu(g, g.op("Add", level, linear(g, facts, denoiser.facts)))


def _rotation(g: Graph, tokens: str, head_width: int) -> tuple[str, str]:
    """Write cosines and sines (N, head_width / 2) of the positions of tokens (B, N, width)."""
    count = g.length(tokens, 1)
    tables = positions(MOST_TOKENS, head_width)
    cosine, sine = (g.slice(g.constant(table.numpy()), g.integers(0), count, 0) for table in tables)
    return cosine, sine


def _block(g: Graph, x: str, modulation: str, rotation: tuple[str, str], block: Block) -> str:
    own = g.op("Add", modulation, g.parameter(block, "modulation"))
    shift, scale, gate, shift2, scale2, gate2 = g.split(own, MODULATIONS, 1)  # (B, 1, width)
    h = _modulated(g, x, scale, shift)
    near = g.op("Transpose", conv(g, g.op("Transpose", h, perm=[0, 2, 1]), block.near),
                perm=[0, 2, 1])  # fmt: skip
    h = g.op("Add", h, near)
    x = g.op("Add", x, g.op("Mul", gate, _attended(g, h, rotation, block)))
    h = _modulated(g, x, scale2, shift2)
    h = pointwise(g, g.op("Gelu", pointwise(g, h, block.expand)), block.contract)
    return g.op("Add", x, g.op("Mul", gate2, h))


def _modulated(g: Graph, x: str, scale: str, shift: str) -> str:
    factor = g.op("Add", scale, g.constant(1.0))
    return g.op("Add", g.op("Mul", _norm(g, x), factor), shift)


def _norm(g: Graph, x: str) -> str:
    """Write a normalisation over the last axis, without weights."""
    mean = g.op("ReduceMean", x, g.integers(-1))
    centred = g.op("Sub", x, mean)
    variance = g.op("ReduceMean", g.op("Mul", centred, centred), g.integers(-1))
    return g.op("Div", centred, g.op("Sqrt", g.op("Add", variance, g.constant(_EPSILON))))


def _attended(g: Graph, h: str, rotation: tuple[str, str], block: Block) -> str:
    width = block.out.in_features
    heads = width // block.head_width
    qkv = _matrix(g, h, block.qkv)
    q, k, v = (
        g.op("Transpose", g.reshape(part, 0, 0, heads, block.head_width), perm=[0, 2, 1, 3])
        for part in g.split(qkv, 3, 2)
    )
    q, k = (_rotated(g, _rms(g, part), rotation) for part in (q, k))
    scores = g.op("MatMul", q, g.op("Transpose", k, perm=[0, 1, 3, 2]))
    shares = g.op("Softmax", g.op("Mul", scores, g.constant(block.head_width**-0.5)), axis=-1)
    joined = g.op("Transpose", g.op("MatMul", shares, v), perm=[0, 2, 1, 3])
    return _matrix(g, g.reshape(joined, 0, 0, width), block.out)


def _matrix(g: Graph, x: str, module: torch.nn.Linear) -> str:
    """Write a linear layer without bias."""
    return g.op("MatMul", x, g.op("Transpose", g.parameter(module, "weight"), perm=[1, 0]))


def _rms(g: Graph, x: str) -> str:
    mean = g.op("ReduceMean", g.op("Mul", x, x), g.integers(-1))
    return g.op("Div", x, g.op("Sqrt", g.op("Add", mean, g.constant(_RMS_EPSILON))))


def _rotated(g: Graph, x: str, rotation: tuple[str, str]) -> str:
    cosine, sine = rotation
    a, b = g.split(x, 2, 3)
    first = g.op("Sub", g.op("Mul", a, cosine), g.op("Mul", b, sine))
    second = g.op("Add", g.op("Mul", a, sine), g.op("Mul", b, cosine))
    return g.op("Concat", first, second, axis=3)


def _part(g: Graph, values: str, first: int, last: int) -> str:
    return g.slice(values, g.integers(first), g.integers(last), 2)


def _expected(g: Graph, odds: str, heights: str) -> str:
    """Write the expected scaled heights of notes."""
    return g.op("Mul", g.op("Mul", g.op("Sigmoid", odds), heights), g.constant(SCALE))


def _seen(
    g: Graph, notes: str, known: str, mask: str, noise: tuple[str, str], denoiser: NoteDenoiser
) -> tuple[str, str]:
    """Write what noisy and given values say of cells: logits, and heights if they sound."""
    alpha, sigma = noise
    count = note_count()
    signal = g.op("Mul", alpha, g.constant(SCALE))
    odds, heights = _evidence(g, notes, signal, sigma, denoiser)
    of_stem = g.constant(packed_stems()[:count], np.int64)
    given = g.op("Greater", g.op("Gather", mask, of_stem, axis=2), g.constant(0.0))
    heard = g.op("Greater", _part(g, known, 0, count), g.constant(HEARD))
    told = g.op("Where", heard, g.constant(KNOWN_ODDS), g.constant(-KNOWN_ODDS))
    return g.op("Where", given, told, odds), heights


def _column(g: Graph, name: str, halves: str) -> str:
    """Write alpha or sigma as (G B, 1, 1)."""
    return g.unsqueeze(g.reshape(_over(g, name, halves), -1), 1, 2)


def _evidence(g: Graph, x: str, signal: str, noise: str, denoiser: NoteDenoiser) -> tuple[str, str]:
    """Write what `evidence` returns, summed over heights as a last axis."""
    noise = g.op("Max", noise, g.constant(LEAST_NOISE))
    spread = g.op("Mul", signal, g.constant(SPREAD))
    square = g.op("Add", g.op("Mul", noise, noise), g.op("Mul", spread, spread))
    wide = g.op("Sqrt", square)
    place, unit = g.op("Div", x, wide), g.op("Div", signal, wide)
    steps = heights()
    offset = g.op("Sub", g.unsqueeze(place, 3),
                  g.op("Mul", g.unsqueeze(unit, 3), g.constant(steps.numpy())))  # fmt: skip
    chance = g.op("Exp", g.op("Mul", g.op("Mul", offset, offset), g.constant(-0.5)))
    shares = denoiser.shares.numpy()
    chance = g.op("Mul", chance, g.constant(shares))
    total = g.op("ReduceSum", chance, g.integers(3), keepdims=0)
    least = g.op("Max", total, g.constant(LEAST_CHANCE))
    weighted = g.op("Squeeze", g.op("MatMul", chance, g.constant(steps.numpy()[:, None])),
                    g.integers(3))  # fmt: skip
    ratio = g.op("Div", x, noise)
    silent = g.op("Mul", g.op("Mul", ratio, ratio), g.constant(0.5))
    silent = g.op("Add", silent, g.op("Log", g.op("Div", noise, wide)))
    odds = g.op("Add", g.op("Log", least), silent)
    odds = g.op("Clip", odds, g.constant(-LARGEST), g.constant(LARGEST))
    heard = g.op("Greater", total, g.constant(LEAST_CHANCE))
    mean = g.constant(shares @ steps.numpy())
    return odds, g.op("Where", heard, g.op("Div", weighted, least), mean)


def _guided(g: Graph, x0: str, halves: str) -> str:
    """Write the weighted sum (B, S, C, T, F) of the halves' estimates (G B, S, C, T, F)."""
    rows = g.op("Reshape", x0, g.op("Concat", halves, g.integers(-1), axis=0))
    return g.op("Reshape", g.op("MatMul", g.unsqueeze("guidance", 0), rows), g.op("Shape", "x"))
