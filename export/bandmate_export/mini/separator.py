"""The mini separator's graph: waves to mask logits."""

from __future__ import annotations

import itertools

import numpy as np
import onnx
from torch import nn

from bandmate_export.fourier import power_spectrum
from bandmate_export.graph import Graph
from bandmate_export.layers import (
    batch_norm,
    conv,
    enlarged,
    pixel_shuffle,
    pixel_unshuffle,
    pointwise,
    self_attention,
    silu,
)
from bandmate_export.weights import Precision
from bandmate_server.model.bands import band_bins
from bandmate_server.spec import BandSpec, ModelSpec
from bandmate_training.networks.layers import Attention
from bandmate_training.networks.separator import (
    LOG_SCALE,
    POWER_FLOOR,
    BandMixer,
    ConvBlock,
    Separator,
    Stage,
)


def separator_graph(separator: Separator, spec: ModelSpec, precision: Precision) -> onnx.ModelProto:
    """Return the graph of the separator, spectrum inside."""
    assert spec.masks is not None
    g = Graph("separator", "separator", separator, precision)
    features = _features(g, spec.masks)
    bands = spec.masks.bands // separator.patch
    cells = pixel_unshuffle(g, g.unsqueeze(features, 1), 1, spec.masks.bands, separator.patch)
    x = conv(g, cells, separator.entry)
    skips = []
    for level, stage in enumerate(separator.down):
        x = g.op("Add", x, g.parameter(separator.places, str(level)))
        x = _stage(g, x, stage, bands >> level)
        if level < len(separator.shrink):
            skips.append(x)
            x = conv(g, x, separator.shrink[level])
    x = _stage(g, x, separator.up[-1], bands >> len(skips))
    for level in reversed(range(len(skips))):
        x = enlarged(g, conv(g, x, separator.grow[level]))
        x = g.op("Concat", x, skips[level], axis=1)
        x = _stage(g, x, separator.up[level], bands >> level)
    logits = conv(g, silu(g, batch_norm(g, x, separator.out_norm)), separator.out)
    shape = ("B", len(spec.stems) + 1, "frames", spec.masks.bands)
    masks = pixel_shuffle(g, logits, separator.patch)
    return g.model(spec, {"wave": ("B", "samples")}, {"mask_logits": (masks, shape)})


def _features(g: Graph, spec: BandSpec) -> str:
    """Write the scaled log powers (B, N / hop, bands) of waves (B, N)."""
    window = np.sin(np.pi * np.arange(spec.fft_size) / spec.fft_size)
    power = power_spectrum(g, "wave", window, spec.hop)
    edges = band_bins(spec)
    means = np.zeros((edges[-1], spec.bands))
    for band, (first, stop) in enumerate(itertools.pairwise(edges)):
        means[first:stop, band] = 1 / (stop - first)
    mean = g.op("MatMul", power, g.constant(means))
    return g.op(
        "Mul", g.op("Log", g.op("Add", mean, g.constant(POWER_FLOOR))), g.constant(LOG_SCALE)
    )


def _stage(g: Graph, x: str, stage: nn.Module, bands: int) -> str:
    assert isinstance(stage, Stage)
    for block in stage.blocks:
        x = _conv_block(g, x, block)
    x = _band_mixer(g, x, stage.mixer, bands)
    if isinstance(stage.attention, Attention):
        normal = batch_norm(g, x, stage.attention.norm)
        x = g.op("Add", x, self_attention(g, normal, stage.attention, bands))
    return x


def _conv_block(g: Graph, x: str, block: nn.Module) -> str:
    assert isinstance(block, ConvBlock)
    hidden = conv(g, silu(g, batch_norm(g, x, block.first_norm)), block.first)
    hidden = conv(g, silu(g, batch_norm(g, hidden, block.second_norm)), block.second)
    skip = conv(g, x, block.skip) if isinstance(block.skip, nn.Conv2d) else x
    return g.op("Add", skip, hidden)


def _band_mixer(g: Graph, x: str, mixer: BandMixer, bands: int) -> str:
    channels = mixer.shrink.out_channels
    hidden = silu(g, conv(g, batch_norm(g, x, mixer.norm), mixer.shrink))
    rows = g.op("Transpose", hidden, perm=[0, 2, 3, 1])
    flat = g.reshape(rows, 0, 0, bands * channels)
    flat = pointwise(g, silu(g, pointwise(g, flat, mixer.first)), mixer.second)
    cells = g.op("Transpose", g.reshape(flat, 0, 0, bands, channels), perm=[0, 3, 1, 2])
    return g.op("Add", x, conv(g, silu(g, cells), mixer.grow))
