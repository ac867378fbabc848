"""The mini VAE's two graphs: waveform to latents, latents to log-mel."""

from __future__ import annotations

import onnx
from torch import nn

from bandmate_export.graph import Graph
from bandmate_export.layers import conv, pixel_shuffle, pixel_unshuffle, silu
from bandmate_export.mel import log_mel
from bandmate_export.weights import Precision
from bandmate_server.spec import ModelSpec
from bandmate_training.networks.layers import PlainBlock
from bandmate_training.networks.vae import LOG_VARIANCE_RANGE, MEL_MEAN, MEL_STD, Vae


def encoder_graph(vae: Vae, spec: ModelSpec, precision: Precision) -> onnx.ModelProto:
    """Return the graph from waves (B, N) to log-mel and scaled latents."""
    g = Graph("encoder", "vae", vae, precision)
    mel = log_mel(g, "wave", spec.mel)
    normal = g.op("Sub", mel, g.constant(MEL_MEAN))
    image = g.unsqueeze(g.op("Div", normal, g.constant(MEL_STD)), 1)
    cells = pixel_unshuffle(g, image, 1, spec.mel.bands, spec.latent_ratio)
    mean, log_variance = g.split(_sequence(g, cells, vae.encoder), 2, 1)
    lowest, highest = (g.constant(end) for end in LOG_VARIANCE_RANGE)
    clipped = g.op("Clip", log_variance, lowest, highest)
    deviation = g.op("Exp", g.op("Mul", clipped, g.constant(0.5)))
    scale = g.parameter(vae, "scale")
    latent_shape = ("B", spec.latent_channels, "T", spec.latent_bands)
    return g.model(
        spec,
        {"wave": ("B", "N")},
        {
            "log_mel": (mel, ("B", "frames", spec.mel.bands)),
            "latent": (g.op("Mul", mean, scale), latent_shape),
            "latent_std": (g.op("Mul", deviation, scale), latent_shape),
        },
    )


def decoder_graph(vae: Vae, spec: ModelSpec, precision: Precision) -> onnx.ModelProto:
    """Return the graph from scaled latents (B, C, T, F) to log-mels (B, N, M)."""
    g = Graph("decoder", "vae", vae, precision)
    latent = g.op("Div", "latent", g.parameter(vae, "scale"))
    image = pixel_shuffle(g, _sequence(g, latent, vae.decoder), spec.latent_ratio)
    wide = g.op("Mul", g.op("Squeeze", image, g.integers(1)), g.constant(MEL_STD))
    return g.model(
        spec,
        {"latent": ("B", spec.latent_channels, "T", spec.latent_bands)},
        {"log_mel": (g.op("Add", wide, g.constant(MEL_MEAN)), ("B", "frames", spec.mel.bands))},
    )


def _sequence(g: Graph, x: str, modules: nn.Sequential) -> str:
    for module in modules:
        if isinstance(module, PlainBlock):
            hidden = conv(g, silu(g, x), module.first)
            x = g.op("Add", x, conv(g, silu(g, hidden), module.second))
        elif isinstance(module, nn.Conv2d):
            x = conv(g, x, module)
        else:
            assert isinstance(module, nn.SiLU)
            x = silu(g, x)
    return x
