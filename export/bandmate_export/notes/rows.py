"""The graphs of what corrects the logits of cells, row by row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bandmate_export.graph import Graph
from bandmate_export.layers import conv
from bandmate_training.notes.networks.rows import (
    GROUP,
    LARGEST,
    UNIT,
    LocalNetwork,
    RowNetwork,
)


def correction(g: Graph, logits: Sequence[str], angle: str, local: LocalNetwork) -> str:
    """Write what is to be added to the logits of notes (B, T, notes).

    Args:
        g: to write into.
        logits: what speaks for the cells, which adds up: each (B, T, notes).
        angle: of the noise (B, 1, 1), 0 to 1.
        local: the networks.
    """
    total = logits[0]
    for one in logits[1:]:
        total = g.op("Add", total, one)
    total = _padded(g, total, -LARGEST)
    seen = [
        _padded(g, g.op("Div", g.op("Clip", one, g.constant(-LARGEST), g.constant(LARGEST)),
                        g.constant(UNIT)), 0.0)
        for one in logits
    ]  # fmt: skip
    found = [_rows(g, seen, total, angle, rows) for rows in (local.keys, local.drums)]
    joined = g.op("Concat", *found, axis=2)
    return g.op("Gather", joined, g.constant(local.back.numpy(), np.int64), axis=2)


def _padded(g: Graph, values: str, nowhere: float) -> str:
    return g.op("Pad", values, g.integers(0, 0, 0, 0, 0, 1), g.constant(nowhere))


def _rows(g: Graph, seen: Sequence[str], total: str, angle: str, rows: RowNetwork) -> str:
    """Write a kind of rows' corrections (B, T, R planes)."""
    places = g.constant(rows.places.numpy(), np.int64)
    known = [g.op("Gather", one, places, axis=2) for one in seen]  # (B, T, R, planes)
    if len(rows.others):
        sure = g.op("Tanh", g.op("Div", total, g.constant(UNIT)))
        others = g.op("Gather", sure, g.constant(rows.others.numpy(), np.int64), axis=2)
        known.append(g.op("ReduceMax", others, g.integers(2), keepdims=0))
    count, planes = rows.places.shape
    inputs = rows.entry.in_channels
    steps = g.reshape(g.op("Concat", *known, axis=3), 0, -1, GROUP, count, inputs // GROUP)
    steps = g.op("Transpose", steps, perm=[0, 3, 4, 2, 1])  # (B, R, inputs, GROUP, N)
    length = g.length(steps, 4)
    steps = _shaped(g, steps, g.integers(0, count, inputs - 1), length)
    one = g.slice(steps, g.integers(0), g.integers(1), 2)
    level = g.op("Expand", g.unsqueeze(angle, 3), g.op("Shape", one))
    steps = g.op("Concat", steps, level, axis=2)
    h = conv(g, _shaped(g, steps, g.integers(-1, inputs), length), rows.entry)
    h = g.op("Gelu", g.op("Add", h, _around(g, total, rows, length)))
    for near, join in zip(rows.near, rows.join, strict=True):
        h = g.op("Add", h, conv(g, g.op("Gelu", conv(g, h, near)), join))
    h = g.op("Mul", conv(g, h, rows.exit), g.constant(UNIT))
    h = _shaped(g, h, g.integers(-1, count, planes, GROUP), length)
    h = g.op("Transpose", h, perm=[0, 4, 3, 1, 2])  # (B, N, GROUP, R, planes)
    return g.reshape(h, 0, -1, count * planes)


def _around(g: Graph, total: str, rows: RowNetwork, length: str) -> str:
    """Write what counts of notes say to each row (B R, width, N)."""
    notes, stems = len(rows.counted), rows.counted.shape[1] // rows.counts
    chance = g.op("Sigmoid", g.slice(total, g.integers(0), g.integers(notes), 2))
    counts = g.op("MatMul", chance, g.constant(rows.counted.numpy()))
    counts = g.op("Log", g.op("Add", counts, g.constant(1.0)))
    steps = g.reshape(counts, 0, -1, GROUP, stems, rows.counts)
    steps = g.op("Transpose", steps, perm=[0, 3, 4, 2, 1])  # (B, S, C, GROUP, N)
    said = conv(g, _shaped(g, steps, g.integers(-1, rows.counts * GROUP), length), rows.around)
    said = _shaped(g, said, g.integers(-1, stems, rows.around.out_channels), length)
    said = g.op("Gather", said, g.constant(rows.stems.numpy(), np.int64), axis=1)
    return _shaped(g, said, g.integers(-1, rows.around.out_channels), length)


def _shaped(g: Graph, x: str, shape: str, length: str) -> str:
    return g.op("Reshape", x, g.op("Concat", shape, length, axis=0))
