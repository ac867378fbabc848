"""Noise that depends on seed and place alone, not on how a song is cut."""

from __future__ import annotations

import numpy as np

from bandmate_server.audio.arrays import FloatArray

NOISE_BLOCK = 256  # latent frames whose noise is drawn at once


def latent_noise(
    seed: int, draw: int, start: int, count: int, cell: tuple[int, int, int]
) -> FloatArray:
    """Return standard normal noise (S, C, count, F) that depends on place, not on windows.

    Args:
        seed: of the take.
        draw: which noise of the take.
        start: first latent frame.
        count: latent frames.
        cell: S, C, F.
    """
    stems, channels, bands = cell
    first = start // NOISE_BLOCK
    blocks: list[FloatArray] = []
    for block in range(first, (start + count - 1) // NOISE_BLOCK + 1):
        source = np.random.Philox(key=np.array([seed, draw], np.uint64), counter=[0, 0, block, 0])
        shape = (stems, channels, NOISE_BLOCK, bands)
        blocks.append(np.random.Generator(source).standard_normal(shape, np.float32))
    offset = start - first * NOISE_BLOCK
    return np.concatenate(blocks, axis=2)[:, :, offset : offset + count]
