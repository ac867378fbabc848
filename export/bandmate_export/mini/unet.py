"""The mini denoiser's graph: one guided estimate of the clean latents."""

from __future__ import annotations

import onnx
from torch import nn

from bandmate_export.graph import Graph
from bandmate_export.layers import (
    conv,
    enlarged,
    group_norm,
    level_embedding,
    linear,
    pixel_shuffle,
    pixel_unshuffle,
    self_attention,
    silu,
    standardise,
)
from bandmate_export.weights import Precision
from bandmate_server.spec import ModelSpec
from bandmate_training.networks.denoiser import KINDS, Denoiser, Stage
from bandmate_training.networks.layers import Attention, ResBlock


def denoiser_graph(denoiser: Denoiser, spec: ModelSpec, precision: Precision) -> onnx.ModelProto:
    """Return the graph of the guided denoiser; the halves G and the batch B run as one batch."""
    g = Graph("denoiser", "denoiser", denoiser, precision)
    stems, channels, bands = len(spec.stems), spec.latent_channels, spec.latent_bands
    latents = stems * channels
    halves = g.length("guidance", 0)
    embedding = _embedding(g, denoiser, halves)
    mixture = _flat(g, "mixture", channels, bands)
    mask = g.op("Expand", _flat(g, "known_mask", stems, 1), g.integers(1, 1, 1, bands))
    x = _over(g, g.reshape("x", 0, latents, -1, bands), halves, 3)
    x = g.reshape(g.op("Flatten", x, axis=2), 0, latents, -1, bands)
    grid = g.op("Concat", x, mixture, _flat(g, "known", latents, bands), mask, axis=1)
    cells = pixel_unshuffle(g, grid, 2 * latents + channels + stems, bands, 2)
    trunk = _trunk(g, cells, embedding, denoiser, bands // 2)
    v = pixel_shuffle(g, conv(g, trunk, denoiser.out), 2)
    latent = ("B", stems, channels, "T", bands)
    return g.model(
        spec,
        {
            "x": latent,
            **dict.fromkeys(("level", "alpha", "sigma"), ("B",)),
            "guidance": ("G",),
            "mixture": ("G", "B", channels, "T", bands),
            "mixture_kind": ("G", "B", KINDS),
            "known": ("G", *latent),
            "known_mask": ("G", "B", stems, "T"),
        },
        {"x0": (_guided(g, v, halves), latent)},
    )


def _over(g: Graph, x: str, halves: str, axes: int) -> str:
    """Repeat (B, ...) of `axes` further axes to (G, B, ...)."""
    shape = g.op("Concat", halves, g.integers(*[1] * (axes + 1)), axis=0)
    return g.op("Expand", g.unsqueeze(x, 0), shape)


def _flat(g: Graph, x: str, channels: int, bands: int) -> str:
    """Join (G, B, ..., T, bands) to (G B, channels, T, bands)."""
    return g.reshape(g.op("Flatten", x, axis=2), 0, channels, -1, bands)


def _embedding(g: Graph, denoiser: Denoiser, halves: str) -> str:
    """Write the embedding (G B, width) of noise levels and mixture kinds."""
    level = level_embedding(g, "level", denoiser.embedding)
    repeated = g.op("Flatten", _over(g, level, halves, 1), axis=2)
    kind = linear(g, g.reshape("mixture_kind", -1, KINDS), denoiser.kind)
    return silu(g, g.op("Add", repeated, kind))


def _guided(g: Graph, v: str, halves: str) -> str:
    """Write x0 (B, S, C, T, F) from v of all halves (G B, S C, T, F)."""
    rows = g.op("Reshape", v, g.op("Concat", halves, g.integers(-1), axis=0))
    weights = g.unsqueeze("guidance", 0)
    mean = g.op("Reshape", g.op("MatMul", weights, rows), g.op("Shape", "x"))
    total = g.op("ReduceSum", "guidance", g.integers(0))
    alpha = g.unsqueeze(g.op("Mul", "alpha", total), 1, 2, 3, 4)
    sigma = g.unsqueeze("sigma", 1, 2, 3, 4)
    return g.op("Sub", g.op("Mul", alpha, "x"), g.op("Mul", sigma, mean))


def _trunk(g: Graph, cells: str, embedding: str, denoiser: Denoiser, bands: int) -> str:
    x = g.op("Add", conv(g, cells, denoiser.entry), g.parameter(denoiser, "bands"))
    skips = []
    for level, stage in enumerate(denoiser.down):
        x = _stage(g, x, embedding, stage, bands >> level)
        if level < len(denoiser.shrink):
            skips.append(x)
            x = conv(g, x, denoiser.shrink[level])
    x = _stage(g, x, embedding, denoiser.up[-1], bands >> len(skips))
    for level in reversed(range(len(skips))):
        x = conv(g, enlarged(g, x), denoiser.grow[level])
        joined = g.op("Concat", x, skips[level], axis=1)
        x = _stage(g, joined, embedding, denoiser.up[level], bands >> level)
    return silu(g, group_norm(g, x, denoiser.out_norm, bands))


def _stage(g: Graph, x: str, embedding: str, stage: nn.Module, bands: int) -> str:
    assert isinstance(stage, Stage)
    for block, attention in zip(stage.blocks, stage.attention, strict=True):
        x = _res_block(g, x, embedding, block, bands)
        if isinstance(attention, Attention):
            assert isinstance(attention.norm, nn.GroupNorm)
            normal = group_norm(g, x, attention.norm, bands)
            x = g.op("Add", x, self_attention(g, normal, attention, bands))
    return x


def _res_block(g: Graph, x: str, embedding: str, block: nn.Module, bands: int) -> str:
    """Write a residual block; the second norm's weight and bias join its modulation."""
    assert isinstance(block, ResBlock)
    hidden = conv(g, silu(g, group_norm(g, x, block.first_norm, bands)), block.first)
    scale, shift = g.split(linear(g, embedding, block.modulation), 2, 1)
    scale = g.op("Add", scale, g.constant(1.0))
    weight = g.op("Mul", scale, g.parameter(block.second_norm, "weight"))
    bias = g.op("Add", shift, g.op("Mul", scale, g.parameter(block.second_norm, "bias")))
    hidden = standardise(g, hidden, block.second_norm, bands)
    hidden = g.op("Mul", hidden, g.unsqueeze(weight, 2, 3))
    hidden = g.op("Add", hidden, g.unsqueeze(bias, 2, 3))
    hidden = conv(g, silu(g, hidden), block.second)
    skip = conv(g, x, block.skip) if isinstance(block.skip, nn.Conv2d) else x
    return g.op("Add", skip, hidden)
