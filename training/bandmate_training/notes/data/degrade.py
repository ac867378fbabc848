"""Notes as a transcriber returns them: some missed, some doubled an octave off, none exact."""

from __future__ import annotations

import numpy as np

from bandmate_server.model.notes.layout import DRUMS, Notes
from bandmate_training.corpus.score import Rng

EXACT = 0.25  # share of sources that stay as they are
MISSED = 0.2  # most notes that are lost, a share
GHOSTS = 0.12  # most notes that are added
JITTER = 0.015  # seconds, the largest standard deviation of onsets
OVERTONES = (12, 19, -12, 24, 7)  # semitones from a note to its ghost


def degrade(notes: Notes, source: str, rng: Rng) -> Notes:
    """Return a source's notes (n, 4) with errors, of a severity drawn for all of them."""
    if rng.random() < EXACT or not len(notes):
        return notes
    severity = rng.random()
    kept = notes[rng.random(len(notes)) >= MISSED * severity * rng.random()]
    out = np.concatenate([kept, _ghosts(kept, source, severity, rng)])
    out[:, :2] += rng.normal(0, JITTER * severity, (len(out), 1))
    length = (out[:, 1] - out[:, 0]) * np.exp(rng.normal(0, 0.3 * severity, len(out)))
    out[:, 1] = out[:, 0] + length
    out[:, 3] = np.clip(out[:, 3] + rng.normal(0, 20 * severity, len(out)), 1, 127)
    return out[np.argsort(out[:, 0], kind="stable")]


def _ghosts(notes: Notes, source: str, severity: float, rng: Rng) -> Notes:
    """Return notes that are not there: a pitch's overtones, a stroke on another piece."""
    ghosts = notes[rng.random(len(notes)) < GHOSTS * severity * rng.random()].copy()
    if source == DRUMS:
        ghosts[:, 2] = rng.choice((36, 38, 42, 44, 46, 43, 49, 51), len(ghosts))
    else:
        ghosts[:, 2] += rng.choice(OVERTONES, len(ghosts))
    ghosts[:, 3] *= rng.uniform(0.3, 0.9, len(ghosts))
    return ghosts
