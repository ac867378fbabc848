"""Own songs: a style, a key, a form and its harmony."""

from __future__ import annotations

import numpy as np

from bandmate_training.corpus.harmony import make_key
from bandmate_training.corpus.progressions import draw, lay, minor
from bandmate_training.corpus.score import Clock, FloatArray, Key, Rng, Section, Skeleton
from bandmate_training.corpus.styles import STYLES, Style

FORMS = (
    "intro verse chorus verse chorus bridge chorus outro",
    "verse verse chorus verse chorus solo chorus",
    "intro verse pre chorus verse pre chorus outro",
    "chorus verse chorus bridge chorus chorus",
    "verse solo verse bridge verse outro",
    "intro verse chorus breakdown chorus solo outro",
    "theme theme bridge theme solo solo theme",
)
ENERGY = {"intro": 0.35, "verse": 0.45, "pre": 0.6, "chorus": 0.85, "bridge": 0.6, "solo": 0.75,
          "outro": 0.4, "breakdown": 0.15, "theme": 0.6}  # fmt: skip


def draw_style(rng: Rng) -> Style:
    """Draw a style."""
    return STYLES[int(rng.integers(len(STYLES)))]


def drifting(rng: Rng, tempo: float, beats: int) -> FloatArray:
    """Return the seconds of beats 0..beats at a tempo that may wander by a percent or two."""
    wander = rng.normal(0, 1, beats).cumsum() * float(rng.choice([0, 0.0005, 0.0015]))
    wander = np.clip(wander - wander.mean(), -0.04, 0.04)
    steps = 60 / tempo * (1 + wander)
    if rng.random() < 0.25:  # slow down over the last bars
        steps[-12:] *= np.linspace(1, float(rng.uniform(1.1, 1.4)), 12)[-len(steps) :]
    return np.concatenate([[0.0], np.cumsum(steps)])


def draw_key(rng: Rng, in_minor: bool) -> Key:
    """Draw a key, all tonics alike."""
    modes = ["minor", "minor", "dorian", "harmonic"] if in_minor else ["major"] * 3 + ["mixolydian"]
    return make_key(int(rng.integers(12)), str(rng.choice(modes)))


def own_skeleton(rng: Rng, style: Style, seconds: float) -> Skeleton:
    """Compose the form and harmony of a song of about `seconds`."""
    tempo = float(rng.uniform(*style.tempo))
    bars = max(8, round(seconds * tempo / 60 / style.bar))
    first = draw(rng, style.harmony, None)
    key = draw_key(rng, minor(first))
    sections, start = list[Section](), 0.0
    plans: dict[str, tuple[str, int, float]] = {}
    for kind in _kinds(rng):
        if kind not in plans:
            plans[kind] = _plan(rng, style, first, not plans)
        numerals, length, stretch = plans[kind]
        section = _section(rng, kind, start, length, style, key, numerals, stretch)
        sections.append(section)
        start = section.end
        if start >= bars * style.bar:
            break
    seconds_of = drifting(rng, tempo, int(start) + 8)
    swing = float(rng.uniform(*style.swing))
    clock = Clock(seconds_of, swing, style.swing_unit, style.triplet)
    return Skeleton(clock, style.bar, tuple(sections), style.triplet)


def _kinds(rng: Rng) -> list[str]:
    kinds = str(rng.choice(FORMS)).split()
    return kinds[int(rng.integers(0, 3)) :] + kinds * 3


def _plan(rng: Rng, style: Style, first: str, opening: bool) -> tuple[str, int, float]:
    """Return (numerals, bars, bars per chord) of one kind of section."""
    numerals = first if opening or rng.random() < 0.35 else draw(rng, style.harmony, minor(first))
    words = len(numerals.split())
    stretch = 1.0
    if words <= 4 and "-" not in numerals:
        halves = [0.5] if style.bar == 4 else []
        stretch = float(rng.choice([1, 1, 1, 2, *halves]))
    cycle = max(2, round(words * stretch))
    return numerals, cycle * max(1, round(float(rng.choice([4, 8, 8])) / cycle)), stretch


def _section(
    rng: Rng,
    kind: str,
    start: float,
    bars: int,
    style: Style,
    key: Key,
    numerals: str,
    stretch: float,
) -> Section:
    energy = float(np.clip(ENERGY[kind] + rng.normal(0, 0.12), 0.05, 1.0))
    if kind in ("intro", "outro", "pre", "breakdown"):
        bars = min(bars, int(rng.choice([2, 4])))
    chords = lay(numerals, key.tonic, start, bars, style.bar, stretch)
    return Section(kind, start, start + bars * style.bar, energy, key, tuple(chords))
