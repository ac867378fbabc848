"""Sampled planes in figures: how much is played, and how well it agrees with the context."""

from __future__ import annotations

import numpy as np

from bandmate_training.notes.grid import FRAME, FloatArray, notes_of
from bandmate_training.notes.layout import LOWEST, PITCHES, SUSTAIN

CLASSES = 12
_BLOCK = 25  # frames over which pitch classes are summed, a second


def notes_per_second(latent: FloatArray, source: str) -> float:
    """Return how many notes a second planes (2, T, CELLS) hold."""
    return len(notes_of(latent, source)) / (latent.shape[1] * FRAME)


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
