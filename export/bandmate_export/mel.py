"""Waveform to log-mel inside the encoder's graph."""

from __future__ import annotations

from bandmate_export.fourier import hann, power_spectrum
from bandmate_export.graph import Graph
from bandmate_server.model.mel import filter_bank
from bandmate_server.spec import MelSpec


def log_mel(g: Graph, wave: str, spec: MelSpec) -> str:
    """Write the log-mel (B, N / hop, M) of waves (B, N)."""
    power = power_spectrum(g, wave, hann(spec.fft_size), spec.hop)
    bands = g.op("MatMul", g.op("Sqrt", power), g.constant(filter_bank(spec).T))
    return g.op("Log", g.op("Max", bands, g.constant(spec.floor)))
