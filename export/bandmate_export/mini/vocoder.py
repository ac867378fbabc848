"""The mini vocoder's graph: log-mel to waveform."""

from __future__ import annotations

import numpy as np
import onnx

from bandmate_export.fourier import hann, waves
from bandmate_export.graph import Graph
from bandmate_export.layers import frame_blocks, pointwise
from bandmate_export.mini.tones import OscillatorControls, partials, sound
from bandmate_export.weights import Precision
from bandmate_server.spec import ModelSpec
from bandmate_training.networks.vocoder import (
    FAINTEST,
    LARGEST_LOG_MAGNITUDE,
    LEAST_POWER,
    MEL_MEAN,
    MEL_STD,
    TONAL_AT,
    TONAL_FROM,
    Vocoder,
)


def vocoder_graph(vocoder: Vocoder, spec: ModelSpec, precision: Precision) -> onnx.ModelProto:
    """Return the graph from log-mels (B, N, M) to waves (B, hop N)."""
    g = Graph("vocoder", "vocoder", vocoder, precision)
    x = g.op("Div", g.op("Sub", "log_mel", g.constant(MEL_MEAN)), g.constant(MEL_STD))
    played = partials(g, x, vocoder.tones)
    features = frame_blocks(g, x, vocoder.entry, vocoder.blocks, vocoder.norm)
    level, real, imaginary = g.split(pointwise(g, features, vocoder.out), 3, 2)
    loud = g.op("Min", level, g.constant(LARGEST_LOG_MAGNITUDE))
    power = g.op("Exp", g.op("Add", loud, loud))
    tonal = _tonal(g, power, played.amplitude, vocoder)
    least = g.constant(LEAST_POWER)
    rest = g.op("Sub", power, g.op("MatMul", tonal, g.constant(vocoder.lobes.numpy().T)))
    rest = g.op("Add", g.op("Max", rest, g.constant(0)), least)
    square = g.op("Add", g.op("Mul", real, real), g.op("Mul", imaginary, imaginary))
    scale = g.op("Sqrt", g.op("Div", rest, g.op("Add", square, least)))
    parts = (g.op("Mul", scale, part) for part in (real, imaginary))
    noise = _inverse(g, g.op("Concat", *parts, axis=2), vocoder)
    amplitude = g.op("Sqrt", g.op("Max", tonal, g.constant(FAINTEST)))
    steady = OscillatorControls(amplitude, played.frequency)
    wave = g.op("Add", noise, sound(g, steady, vocoder.tones))
    return g.model(
        spec,
        {"log_mel": ("B", "frames", spec.mel.bands)},
        {"wave": (wave, ("B", "N"))},
    )


def _tonal(g: Graph, power: str, amplitude: str, vocoder: Vocoder) -> str:
    """Write the squared amplitudes (B, N, J) that the oscillators get of bins (B, N, bins)."""
    found = g.op("MatMul", power, g.constant(vocoder.matched.numpy().T))
    found = g.op("Max", found, g.constant(FAINTEST))
    ratio = g.op("Div", g.op("Mul", amplitude, amplitude), found)
    above = g.op("Sub", ratio, g.constant(TONAL_FROM))
    share = g.op("Div", above, g.constant(TONAL_AT - TONAL_FROM))
    return g.op("Mul", found, g.op("Clip", share, g.constant(0), g.constant(1)))


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
