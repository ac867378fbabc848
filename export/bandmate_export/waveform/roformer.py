"""The RoFormers' graph: a spectrogram to those of all stems, for one segment length."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from bandmate_export.graph import Graph
from bandmate_export.layers import pointwise
from bandmate_training.networks.waveform.roformer import (
    SMALLEST_NORM,
    FeedForward,
    GatedAttention,
    MaskEstimator,
    RMSNorm,
    RoFormer,
    Transformer,
    pairs,
    rotary_waves,
)


def roformer_output(g: Graph, network: RoFormer, frames: int) -> str:
    """Write the network; return the value of the stems' spectra (1, S, 2C, bins, T).

    Args:
        g: the graph; its input is "spectrum" (1, 2C, bins, T).
        network: with its weights.
        frames: T.
    """
    config = network.config
    bands, channels = len(config.bands), config.channels
    cells = g.reshape("spectrum", channels, 2, config.bins, frames)
    numbers = g.op("Transpose", cells, perm=[3, 2, 0, 1])  # (T, bins, C, 2)
    order = g.integers(*(b for band in config.bands for b in band))
    taken = g.reshape(g.op("Gather", numbers, order, axis=1), frames, sum(config.widths))
    x = _band_split(g, taken, network)
    for over_time, over_bands in pairs(network.layers):
        x = g.op("Transpose", x, perm=[1, 0, 2])
        x = _transformer(g, x, over_time, frames)
        x = g.op("Transpose", x, perm=[1, 0, 2])
        x = _transformer(g, x, over_bands, bands)
    x = _norm(g, x, network.final_norm)
    real, imaginary = g.split(numbers, 2, 3)
    spectra = [
        g.reshape(
            _masked(g, real, imaginary, _mask(g, x, estimator, network, order)),
            *(1, 1, 2 * channels, config.bins, frames),
        )
        for estimator in network.mask_estimators
    ]
    return g.op("Concat", *spectra, axis=1)


def _norm(g: Graph, x: str, module: nn.Module) -> str:
    """Write the scaling of vectors to one length, or nothing for an identity."""
    if not isinstance(module, RMSNorm):
        return x
    length = g.op("ReduceL2", x, g.integers(-1), keepdims=1)
    scale = g.op("Div", g.constant(1.0), g.op("Max", length, g.constant(SMALLEST_NORM)))
    width = module.gamma.shape[0]
    factors = g.op("Mul", g.parameter(module, "gamma"), g.constant(math.sqrt(width)))
    return g.op("Mul", g.op("Mul", x, scale), factors)


def _linear(g: Graph, x: str, module: nn.Module) -> str:
    assert isinstance(module, nn.Linear)
    if module.bias is not None:
        return pointwise(g, x, module)
    return g.op("MatMul", x, g.op("Transpose", g.parameter(module, "weight"), perm=[1, 0]))


def _band_split(g: Graph, x: str, network: RoFormer) -> str:
    """Write the features (T, bands, dim) of the bands' numbers (T, all widths)."""
    features, begin = [], 0
    for layer, width in zip(network.band_split.to_features, network.config.widths, strict=True):
        assert isinstance(layer, nn.Sequential)
        part = g.slice(x, g.integers(begin), g.integers(begin + width), 1)
        features.append(g.unsqueeze(_linear(g, _norm(g, part, layer[0]), layer[1]), 1))
        begin += width
    return g.op("Concat", *features, axis=1)


def _transformer(g: Graph, x: str, module: nn.Module, length: int) -> str:
    assert isinstance(module, Transformer)
    for attend, feed in pairs(module.layers):
        x = g.op("Add", x, _attention(g, x, attend, length))
        x = g.op("Add", x, _feed_forward(g, x, feed))
    return _norm(g, x, module.norm)


def _attention(g: Graph, x: str, module: nn.Module, length: int) -> str:
    """Write attention inside every sequence of (sequences, length, dim)."""
    assert isinstance(module, GatedAttention)
    normal = _norm(g, x, module.norm)
    q, k, v = g.split(_linear(g, normal, module.to_qkv), 3, 2)
    width = module.to_qkv.out_features // 3 // module.heads
    q, k = (_rotated(g, value, module.heads, width, length) for value in (q, k))
    y = g.contrib("MultiHeadAttention", q, k, v, num_heads=module.heads)
    gates = g.op("Sigmoid", _linear(g, normal, module.to_gates))
    heads = g.reshape(y, 0, length, module.heads, width)
    gated = g.op("Mul", heads, g.unsqueeze(gates, 3))
    return _linear(g, g.reshape(gated, 0, length, module.heads * width), module.to_out[0])


def _rotated(g: Graph, x: str, heads: int, width: int, length: int) -> str:
    """Write the turning of neighbouring pairs in every head of (sequences, length, heads width)."""
    cos, sin = rotary_waves(length, width)
    places = g.integers(0)
    return g.contrib(
        "RotaryEmbedding",
        x,
        places,
        g.constant(cos.numpy()),
        g.constant(sin.numpy()),
        interleaved=1,
        num_heads=heads,
    )


def _feed_forward(g: Graph, x: str, module: nn.Module) -> str:
    assert isinstance(module, FeedForward)
    norm, first, _, _, second = module.net
    return _linear(g, g.op("Gelu", _linear(g, _norm(g, x, norm), first)), second)


def _mask(g: Graph, x: str, module: nn.Module, network: RoFormer, order: str) -> str:
    """Write one stem's mask (T, bins, C, 2): in bins of several bands, their mean."""
    assert isinstance(module, MaskEstimator)
    config = network.config
    numbers = []
    for band, layers in enumerate(module.to_freqs):
        assert isinstance(layers, nn.Sequential)
        h = g.op("Gather", x, g.constant(band, np.int64), axis=1)
        inner = layers[0]
        assert isinstance(inner, nn.Sequential)
        for layer in inner:
            h = g.op("Tanh", h) if isinstance(layer, nn.Tanh) else _linear(g, h, layer)
        values, gates = g.split(h, 2, 1)
        numbers.append(g.op("Mul", values, g.op("Sigmoid", gates)))
    parts = g.reshape(g.op("Concat", *numbers, axis=1), 0, -1, config.channels, 2)
    counts = network.counts()
    if torch.equal(counts, torch.ones_like(counts)):
        return parts
    shape = g.op("Concat", g.length(parts, 0), g.integers(config.bins, config.channels, 2), axis=0)
    zeros = g.op("Expand", g.constant(0.0), shape)
    index = g.op("Expand", g.unsqueeze(order, 0, 2, 3), g.op("Shape", parts))
    total = g.op("ScatterElements", zeros, index, parts, axis=1, reduction="add")
    return g.op("Div", total, g.constant(counts[:, None, None].numpy()))


def _masked(g: Graph, real: str, imaginary: str, mask: str) -> str:
    """Write cells (T, bins, C, 1), in two parts, times a mask (..., 2): (C, 2, bins, T)."""
    mask_real, mask_imaginary = g.split(mask, 2, 3)

    def product(a: str, b: str) -> str:
        return g.op("Mul", a, b)

    parts = [
        g.op("Sub", product(real, mask_real), product(imaginary, mask_imaginary)),
        g.op("Add", product(real, mask_imaginary), product(imaginary, mask_real)),
    ]
    return g.op("Transpose", g.op("Concat", *parts, axis=3), perm=[2, 3, 1, 0])
