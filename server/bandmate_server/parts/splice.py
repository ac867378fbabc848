"""A new part as the session takes it: its channels, and for a fill the stem around it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.sources import BLOCK_SECONDS, Source, read_blocks
from bandmate_server.audio.windows import Region

FADE_SECONDS = 0.02  # from old to new at either end of a filled range


def repeated_blocks(mono: FloatArray, channels: int, rate: int) -> Iterator[FloatArray]:
    """Yield a mono wave (frames,) block by block in every channel (n, channels)."""
    size = math.ceil(BLOCK_SECONDS * rate)
    for first in range(0, len(mono), size):
        yield np.repeat(mono[first : first + size, None], channels, axis=1)


def filled_blocks(
    source: Source, region: Region, frames: int, mono: FloatArray
) -> Iterator[FloatArray]:
    """Yield a stem (n, channels) with a region replaced; outside, every sample is as it was.

    Args:
        source: the stem.
        region: in its frames.
        frames: of the stem.
        mono: what goes into the region (frames,).
    """
    share = new_share(region.frames, region.start > 0, region.stop < frames, source.rate)
    position = 0
    for block in read_blocks(source, 0, frames):
        inside = slice(
            max(region.start - position, 0), max(min(region.stop - position, len(block)), 0)
        )
        if inside.start < inside.stop:
            place = slice(inside.start + position - region.start, None)
            place = slice(place.start, place.start + inside.stop - inside.start)
            old, new = block[inside], mono[place, None]
            block = block.copy()
            block[inside] = np.sqrt(1.0 - share[place, None] ** 2) * old + share[place, None] * new
        yield block
        position += len(block)


def new_share(frames: int, fade_in: bool, fade_out: bool, rate: int) -> FloatArray:
    """Return the weight of the new audio in a range (frames,); the old one's keeps the power.

    Args:
        frames: of the range.
        fade_in: whether audio lies before it.
        fade_out: whether audio lies after it.
        rate: Hz.
    """
    share = np.ones(frames, np.float32)
    length = min(math.ceil(FADE_SECONDS * rate), frames // 2)
    ramp = np.sin(0.5 * np.pi * (np.arange(length) + 0.5) / max(length, 1)).astype(np.float32)
    if fade_in:
        share[:length] = ramp
    if fade_out:
        share[frames - length :] *= ramp[::-1]
    return share
