"""The published vocoder's graph: log-mel to waveform."""

from __future__ import annotations

import onnx
from torch import nn

from bandmate_export.graph import Graph
from bandmate_export.layers import conv
from bandmate_export.weights import Precision
from bandmate_server.spec import ModelSpec
from bandmate_training.paper.vocoder import LAST_SLOPE, SLOPE, DilatedBlock, Vocoder


def vocoder_graph(vocoder: Vocoder, spec: ModelSpec, precision: Precision) -> onnx.ModelProto:
    """Return the graph from log-mels (B, N, M) to waves (B, 160 N + 32)."""
    g = Graph("vocoder", "vocoder", vocoder, precision)
    x = conv(g, g.op("Transpose", "log_mel", perm=[0, 2, 1]), vocoder.entry)
    per_stage = len(vocoder.config.kernels)
    for stage, upsample in enumerate(vocoder.upsample):
        x = conv(g, g.op("LeakyRelu", x, alpha=SLOPE), upsample)
        blocks = vocoder.blocks[stage * per_stage : (stage + 1) * per_stage]
        total = ""
        for block in blocks:
            part = _block(g, x, block)
            total = g.op("Add", total, part) if total else part
        x = g.op("Mul", total, g.constant(1 / per_stage))
    x = g.op("Tanh", conv(g, g.op("LeakyRelu", x, alpha=LAST_SLOPE), vocoder.out))
    wave = g.op("Squeeze", x, g.integers(1))
    return g.model(spec, {"log_mel": ("B", "frames", spec.mel.bands)}, {"wave": (wave, ("B", "N"))})


def _block(g: Graph, x: str, block: nn.Module) -> str:
    assert isinstance(block, DilatedBlock)
    for first, second in zip(block.first, block.second, strict=True):
        h = conv(g, g.op("LeakyRelu", x, alpha=SLOPE), first)
        x = g.op("Add", x, conv(g, g.op("LeakyRelu", h, alpha=SLOPE), second))
    return x
