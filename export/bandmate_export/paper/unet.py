"""The published denoiser's graph: one guided estimate of the clean latents."""

from __future__ import annotations

import onnx
from torch import nn

from bandmate_export.graph import Graph
from bandmate_export.layers import level_embedding, silu
from bandmate_export.paper.volume import DEPTH, Volume
from bandmate_export.weights import Precision
from bandmate_server.spec import ModelSpec
from bandmate_training.paper.unet import Block, UNet, Upsample


def denoiser_graph(unet: UNet, spec: ModelSpec, precision: Precision) -> onnx.ModelProto:
    """Return the graph of the guided denoiser; the halves G and the batch B run as one batch."""
    g = Graph("denoiser", "denoiser", unet, precision)
    stems, channels, bands = len(spec.stems), spec.latent_channels, spec.latent_bands
    halves = g.length("guidance", 0)
    every = g.op("Concat", halves, g.integers(1, 1, 1, 1, 1), axis=0)
    x = g.op("Expand", g.unsqueeze("x", 0), every)  # (G, B, S, C, T, F)
    x = g.op("Transpose", x, perm=[0, 1, 3, 2, 4, 5])
    x = g.reshape(g.op("Flatten", x, axis=2), 0, channels, stems, -1, bands)
    volume = Volume(g, g.length(x, 0))
    mixture = g.reshape(g.op("Flatten", "mixture", axis=2), 0, channels, -1, bands)
    eps = _noise(g, volume, unet, x, mixture, _embedding(g, unet, halves), bands)
    latent = ("B", stems, channels, "T", bands)
    return g.model(
        spec,
        {
            "x": latent,
            **dict.fromkeys(("level", "alpha", "sigma"), ("B",)),
            "guidance": ("G",),
            "mixture": ("G", "B", channels, "T", bands),
        },
        {"x0": (_guided(g, eps, halves), latent)},
    )


def _embedding(g: Graph, unet: UNet, halves: str) -> str:
    """Write the activated embedding (G B, width) of noise levels."""
    level = silu(g, level_embedding(g, "level", unet.embedding))
    shape = g.op("Concat", halves, g.integers(1, 1), axis=0)
    return g.op("Flatten", g.op("Expand", g.unsqueeze(level, 0), shape), axis=2)


def _noise(
    g: Graph, volume: Volume, unet: UNet, x: str, mixture: str, embedding: str, bands: int
) -> str:
    """Write the predicted noise (G B, C, S, T, F); `mixture` is (G B, C, T, F)."""
    grids = {bands: g.unsqueeze(mixture, 2)}
    skips = []
    for block in unet.input_blocks:
        assert isinstance(block, Block)
        x, after = _block(g, volume, block, g.op("Add", x, grids[bands]), embedding, bands)
        skips.append(x)
        if after != bands:
            mixture = g.op("AveragePool", mixture, kernel_shape=[2, 2], strides=[2, 2])
            grids[after], bands = g.unsqueeze(mixture, 2), after
    for block in unet.middle:
        assert isinstance(block, Block)
        x, _ = _block(g, volume, block, x, embedding, bands)
    for block in unet.output_blocks:
        assert isinstance(block, Block)
        x = g.op("Add", g.op("Concat", x, skips.pop(), axis=2), grids[bands])
        x, bands = _block(g, volume, block, x, embedding, bands)
    return volume.conv(silu(g, volume.norm(x, unet.out_norm, bands)), unet.out, bands)


def _block(
    g: Graph, volume: Volume, block: Block, x: str, embedding: str, bands: int
) -> tuple[str, int]:
    """Write one step of the U-Net; return its value and that value's bands."""
    if block.residual is not None:
        x = volume.residual(x, embedding, block.residual, bands)
    if block.attention is not None:
        x = volume.attention(x, block.attention, bands)
    if isinstance(block.resample, Upsample):
        bands *= 2
        x = volume.conv(_enlarged(g, volume, x, block.resample, bands), block.resample.conv, bands)
    elif isinstance(block.resample, nn.Conv3d):
        x = volume.conv(x, block.resample, bands)
        bands //= block.resample.stride[2]
    return x, bands


def _enlarged(g: Graph, volume: Volume, x: str, module: Upsample, bands: int) -> str:
    """Repeat every cell along time and band, to `bands`."""
    width = module.conv.in_channels
    image = enlarged(g, volume.flat(x, width, bands // 2))
    return volume.deep(image, DEPTH, width, -1, bands)


def enlarged(g: Graph, image: str) -> str:
    """Repeat every cell of (B, width, T, F) along both grid axes."""
    attributes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return g.op("Resize", image, "", g.constant([1, 1, 2, 2]), mode="nearest", **attributes)


def _guided(g: Graph, eps: str, halves: str) -> str:
    """Write x0 (B, S, C, T, F) from the noise predicted for all halves (G B, C, S, T, F)."""
    turned = g.op("Transpose", eps, perm=[0, 2, 1, 3, 4])
    rows = g.op("Reshape", turned, g.op("Concat", halves, g.integers(-1), axis=0))
    noise = g.op("MatMul", g.unsqueeze("guidance", 0), rows)
    noise = g.op("Reshape", noise, g.op("Shape", "x"))
    total = g.op("ReduceSum", "guidance", g.integers(0))
    x = g.op("Mul", "x", g.unsqueeze(total, 1, 2, 3, 4))
    alpha, sigma = (g.unsqueeze(name, 1, 2, 3, 4) for name in ("alpha", "sigma"))
    return g.op("Div", g.op("Sub", x, g.op("Mul", sigma, noise)), alpha)
