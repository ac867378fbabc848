"""The masks of a window from the separator at several speeds.

Played faster or slower, a mixture reaches the network at other pitches, with other formants
and elsewhere on its grid. It errs a little differently each time, so the mean of the masks
is better than any of them. Channels go in one by one: an instrument to one side is
easier to tell from the others there than in the middle.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import soxr
from numpy.typing import NDArray

from bandmate_server.audio.arrays import FloatArray, between
from bandmate_server.model.bands import band_centres
from bandmate_server.model.model import Model
from bandmate_server.spec import BandSpec


def ensemble_masks(model: Model, waves: FloatArray) -> FloatArray:
    """Return the share (R, S+1, N / hop, bands) of every stem, `other` last, of waves (R, N).

    The mean over the bundle's `mask_speeds`, but for the last where channels differ: they cost
    as much as speeds and bring more. Shares sum to 1 in each cell of `spec.masks`.

    Args:
        model: with a separator.
        waves: a window's channels at the model's rate, N a multiple of spec.block_samples.
    """
    grid = model.spec.masks
    assert grid is not None
    if len(waves) > 1 and (waves == waves[0]).all():
        masks = ensemble_masks(model, waves[:1])
        return np.broadcast_to(masks, (len(waves), *masks.shape[1:]))
    speeds = model.bundle.mask_speeds
    if len(waves) > 1:
        speeds = speeds[: max(len(speeds) - 1, 1)]
    found = []
    for speed in speeds:
        played = waves if speed == 1.0 else change_speed(waves, speed, model.spec.block_samples)
        logits = model.mask_logits(played)
        if speed != 1.0:
            logits = undo_speed(logits, speed, waves.shape[1] // grid.hop, grid)
        found.append(softmax(logits, axis=1))
    mean: FloatArray = np.mean(found, axis=0, dtype=np.float32)
    return mean


def change_speed(waves: FloatArray, speed: float, multiple: int) -> FloatArray:
    """Play waves (R, N) faster or slower, as tape does; zeros fill them up to a multiple."""
    played = np.asarray(soxr.resample(waves.T, speed, 1.0, quality="HQ"), np.float32)
    return np.ascontiguousarray(np.pad(played, ((0, -len(played) % multiple), (0, 0))).T)


def undo_speed(logits: FloatArray, speed: float, frames: int, grid: BandSpec) -> FloatArray:
    """Return logits (R, S+1, frames, bands) as they would lie at speed 1; linear in between.

    Args:
        logits: (R, S+1, N, bands) of what `play_at` gave.
        speed: of that.
        frames: wanted.
        grid: of the masks.
    """
    in_time = between(logits, np.arange(frames) / speed, axis=2)
    return between(in_time, _bands_at(speed, grid), axis=3)


@cache
def _bands_at(speed: float, grid: BandSpec) -> NDArray[np.float64]:
    """Return the places (bands,) to which the bands move at a speed."""
    centres = band_centres(grid)
    return np.interp(centres * speed, centres, np.arange(len(centres)))


def softmax(logits: FloatArray, axis: int) -> FloatArray:
    """Return exp(logits), normalised to sum to 1 along an axis."""
    powers: FloatArray = np.exp(logits - logits.max(axis=axis, keepdims=True))
    powers /= powers.sum(axis=axis, keepdims=True)
    return powers
