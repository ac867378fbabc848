"""Sampled planes in figures: how much is played, and how well it agrees with the context."""

from __future__ import annotations

import numpy as np

from bandmate_server.model.notes.layout import LOWEST, PITCHES, SUSTAIN, Notes
from bandmate_server.model.notes.reading import notes_of
from bandmate_training.notes.grid import FRAME, FloatArray

CLASSES = 12
TOLERANCE = 0.05  # seconds between a true onset and a found one
_BLOCK = 25  # frames over which pitch classes are summed, a second


def notes_per_second(latent: FloatArray, source: str) -> float:
    """Return how many notes a second planes (2, T, CELLS) hold."""
    return len(notes_of(latent, source, FRAME)) / (latent.shape[1] * FRAME)


def mean_length(latents: FloatArray, source: str) -> float:
    """Return how long the notes of planes (B, 2, T, CELLS) last, in seconds; nan without any."""
    found = np.concatenate([notes_of(latent, source, FRAME) for latent in latents])
    return float((found[:, 1] - found[:, 0]).mean()) if len(found) else float("nan")


def pitch_classes(latent: FloatArray) -> FloatArray:
    """Return how long each pitch class sounds in each second (seconds, 12), C first."""
    held = np.clip(latent[SUSTAIN, :, :PITCHES], 0, 1)
    whole = held[: len(held) // _BLOCK * _BLOCK].reshape(-1, _BLOCK, PITCHES).sum(1)
    member = (np.arange(PITCHES) + LOWEST)[:, None] % CLASSES == np.arange(CLASSES)
    return whole @ member.astype(np.float32)


def harmony(latent: FloatArray, context: FloatArray) -> float:
    """Return the mean cosine of the pitch classes of planes and of their context.

    Over the seconds in which both sound; nan without any.
    """
    a, b = pitch_classes(latent), pitch_classes(context)
    sizes = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    both = sizes > 1e-3
    if not both.any():
        return float("nan")
    return float(((a * b).sum(1)[both] / sizes[both]).mean())


def agreement(found: Notes, true: Notes) -> float:
    """Return the F-measure of found notes (n, 4): right are those of a key within TOLERANCE.

    1 where there are none to find and none are found.
    """
    if not len(found) or not len(true):
        return float(len(found) == len(true))
    right = 0
    for key in np.unique(true[:, 2]):
        right += _matches(*(np.sort(each[each[:, 2] == key, 0]) for each in (found, true)))
    return 2 * right / (len(found) + len(true))


def _matches(found: FloatArray, true: FloatArray) -> int:
    """Return how many of two ordered lists of times can be paired within TOLERANCE."""
    count = first = 0
    for time in true:
        while first < len(found) and found[first] < time - TOLERANCE:
            first += 1
        if first < len(found) and found[first] <= time + TOLERANCE:
            count, first = count + 1, first + 1
    return count
