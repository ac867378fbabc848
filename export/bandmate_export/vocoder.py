"""The mini vocoder's graph: log-mel to waveform."""

from __future__ import annotations

import numpy as np
import onnx

from bandmate_export.fourier import hann, waves
from bandmate_export.graph import Graph
from bandmate_export.layers import conv, layer_norm, pointwise
from bandmate_server.spec import ModelSpec
from bandmate_training.vocoder import (
    LARGEST_LOG_MAGNITUDE,
    MEL_MEAN,
    MEL_STD,
    ConvNeXtBlock,
    Vocoder,
)


def vocoder_graph(vocoder: Vocoder, spec: ModelSpec, half: bool) -> onnx.ModelProto:
    """Return the graph from log-mels (B, N, M) to waves (B, hop N)."""
    g = Graph("vocoder", "vocoder", vocoder, half)
    normal = g.op("Sub", "log_mel", g.constant(MEL_MEAN))
    x = g.op("Div", normal, g.constant(MEL_STD))
    x = _last(g, conv(g, _last(g, x), vocoder.entry))
    for block in vocoder.blocks:
        assert isinstance(block, ConvNeXtBlock)
        x = _block(g, x, block)
    level, real, imaginary = g.split(
        pointwise(g, layer_norm(g, x, vocoder.norm), vocoder.out), 3, 2
    )
    magnitude = g.op("Exp", g.op("Min", level, g.constant(LARGEST_LOG_MAGNITUDE)))
    square = g.op("Add", g.op("Mul", real, real), g.op("Mul", imaginary, imaginary))
    length = g.op("Sqrt", g.op("Add", square, g.constant(1e-8)))
    factor = g.op("Div", magnitude, length)
    parts = (g.op("Mul", factor, part) for part in (real, imaginary))
    spectrum = g.op("Concat", *parts, axis=2)
    return g.model(
        spec,
        {"log_mel": ("B", "frames", spec.mel.bands)},
        {"wave": (_inverse(g, spectrum, vocoder), ("B", "N"))},
    )


def _last(g: Graph, x: str) -> str:
    """Swap the last two of three axes."""
    return g.op("Transpose", x, perm=[0, 2, 1])


def _block(g: Graph, x: str, block: ConvNeXtBlock) -> str:
    """Write a block on (B, N, width): only the depthwise convolution sees time last."""
    h = layer_norm(g, _last(g, conv(g, _last(g, x), block.depthwise)), block.norm)
    h = pointwise(g, g.op("Gelu", pointwise(g, h, block.expand)), block.contract)
    return g.op("Add", x, g.op("Mul", h, g.parameter(block, "scale")))


def _inverse(g: Graph, spectrum: str, vocoder: Vocoder) -> str:
    """Overlap-add frames (B, N, 2 bins) into waves (B, hop N), divided by the window's sum."""
    frames = g.length(spectrum, 1)
    wave = _overlap(g, g.op("MatMul", spectrum, _synthesis_basis(g, vocoder)), vocoder, frames)
    envelope = g.constant(vocoder.envelope.numpy())  # (1, 1, fft_size)
    shape = g.op("Concat", g.integers(1), frames, g.integers(1), axis=0)
    weight = _overlap(g, g.op("Expand", envelope, shape), vocoder, frames)
    return g.op("Div", wave, g.op("Max", weight, g.constant(1e-2)))


def _synthesis_basis(g: Graph, vocoder: Vocoder) -> str:
    """Write the windowed inverse real DFT (2 bins, fft_size): real, then imaginary."""
    size, bins = vocoder.fft_size, vocoder.bins
    weight = np.full((bins, 1), 2 / size)
    weight[[0, -1]] = 1 / size
    real, imaginary = waves(g, bins, size, size)
    both = g.op("Concat", real, g.op("Neg", imaginary), axis=0)
    both = g.op("Mul", both, g.constant(np.concatenate([weight, weight])))
    return g.op("Mul", both, g.constant(hann(size)))


def _overlap(g: Graph, windows: str, vocoder: Vocoder, frames: str) -> str:
    """Add windows (B, N, fft_size) one hop apart: (B, hop N), from the first one's middle."""
    hops = vocoder.fft_size // vocoder.hop
    if hops * vocoder.hop != vocoder.fft_size or hops % 2:
        raise ValueError(f"windows of {vocoder.fft_size} are no even number of {vocoder.hop}")
    total = ""
    for part, piece in enumerate(g.split(windows, hops, 2)):
        moved = g.op("Pad", piece, g.integers(0, part, 0, 0, hops - 1 - part, 0))
        total = g.op("Add", total, moved) if total else moved
    first = g.integers(hops // 2)
    middle = g.slice(total, first, g.op("Add", frames, first), 1)
    return g.reshape(middle, 0, -1)
