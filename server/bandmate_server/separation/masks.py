"""Soft masks of the stems: from the separator, or from mels that diffusion made."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.diffusion.mels import StemMels, Waves
from bandmate_server.model.model import Model
from bandmate_server.progress import Monitor
from bandmate_server.separation.ensemble import ensemble_masks
from bandmate_server.separation.wiener import wiener_filter

MASK_POWER = 2.0  # of mel magnitudes, when masks are made of mels


def separator_masks(
    model: Model, waves: Waves, count: int, monitor: Monitor
) -> Iterator[tuple[int, FloatArray]]:
    """Yield (first frame, masks (N, R, R, S+1, bands)) of every window by the separator.

    Frames and bands are those of the model's `spec.masks`. R is 1 for a single wave, or 2: then
    the masks are matrices from both channels to both.

    Args:
        model: with a separator.
        waves: of the windows.
        count: how many there are.
        monitor: called for every window.
    """
    for index, (start, window) in enumerate(waves):
        monitor.report("separate", index / count)
        yield start * model.spec.mask_ratio, _matrices(model, window)


def _matrices(model: Model, waves: FloatArray) -> FloatArray:
    """Return the masks (N, R, R, S+1, bands) of a window's waves (R, N * hop)."""
    grid, masks = model.spec.masks, ensemble_masks(model, waves)
    assert grid is not None
    if len(waves) == 1:
        return np.moveaxis(masks, 2, 0)[:, None]
    return wiener_filter(masks, waves, grid)


def mel_masks(pieces: Iterator[StemMels], ratio: int) -> Iterator[tuple[int, FloatArray]]:
    """Yield (first mel frame, shares (N, 1, 1, S+1, M)): powers of the stems and what they leave.

    Args:
        pieces: log-mels of windows.
        ratio: mel frames per latent frame.
    """
    for piece in pieces:
        stems = np.exp(MASK_POWER * piece.stems)
        rest = np.maximum(np.exp(MASK_POWER * piece.mixture) - stems.sum(axis=0), 0.0)
        powers = np.concatenate([stems, rest[None]])
        yield piece.start * ratio, (powers / powers.sum(axis=0)).swapaxes(0, 1)[:, None, None]
