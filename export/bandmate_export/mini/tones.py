"""The vocoder's oscillators: what tunes them, and their sum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from bandmate_export.graph import Graph
from bandmate_export.layers import frame_blocks, pointwise
from bandmate_training.networks.oscillators import LOUDEST, HarmonicOscillators


@dataclass(frozen=True)
class OscillatorControls:
    """What every oscillator does: amplitudes and frequencies in Hz, both (B, N, J)."""

    amplitude: str
    frequency: str


def partials(g: Graph, x: str, module: HarmonicOscillators) -> OscillatorControls:
    """Write what the oscillators do in normal log-mels (B, N, M)."""
    features = frame_blocks(g, x, module.entry, module.blocks, module.norm)
    level, tuning = g.split(pointwise(g, features, module.out), 2, 2)
    off = g.op("Mul", g.op("Tanh", tuning), g.constant(module.reach.numpy()))
    return OscillatorControls(
        g.op("Exp", g.op("Min", level, g.constant(LOUDEST))),
        g.op("Add", off, g.constant(module.middle.numpy())),
    )


def sound(g: Graph, played: OscillatorControls, module: HarmonicOscillators) -> str:
    """Write the oscillators' wave (B, hop N)."""
    amplitude, frequency = played.amplitude, played.frequency
    following = _following(g, frequency)
    pairs = g.op("Cast", g.op("Add", frequency, following), to=TensorProto.DOUBLE)
    turns = g.op("Mul", pairs, g.constant(0.5 * module.hop / module.rate, np.float64))
    sums = g.op("CumSum", turns, g.constant(1, np.int64), exclusive=1)
    phase = g.op("Cast", g.op("Sub", sums, g.op("Floor", sums)), to=TensorProto.FLOAT)
    steps = (phase, frequency, g.op("Sub", following, frequency))
    course = _lines(g, steps, g.constant(module.course.numpy()))
    angle = g.op("Mul", course, g.constant(2 * math.pi))
    louder = g.op("Sub", _following(g, amplitude), amplitude)
    envelope = _lines(g, (amplitude, louder), g.constant(module.ramp.numpy()))
    wave = g.op("ReduceSum", g.op("Mul", envelope, g.op("Sin", angle)), g.integers(2), keepdims=0)
    return g.reshape(wave, 0, -1)


def _following(g: Graph, x: str) -> str:
    """Return every frame's successor in (B, N, J); the last one is its own."""
    last = g.slice(x, g.integers(-1), g.integers(2**62), 1)
    return g.op("Concat", g.slice(x, g.integers(1), g.integers(2**62), 1), last, axis=1)


def _lines(g: Graph, values: Sequence[str], shapes: str) -> str:
    """Return the sums (B, N, J, hop) of values (B, N, J), each times its shape in a hop."""
    columns = (g.unsqueeze(value, 3) for value in values)
    return g.op("MatMul", g.op("Concat", *columns, axis=3), shapes)
