"""From written notes to timed events: human timing, bends, note lengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bandmate_training.corpus.fluid import RATE, Event
from bandmate_training.corpus.score import Clock, FloatArray, Note, Part, Rng

LEAD_IN = 0.05  # seconds before beat 0, so that no early note is cut


def humanise(part: Part, clock: Clock, rng: Rng) -> list[tuple[float, float, int, int]]:
    """Return (start, end, pitch, velocity) in seconds, played with a person's looseness.

    A part has its own place around the beat (some ms early or late), each note a scatter.
    """
    place = float(rng.normal(0, 0.005)) * part.loose
    scatter = float(rng.uniform(0.001, 0.009)) * part.loose
    swell = _swell(part, rng)
    rows = []
    for note in part.notes:
        start = clock.at(note.start) + place + float(rng.normal(0, scatter))
        length = max(clock.at(note.end) - clock.at(note.start), 0.04)
        start = max(start + LEAD_IN, 0.0)
        rows.append((start, start + length, note.pitch, _loud(note, part, swell, rng)))
    return _unstack(sorted(rows))


def _swell(part: Part, rng: Rng) -> FloatArray:
    """Return a slow wave of loudness, one value for every four beats, in velocity steps."""
    last = max((n.start for n in part.notes), default=0.0)
    steps = rng.normal(0, 1, int(last / 4) + 2)
    smooth = np.convolve(steps, np.ones(4) / 2, mode="same")
    return smooth * float(rng.uniform(0, 5)) * part.loose


def _loud(note: Note, part: Part, swell: FloatArray, rng: Rng) -> int:
    level = note.velocity + swell[int(note.start / 4)] + rng.normal(0, 3) * part.loose
    return int(min(max(level, 12), 127))


def _unstack(
    rows: list[tuple[float, float, int, int]],
) -> list[tuple[float, float, int, int]]:
    """End a note where its own pitch is struck again; drop doubled strokes."""
    last: dict[int, int] = {}
    kept: list[tuple[float, float, int, int]] = []
    for start, end, pitch, loud in rows:
        index = last.get(pitch)
        if index is not None:
            before = kept[index]
            if start - before[0] < 0.02:
                continue
            kept[index] = (before[0], min(before[1], start - 0.004), pitch, before[3])
        last[pitch] = len(kept)
        kept.append((start, end, pitch, loud))
    return kept


def events(part: Part, clock: Clock, rng: Rng) -> list[Event]:
    """Return a part's events, ordered, at the renderer's rate."""
    return timed(humanise(part, clock, rng), part, clock)


def timed(played: Sequence[tuple[float, float, int, int]], part: Part, clock: Clock) -> list[Event]:
    """Return the events of notes as they are played, with the part's bends."""
    rows: list[Event] = []
    for start, end, pitch, loud in played:
        rows.append((round(start * RATE), 2, pitch, loud))
        rows.append((round(end * RATE), 0, pitch, 0))
    for bend in part.bends:
        value = round(8192 + bend.semitones / 2 * 8191)
        moment = max(clock.at(bend.time) + LEAD_IN - 0.002, 0.0)
        rows.append((round(moment * RATE), 1, min(max(value, 0), 16383), 0))
    return sorted(rows)
