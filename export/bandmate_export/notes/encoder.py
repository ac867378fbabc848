"""The graph of the encoder of notes: a wave to its log-mel, notes and timbre."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from bandmate_export.graph import Graph
from bandmate_export.layers import conv, convnext
from bandmate_export.mel import log_mel
from bandmate_export.weights import Precision
from bandmate_server.model.notes.layout import PITCHES, SCALE, TIMBRE
from bandmate_server.spec import ModelSpec
from bandmate_training.networks.mel import LogMel
from bandmate_training.notes.networks.front import (
    FLOOR,
    HOP,
    LEVEL_DEVIATION,
    LEVEL_MEAN,
    PitchSpectrum,
)
from bandmate_training.notes.networks.sound import (
    LEAST_WEIGHT,
    MEL_MEAN,
    MEL_STD,
    REACH,
    Timbre,
    with_timbre,
)
from bandmate_training.notes.networks.transcriber import Transcriber, to_latents


class NoteEncoder(nn.Module):
    """The two networks of the encoder: what is played, and how it sounds."""

    def __init__(self, transcriber: Transcriber, timbre: Timbre) -> None:
        """Join the two."""
        super().__init__()
        self.transcriber, self.timbre = transcriber, timbre

    def forward(self, wave: Tensor, mel: LogMel) -> tuple[Tensor, Tensor, Tensor]:
        """Return log-mel, scaled latents (B, C, T, F) and their deviation, zero, of waves."""
        bands = mel(wave)
        notes = SCALE * to_latents(self.transcriber(wave).sigmoid())
        latents = with_timbre(notes, self.timbre(bands))
        return bands, latents, torch.zeros_like(latents)


def encoder_graph(encoder: NoteEncoder, spec: ModelSpec, precision: Precision) -> onnx.ModelProto:
    """Return the graph from waves (B, N) to log-mels and scaled latents."""
    g = Graph("encoder", "encoder", encoder, precision)
    mel = log_mel(g, "wave", spec.mel)
    logits = _transcribed(g, encoder.transcriber)  # (B, T, C F - TIMBRE)
    notes = g.op("Mul", g.op("Sigmoid", logits), g.constant(SCALE))
    flat = g.op("Concat", notes, _timbre(g, mel, encoder.timbre), axis=2)
    cells = g.reshape(flat, 0, 0, spec.latent_channels, spec.latent_bands)
    latent = g.op("Transpose", cells, perm=[0, 2, 1, 3])
    shape = ("B", spec.latent_channels, "T", spec.latent_bands)
    return g.model(
        spec,
        {"wave": ("B", "N")},
        {
            "log_mel": (mel, ("B", "frames", spec.mel.bands)),
            "latent": (latent, shape),
            "latent_std": (g.op("Mul", latent, g.constant(0.0)), shape),
        },
    )


def _transcribed(g: Graph, network: Transcriber) -> str:
    h = _sequence(g, g.unsqueeze(_spectrum(g, network.front), 1), network.near)
    h = _sequence(g, conv(g, h, network.join), network.far)
    local = conv(g, h, network.local)
    local = g.slice(local, g.integers(0), g.integers(PITCHES), 3)
    width = network.squeeze.in_channels
    joined = g.reshape(g.op("Transpose", h, perm=[0, 1, 3, 2]), 0, width, -1)
    frames = convnext(g, conv(g, joined, network.squeeze), network.frames)
    logits = g.op("Transpose", conv(g, frames, network.exit), perm=[0, 2, 1])
    logits = g.op("Add", logits, g.parameter(network, "seldom"))
    onsets, sustain = (g.op("Squeeze", part, g.integers(1)) for part in g.split(local, 2, 1))
    pieces = network.exit.out_channels - 2 * PITCHES
    padded = g.op("Pad", onsets, g.integers(0, 0, 0, 0, 0, pieces))
    return g.op("Add", logits, g.op("Concat", padded, sustain, axis=2))


def _spectrum(g: Graph, front: PitchSpectrum) -> str:
    """Write the levels (B, frames, bins) of "wave"."""
    bank = front.bank.numpy()
    longest = bank.shape[-1]
    ahead = longest // 2 - HOP // 2
    padded = g.op("Pad", "wave", g.integers(0, ahead, 0, longest - HOP - ahead))
    parts = g.op("Conv", g.unsqueeze(padded, 1), g.constant(bank), kernel_shape=[longest],
                 strides=[HOP])  # fmt: skip
    real, imaginary = g.split(parts, 2, 1)
    power = g.op("Add", g.op("Mul", real, real), g.op("Mul", imaginary, imaginary))
    level = g.op("Log", g.op("Add", power, g.constant(FLOOR**2)))
    level = g.op("Sub", g.op("Mul", level, g.constant(0.5)), g.constant(LEVEL_MEAN))
    return g.op("Transpose", g.op("Div", level, g.constant(LEVEL_DEVIATION)), perm=[0, 2, 1])


def _sequence(g: Graph, x: str, layers: nn.Sequential) -> str:
    for layer in layers:
        x = g.op("Gelu", x) if isinstance(layer, nn.GELU) else conv(g, x, layer)
    return x


def _timbre(g: Graph, mel: str, network: Timbre) -> str:
    """Write the code (B, T, TIMBRE) of log-mels (B, N, M)."""
    normal = g.op("Div", g.op("Sub", mel, g.constant(MEL_MEAN)), g.constant(MEL_STD))
    frames = convnext(g, conv(g, g.op("Transpose", normal, perm=[0, 2, 1]), network.entry),
                      network.blocks)  # fmt: skip
    code = conv(g, frames, network.exit)
    loudness = g.op("Sqrt", g.op("ReduceMean", g.op("Exp", mel), g.integers(-1)))
    loudness = g.op("Transpose", loudness, perm=[0, 2, 1])
    weight = g.op("AveragePool", loudness, kernel_shape=[network.ratio], strides=[network.ratio])
    weight = g.op("Add", weight, g.constant(LEAST_WEIGHT))
    mean = g.op("Div", _smooth(g, g.op("Mul", code, weight)), _smooth(g, weight))
    standard = network.standard
    assert standard.running_mean is not None and standard.running_var is not None
    deviation = np.sqrt(standard.running_var.numpy() + standard.eps)
    centred = g.op("Sub", mean, g.constant(standard.running_mean.numpy().reshape(1, TIMBRE, 1)))
    code = g.op("Div", centred, g.constant(deviation.reshape(1, TIMBRE, 1)))
    return g.op("Transpose", code, perm=[0, 2, 1])


def _smooth(g: Graph, x: str) -> str:
    pads = [REACH // 2, REACH // 2]
    return g.op(
        "AveragePool", x, kernel_shape=[REACH + 1], strides=[1], pads=pads, count_include_pad=1
    )
