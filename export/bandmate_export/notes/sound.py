"""The graph of the decoder of notes: latents to log-mels."""

from __future__ import annotations

import onnx
import torch
from torch import Tensor

from bandmate_export.graph import Graph
from bandmate_export.layers import conv, convnext
from bandmate_export.weights import Precision
from bandmate_server.model.notes.layout import SCALE, TIMBRE
from bandmate_server.spec import ModelSpec
from bandmate_training.notes.networks.sound import MEL_MEAN, MEL_STD, NoteDecoder


def decoder_graph(decoder: NoteDecoder, spec: ModelSpec, precision: Precision) -> onnx.ModelProto:
    """Return the graph from scaled latents (B, C, T, F) to log-mels (B, N, M)."""
    g = Graph("decoder", "decoder", decoder, precision)
    channels, bands = spec.latent_channels, spec.latent_bands
    frames = g.op("Transpose", "latent", perm=[0, 1, 3, 2])
    flat = g.reshape(frames, 0, channels * bands, -1)  # (B, C F, T)
    notes = g.slice(flat, g.integers(0), g.integers(channels * bands - TIMBRE), 1)
    notes = g.op("Div", notes, g.constant(SCALE))
    notes = g.op("Clip", notes, g.constant(0.0), g.constant(1.0))
    timbre = g.slice(flat, g.integers(channels * bands - TIMBRE), g.integers(channels * bands), 1)
    x = conv(g, g.op("Concat", notes, timbre, axis=1), decoder.entry)
    x = convnext(g, x, decoder.slow)
    x = convnext(g, conv(g, x, decoder.grow), decoder.fine)
    mel = g.op("Transpose", conv(g, x, decoder.exit), perm=[0, 2, 1])
    wide = g.op("Add", g.op("Mul", mel, g.constant(MEL_STD)), g.constant(MEL_MEAN))
    return g.model(
        spec,
        {"latent": ("B", channels, "T", bands)},
        {"log_mel": (wide, ("B", "frames", spec.mel.bands))},
    )


def decode(decoder: NoteDecoder, latent: Tensor) -> Tensor:
    """Return what the graph does, in torch."""
    flat = latent.transpose(2, 3).flatten(1, 2)
    notes = (flat[:, :-TIMBRE] / SCALE).clamp(0, 1)
    frames = torch.cat([notes, flat[:, -TIMBRE:]], 1)
    shape = (latent.shape[1], latent.shape[3])
    return decoder(frames.unflatten(1, shape).transpose(2, 3))
