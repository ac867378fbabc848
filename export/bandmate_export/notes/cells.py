"""Which cells of latents the networks use: gathering and scattering."""

from __future__ import annotations

import numpy as np

from bandmate_export.graph import Graph
from bandmate_server.model.notes.layout import packed_cells
from bandmate_server.spec import ModelSpec


def packed(g: Graph, latents: str, spec: ModelSpec) -> str:
    """Write the used cells (B, T, P) of stems' latents (B, S, C, T, F)."""
    cells = len(spec.stems) * spec.latent_channels * spec.latent_bands
    frames = g.op("Transpose", latents, perm=[0, 3, 1, 2, 4])
    return g.op("Gather", g.reshape(frames, 0, 0, cells), _places(g), axis=2)


def unpacked(g: Graph, values: str, spec: ModelSpec) -> str:
    """Write stems' latents (B, S, C, T, F) of packed values (B, T, P), zeros elsewhere."""
    stems, channels, bands = len(spec.stems), spec.latent_channels, spec.latent_bands
    used = packed_cells()
    source = np.full(stems * channels * bands, len(used))  # one past the end: a zero
    source[used] = np.arange(len(used))
    padded = g.op("Pad", values, g.integers(0, 0, 0, 0, 0, 1))
    flat = g.op("Gather", padded, g.constant(source, np.int64), axis=2)
    frames = g.reshape(flat, 0, 0, stems, channels, bands)
    return g.op("Transpose", frames, perm=[0, 2, 3, 1, 4])


def _places(g: Graph) -> str:
    return g.constant(packed_cells(), np.int64)
