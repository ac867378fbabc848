"""Many channels to one, whatever their polarity.

The mean of channels is silent where one is the inverse of another, and the song is not. So each
channel's sign is chosen such that the mix is loudest; of channels that are in phase, or have
little in common, it is their plain mean.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from bandmate_server.audio.arrays import FloatArray

CLEARLY = 0.8  # the plain mean has less than this share of the loudest mix's power before it yields


def aligned_mean(audio: FloatArray) -> FloatArray:
    """Return the mean (n,) of channels (n, channels), some of them inverted if need be.

    Args:
        audio: any length; the signs are the same for all of it.
    """
    signs = polarity(audio)
    if (signs > 0.0).all():
        plain: FloatArray = audio.mean(axis=1)
        return plain
    mono: FloatArray = (audio * signs).mean(axis=1)
    return mono


def polarity(audio: FloatArray) -> FloatArray:
    """Return the sign of each channel (channels,) that brings channels (n, channels) in phase.

    Only where the plain sum loses more than a decibel against the loudest are there negative ones;
    never in more than half of the channels.
    """
    channels = audio.shape[1]
    plain = np.ones(channels, np.float32)
    if channels == 1 or len(audio) == 0:
        return plain
    scale = float(np.max(np.abs(audio)))
    if not 0.0 < scale < np.inf:
        return plain
    scaled = audio / np.float32(scale)
    common = np.einsum("nc,nd->cd", scaled, scaled).astype(np.float64)  # no threads, as in render
    choices = _signs(channels)
    powers = np.einsum("kc,cd,kd->k", choices, common, choices)
    best = int(np.argmax(powers))
    if powers[0] >= CLEARLY * powers[best]:
        return plain
    found: FloatArray = choices[best].astype(np.float32)
    return found


@cache
def _signs(channels: int) -> NDArray[np.float64]:
    """Return all choices of signs but for an overall one (choices, channels), the plain first."""
    found = [(1.0, *rest) for rest in product((1.0, -1.0), repeat=channels - 1)]
    return np.array([s if sum(s) >= 0.0 else tuple(-x for x in s) for s in found])
