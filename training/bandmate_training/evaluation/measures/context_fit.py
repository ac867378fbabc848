"""How well a part fits its own context, ranked against the contexts of other songs.

Pitched parts are judged by the pitch classes that sound together with the context's, frame by
frame; drums by attacks that coincide with the context's. Pitched parts get the second figure
too. The settings were chosen on 64 training songs, by how well true stems know their songs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bandmate_training.evaluation.measures.onsets import FRAME

FloatArray = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]

BLUR = 0.05  # seconds: standard deviation of the window that attacks are blurred with
SURROUND = 0.5  # seconds over which the mean of the attacks is removed


def chroma_profile(chroma: FloatArray) -> Scores:
    """Return a chroma (frames, 12) as one vector whose products are agreements.

    Of every frame the mean over the classes is removed and the norm made 1, so a frame in
    which everything or nothing sounds says nothing. The vector is divided by the root of the
    number of frames that sound: the product of two is near the mean correlation of their frames.
    """
    centred = chroma.astype(np.float64) - chroma.mean(axis=1, keepdims=True, dtype=np.float64)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = np.where(norm > 1e-6, centred / np.maximum(norm, 1e-6), 0.0)
    sounding = max(1, int((norm > 1e-6).sum()))
    profile: Scores = (unit / math.sqrt(sounding)).ravel()
    return profile


def onset_profile(envelope: FloatArray) -> Scores:
    """Return an onset envelope (frames,) as a unit vector whose products are correlations."""
    reach = round(4 * BLUR / FRAME)
    blur = np.exp(-0.5 * (np.arange(-reach, reach + 1) * FRAME / BLUR) ** 2)
    wide = round(SURROUND / FRAME)
    smooth = np.convolve(envelope.astype(np.float64), blur / blur.sum(), "same")
    smooth -= np.convolve(smooth, np.full(wide, 1 / wide), "same")
    smooth -= smooth.mean()
    norm = float(np.linalg.norm(smooth))
    return np.asarray(smooth / norm if norm > 1e-9 else np.zeros_like(smooth))


def agreements(parts: Sequence[Scores], contexts: Sequence[Scores]) -> Scores:
    """Return the agreement of every part with every context (parts, contexts)."""
    return np.stack(list(parts)) @ np.stack(list(contexts)).T


def percentile_ranks(scores: Scores, own: Sequence[int], songs: Sequence[str]) -> Scores:
    """Return where each part's own context ranks among those of other songs, 0 to 100.

    100: no other context agrees better; 50: chance. Ties count half, so a part that agrees with
    all alike, such as silence, gets 50.

    Args:
        scores: agreements (parts, contexts).
        own: the number of each part's own context.
        songs: the song of each context; contexts of the part's own song are no rivals.
    """
    names = np.asarray(songs)
    ranks = np.full(len(scores), math.nan)
    for part, (row, home) in enumerate(zip(scores, own, strict=True)):
        rivals = row[names != names[home]]
        if len(rivals):
            below = np.mean(rivals < row[home]) + 0.5 * np.mean(rivals == row[home])
            ranks[part] = 100 * float(below)
    return ranks


def strangers(songs: Sequence[str], seed: int) -> list[int]:
    """Return for each context the number of one of another song, drawn at random.

    Ranking parts against these instead of their own must give 50: the control.

    Raises:
        ValueError: if all contexts are of one song.
    """
    if len(set(songs)) < 2:
        raise ValueError("expected contexts of two songs or more")
    rng = np.random.default_rng(seed)
    names = np.asarray(songs)
    return [int(rng.choice(np.flatnonzero(names != song))) for song in names]
