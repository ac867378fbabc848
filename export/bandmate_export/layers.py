"""Single layers as ONNX nodes, in the forms that ONNX Runtime computes fastest."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from bandmate_export.graph import Graph
from bandmate_training.networks.layers import ConvNeXtBlock


def conv(g: Graph, x: str, module: nn.Module) -> str:
    """Write a convolution in one or two dimensions, or a transposed one in one."""
    assert isinstance(module, nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d)
    assert isinstance(module.padding, tuple)
    return g.op(
        "ConvTranspose" if module.transposed else "Conv",
        x,
        g.parameter(module, "weight"),
        g.parameter(module, "bias"),
        kernel_shape=list(module.kernel_size),
        strides=list(module.stride),
        pads=list(module.padding) * 2,
        dilations=list(module.dilation),
        group=module.groups,
    )


def linear(g: Graph, x: str, module: nn.Linear) -> str:
    """Write a linear layer on the last axis of two."""
    weight, bias = g.parameter(module, "weight"), g.parameter(module, "bias")
    return g.op("Gemm", x, weight, bias, transB=1)


def level_embedding(g: Graph, level: str, layers: nn.Module) -> str:
    """Write the embedding (B, width) of noise levels (B,): waves, then two linear layers."""
    assert isinstance(layers, nn.Sequential)
    first, _, last = layers
    assert isinstance(first, nn.Linear)
    assert isinstance(last, nn.Linear)
    half = first.in_features // 2
    rates = torch.exp(-math.log(10_000.0) / half * torch.arange(half))  # as torch's twin does
    angles = g.op("Mul", g.unsqueeze(level, 1), g.constant(rates.numpy()))
    waves = g.op("Concat", g.op("Cos", angles), g.op("Sin", angles), axis=1)
    return linear(g, silu(g, linear(g, waves, first)), last)


def pointwise(g: Graph, x: str, module: nn.Linear) -> str:
    """Write a linear layer on the last axis of any number; the transposing is done at load."""
    weight = g.op("Transpose", g.parameter(module, "weight"), perm=[1, 0])
    return g.op("Add", g.op("MatMul", x, weight), g.parameter(module, "bias"))


def silu(g: Graph, x: str) -> str:
    """Write x * sigmoid(x); ONNX Runtime makes one node of the two."""
    return g.op("Mul", x, g.op("Sigmoid", x))


def standardise(g: Graph, x: str, module: nn.GroupNorm, bands: int) -> str:
    """Write a group normalisation without its weight and bias, of (B, width, T, bands)."""
    groups = module.num_groups
    ones, zeros = g.constant(np.ones(groups)), g.constant(np.zeros(groups))
    flat = g.reshape(x, 0, groups, -1)
    normal = g.op("InstanceNormalization", flat, ones, zeros, epsilon=module.eps)
    return g.reshape(normal, 0, module.num_channels, -1, bands)


def group_norm(g: Graph, x: str, module: nn.GroupNorm, bands: int) -> str:
    """Write a group normalisation of (B, width, T, bands)."""
    weight = g.unsqueeze(g.parameter(module, "weight"), 1, 2)
    bias = g.unsqueeze(g.parameter(module, "bias"), 1, 2)
    return g.op("Add", g.op("Mul", standardise(g, x, module, bands), weight), bias)


def layer_norm(g: Graph, x: str, module: nn.LayerNorm) -> str:
    """Write a layer normalisation over the last axis."""
    weight, bias = g.parameter(module, "weight"), g.parameter(module, "bias")
    return g.op("LayerNormalization", x, weight, bias, axis=-1, epsilon=module.eps)


def pixel_shuffle(g: Graph, x: str, ratio: int) -> str:
    """Write torch's pixel_shuffle."""
    return g.op("DepthToSpace", x, blocksize=ratio, mode="CRD")


def pixel_unshuffle(g: Graph, x: str, channels: int, bands: int, ratio: int) -> str:
    """Write torch's pixel_unshuffle of (B, channels, T, bands)."""
    if channels == 1:  # only then are ONNX's and torch's orders the same
        return g.op("SpaceToDepth", x, blocksize=ratio)
    cells = g.reshape(x, 0, channels, -1, ratio, bands // ratio, ratio)
    ordered = g.op("Transpose", cells, perm=[0, 1, 3, 5, 2, 4])
    return g.reshape(ordered, 0, channels * ratio**2, -1, bands // ratio)


def enlarged(g: Graph, x: str) -> str:
    """Repeat every cell of (B, width, T, F) along both grid axes."""
    scales = g.constant([1, 1, 2, 2])
    attributes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return g.op("Resize", x, "", scales, mode="nearest", **attributes)


def self_attention(g: Graph, x: str, module: nn.Module, bands: int) -> str:
    """Write the attention of all cells (B, width, T, bands) to one another, and its output layer.

    Cells stay the last axis, so that nothing large is transposed.

    Args:
        g: the graph.
        x: normalised features.
        module: its `qkv` and `out` are 1 x 1 convolutions, its heads `head_width` wide.
        bands: cells along frequency.
    """
    qkv, out, head_width = module.qkv, module.out, module.head_width
    assert isinstance(qkv, nn.Conv2d)
    assert isinstance(out, nn.Conv2d)
    assert isinstance(head_width, int)
    width = out.in_channels
    heads = width // head_width
    q, k, v = (g.reshape(part, 0, heads, head_width, -1) for part in g.split(conv(g, x, qkv), 3, 1))
    q = g.op("Transpose", q, perm=[0, 1, 3, 2])
    scores = g.op("Mul", g.op("MatMul", q, k), g.constant(head_width**-0.5))
    shares = g.op("Transpose", g.op("Softmax", scores, axis=-1), perm=[0, 1, 3, 2])
    y = g.reshape(g.op("MatMul", v, shares), 0, width, -1, bands)
    return conv(g, y, out)


def batch_norm(g: Graph, x: str, module: nn.Module) -> str:
    """Write a batch normalisation by its running statistics: one factor and one shift a channel."""
    assert isinstance(module, nn.BatchNorm2d)
    names = ("weight", "bias", "running_mean", "running_var")
    weight, bias, mean, variance = (g.parameter(module, name) for name in names)
    return g.op("BatchNormalization", x, weight, bias, mean, variance, epsilon=module.eps)


def frame_blocks(
    g: Graph, x: str, entry: nn.Module, blocks: nn.Sequential, norm: nn.LayerNorm
) -> str:
    """Write ConvNeXt blocks on frames (B, N, inputs), with the layers before and behind them.

    Only the convolutions over time see time last.
    """
    return layer_norm(g, _blocks(g, _last(g, conv(g, _last(g, x), entry)), blocks), norm)


def convnext(g: Graph, x: str, blocks: nn.Sequential) -> str:
    """Write ConvNeXt blocks on (B, width, N)."""
    return _last(g, _blocks(g, _last(g, x), blocks))


def _blocks(g: Graph, x: str, blocks: nn.Sequential) -> str:
    """Write ConvNeXt blocks on (B, N, width)."""
    for block in blocks:
        assert isinstance(block, ConvNeXtBlock)
        h = layer_norm(g, _last(g, conv(g, _last(g, x), block.depthwise)), block.norm)
        h = pointwise(g, g.op("Gelu", pointwise(g, h, block.expand)), block.contract)
        x = g.op("Add", x, g.op("Mul", h, g.parameter(block, "scale")))
    return x


def _last(g: Graph, x: str) -> str:
    """Swap the last two of three axes."""
    return g.op("Transpose", x, perm=[0, 2, 1])
