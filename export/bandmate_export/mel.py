"""Waveform to log-mel inside the encoder's graph."""

from __future__ import annotations

from bandmate_export.fourier import hann, waves
from bandmate_export.graph import Graph
from bandmate_server.mel import filter_bank
from bandmate_server.spec import MelSpec


def analysis_basis(g: Graph, spec: MelSpec, rows: int) -> str:
    """Write the windowed DFT (rows, fft_size + 2): cosines, then sines; rows past it are zero."""
    size = spec.fft_size
    both = g.op("Concat", *waves(g, size, size // 2 + 1, size), axis=1)
    windowed = g.op("Mul", both, g.constant(hann(size)[:, None]))
    return g.op("Pad", windowed, g.integers(0, 0, rows - size, 0))


def log_mel(g: Graph, wave: str, spec: MelSpec) -> str:
    """Write the log-mel (B, N / hop, M) of waves (B, N).

    A frame is several whole hops, put side by side by shifted copies of the wave in rows of
    one hop; the transform is one matrix product.
    """
    hop, half = spec.hop, spec.fft_size // 2
    hops = -(-spec.fft_size // hop)
    extra = (hops - 1) * hop - half  # samples after the wave, to the last frame's last hop
    if not 0 <= extra <= half:
        raise ValueError(f"a hop of {hop} does not fit windows of {spec.fft_size}")
    padded = g.op("Pad", wave, g.integers(0, half, 0, extra), mode="reflect")
    rows = g.reshape(padded, 0, -1, hop)  # (B, N / hop + hops - 1, hop)
    shifts = [
        g.slice(rows, g.integers(shift), g.integers(shift - hops + 1 or 2**62), 1)
        for shift in range(hops)
    ]
    frames = g.op("Concat", *shifts, axis=2)  # (B, N / hop, hops * hop)
    spectrum = g.op("MatMul", frames, analysis_basis(g, spec, hops * hop))
    real, imaginary = g.split(spectrum, 2, 2)
    power = g.op("Add", g.op("Mul", real, real), g.op("Mul", imaginary, imaginary))
    bands = g.op("MatMul", g.op("Sqrt", power), g.constant(filter_bank(spec).T))
    return g.op("Log", g.op("Max", bands, g.constant(spec.floor)))
