"""Fourier matrices that ONNX Runtime builds once, at load: a file holds one turn of each wave."""

from __future__ import annotations

import numpy as np

from bandmate_export.graph import Graph


def waves(g: Graph, rows: int, columns: int, size: int) -> tuple[str, str]:
    """Write the cosines and sines (rows, columns) of 2 pi row column / size.

    All inputs are constants, so that loading folds the nodes into two matrices. They are
    looked up in float32 roundings of exact values: no angle exceeds one turn.
    """
    row = g.constant(np.arange(rows)[:, None], np.int64)
    column = g.constant(np.arange(columns)[None], np.int64)
    turn = g.op("Mod", g.op("Mul", row, column), g.integers(size))
    angle = 2 * np.pi / size * np.arange(size)
    cosines, sines = g.constant(np.cos(angle)), g.constant(np.sin(angle))
    return g.op("Gather", cosines, turn), g.op("Gather", sines, turn)


def hann(size: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the periodic Hann window."""
    return 0.5 - 0.5 * np.cos(2 * np.pi / size * np.arange(size))
