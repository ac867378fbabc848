"""Rhythms: one bar's hits, drawn at random but playable."""

from __future__ import annotations

from dataclasses import dataclass

from bandmate_training.corpus.score import Rng

# How much each sixteenth of a beat pulls a note to itself: the beat, its half, its quarters.
_PULL = (1.0, 0.45, 0.75, 0.45)


@dataclass(frozen=True, order=True)
class Hit:
    """One stroke of a bar's rhythm."""

    beat: float  # from the bar line
    length: float  # beats until the next stroke
    accent: bool


def mask(rng: Rng, bar: int, steps: int, density: float, first: bool = True) -> list[Hit]:
    """Draw a rhythm on a grid.

    Args:
        rng: source of randomness.
        bar: beats in the bar.
        steps: grid points per beat (2 eighths, 3 triplets, 4 sixteenths).
        density: mean share of grid points hit, 0..1.
        first: whether the first beat is always hit.
    """
    pull = _PULL[:: 4 // steps] if steps in (1, 2, 4) else (1.0, 0.4, 0.8)
    onsets = [
        k / steps
        for k in range(bar * steps)
        if (first and k == 0) or rng.random() < density * pull[k % steps] * 1.3
    ] or [0.0]
    ends = [*onsets[1:], float(bar)]
    return [Hit(a, b - a, a % 1 == 0) for a, b in zip(onsets, ends, strict=True)]


def velocity(rng: Rng, base: float, accent: bool, spread: float = 5) -> int:
    """Draw a velocity around a base, accents some 10 above."""
    return int(min(max(base + (6 if accent else -6) + rng.normal(0, spread), 20), 126))
