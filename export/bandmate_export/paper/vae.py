"""The published VAE's two graphs: waveform to latents, latents to log-mel."""

from __future__ import annotations

import onnx
from torch import nn

from bandmate_export.graph import Graph
from bandmate_export.layers import conv, group_norm, silu
from bandmate_export.mel import log_mel
from bandmate_export.paper.unet import enlarged
from bandmate_export.weights import Precision
from bandmate_server.spec import ModelSpec
from bandmate_training.paper.vae import (
    LOG_VARIANCE_RANGE,
    Downsample,
    GridAttention,
    Level,
    Middle,
    Residual,
    Upsample,
    Vae,
)


def encoder_graph(vae: Vae, spec: ModelSpec, scale: float, precision: Precision) -> onnx.ModelProto:
    """Return the graph from waves (B, N) to log-mel and latents scaled by `scale`."""
    g = Graph("encoder", "vae", vae, precision)
    mel = log_mel(g, "wave", spec.mel)
    bands, encoder = spec.mel.bands, vae.encoder
    x = conv(g, g.unsqueeze(mel, 1), encoder.entry)
    for level in encoder.levels:
        x, bands = _level(g, x, level, bands)
    x = _middle(g, x, encoder.middle, bands)
    x = conv(g, silu(g, group_norm(g, x, encoder.norm, bands)), encoder.out)
    mean, log_variance = g.split(conv(g, x, vae.to_moments), 2, 1)
    lowest, highest = (g.constant(end) for end in LOG_VARIANCE_RANGE)
    clipped = g.op("Clip", log_variance, lowest, highest)
    deviation = g.op("Exp", g.op("Mul", clipped, g.constant(0.5)))
    latent_shape = ("B", spec.latent_channels, "T", spec.latent_bands)
    return g.model(
        spec,
        {"wave": ("B", "N")},
        {
            "log_mel": (mel, ("B", "frames", spec.mel.bands)),
            "latent": (g.op("Mul", mean, g.constant(scale)), latent_shape),
            "latent_std": (g.op("Mul", deviation, g.constant(scale)), latent_shape),
        },
    )


def decoder_graph(vae: Vae, spec: ModelSpec, scale: float, precision: Precision) -> onnx.ModelProto:
    """Return the graph from latents scaled by `scale` (B, C, T, F) to log-mels (B, N, M)."""
    g = Graph("decoder", "vae", vae, precision)
    bands, decoder = spec.latent_bands, vae.decoder
    x = conv(g, g.op("Div", "latent", g.constant(scale)), vae.from_latent)
    x = _middle(g, conv(g, x, decoder.entry), decoder.middle, bands)
    for level in reversed(decoder.levels):
        x, bands = _level(g, x, level, bands)
    x = conv(g, silu(g, group_norm(g, x, decoder.norm, bands)), decoder.out)
    return g.model(
        spec,
        {"latent": ("B", spec.latent_channels, "T", spec.latent_bands)},
        {"log_mel": (g.op("Squeeze", x, g.integers(1)), ("B", "frames", spec.mel.bands))},
    )


def _level(g: Graph, x: str, level: nn.Module, bands: int) -> tuple[str, int]:
    """Write one resolution; return its value and that value's bands."""
    assert isinstance(level, Level)
    for block in level.blocks:
        x = _residual(g, x, block, bands)
    if isinstance(level.resample, Downsample):
        module = level.resample.conv
        padded = g.op("Pad", x, g.integers(0, 0, 0, 0, 0, 0, 1, 1))
        return conv(g, padded, module), bands // 2
    if isinstance(level.resample, Upsample):
        return conv(g, enlarged(g, x), level.resample.conv), 2 * bands
    return x, bands


def _residual(g: Graph, x: str, block: nn.Module, bands: int) -> str:
    assert isinstance(block, Residual)
    h = conv(g, silu(g, group_norm(g, x, block.first_norm, bands)), block.first)
    h = conv(g, silu(g, group_norm(g, h, block.second_norm, bands)), block.second)
    skip = x if isinstance(block.skip, nn.Identity) else conv(g, x, block.skip)
    return g.op("Add", skip, h)


def _middle(g: Graph, x: str, middle: Middle, bands: int) -> str:
    first, attention, second = middle
    x = _residual(g, x, first, bands)
    x = _attention(g, x, attention, bands)
    return _residual(g, x, second, bands)


def _attention(g: Graph, x: str, module: nn.Module, bands: int) -> str:
    """Write attention of one head over all cells; ONNX Runtime works block by block."""
    assert isinstance(module, GridAttention)
    width = module.out.in_channels
    normal = group_norm(g, x, module.norm, bands)
    parts = [
        g.op("Transpose", g.reshape(conv(g, normal, part), 0, width, -1), perm=[0, 2, 1])
        for part in (module.q, module.k, module.v)
    ]
    y = g.op("Transpose", g.contrib("MultiHeadAttention", *parts, num_heads=1), perm=[0, 2, 1])
    return g.op("Add", x, conv(g, g.reshape(y, 0, width, -1, bands), module.out))
