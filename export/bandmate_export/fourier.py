"""Spectra in ONNX; ONNX Runtime builds the matrices at load: a file holds one turn of each wave."""

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


def power_spectrum(
    g: Graph, wave: str, window: np.ndarray[tuple[int], np.dtype[np.float64]], hop: int
) -> str:
    """Write the power spectra (B, N / hop, bins) of waves (B, N), reflected at both ends.

    A frame is several whole hops, put side by side by shifted copies of the wave in rows of
    one hop; the transform is one matrix product.

    Raises:
        ValueError: if the last frame needs samples that a reflection does not give.
    """
    size = len(window)
    hops = -(-size // hop)
    extra = (hops - 1) * hop - size // 2  # samples after the wave, to the last frame's last hop
    if not 0 <= extra <= size // 2:
        raise ValueError(f"a hop of {hop} does not fit windows of {size}")
    padded = g.op("Pad", wave, g.integers(0, size // 2, 0, extra), mode="reflect")
    rows = g.reshape(padded, 0, -1, hop)  # (B, N / hop + hops - 1, hop)
    shifts = [
        g.slice(rows, g.integers(shift), g.integers(shift - hops + 1 or 2**62), 1)
        for shift in range(hops)
    ]
    frames = g.op("Concat", *shifts, axis=2)  # (B, N / hop, hops * hop)
    spectrum = g.op("MatMul", frames, _analysis_basis(g, window, hops * hop))
    real, imaginary = g.split(spectrum, 2, 2)
    return g.op("Add", g.op("Mul", real, real), g.op("Mul", imaginary, imaginary))


def _analysis_basis(
    g: Graph, window: np.ndarray[tuple[int], np.dtype[np.float64]], rows: int
) -> str:
    """Write the windowed DFT (rows, 2 bins): cosines, then sines; rows past its size are zero."""
    size = len(window)
    both = g.op("Concat", *waves(g, size, size // 2 + 1, size), axis=1)
    windowed = g.op("Mul", both, g.constant(window[:, None]))
    return g.op("Pad", windowed, g.integers(0, 0, rows - size, 0))
