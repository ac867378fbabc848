"""Melodies and pads: what sings above the band, and what fills behind it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bandmate_training.corpus.harmony import scale_at, voice
from bandmate_training.corpus.rhythm import Hit, mask, velocity
from bandmate_training.corpus.score import Bend, Chord, Note, Phrase, Rng


@dataclass(frozen=True)
class Range:
    """A singing range (MIDI)."""

    low: int
    high: int


def melody(phrase: Phrase, rng: Rng, span: Range) -> list[Note]:
    """Sing a motif of one or two bars, answered and varied, with rests between.

    Args:
        phrase: where to sing; strong beats get chord notes, the rest scale notes.
        rng: source of randomness.
        span: allowed pitches.
    """
    bars = int(rng.choice([1, 2, 2]))
    steps = 3 if phrase.triplet else int(rng.choice([2, 2, 4]))
    density = float(rng.uniform(0.25, 0.6))
    motifs = [mask(rng, phrase.bar * bars, steps, density, first=False) for _ in range(2)]
    moves = [[int(rng.choice([-2, -1, -1, 0, 1, 1, 2, 3])) for _ in m] for m in motifs]
    form = str(rng.choice(["aab-", "abab", "aaab", "a-b-", "ab--"]))
    pitch = float(rng.uniform(span.low + 5, span.high - 5))
    notes: list[Note] = []
    for index, bar in enumerate(list(phrase.bars())[::bars]):
        sign = form[index % 4]
        if sign != "-":
            which = "ab".index(sign)
            row = _sing(phrase, bar, motifs[which], moves[which], pitch, span, rng)
            notes += row
            pitch = (pitch + (row[-1].pitch if row else pitch) + (span.low + span.high) / 2) / 3
    return notes


def _sing(
    phrase: Phrase,
    bar: float,
    hits: list[Hit],
    moves: list[int],
    pitch: float,
    span: Range,
    rng: Rng,
) -> list[Note]:
    notes: list[Note] = []
    for hit, move in zip(hits, moves, strict=True):
        beat = bar + hit.beat
        if beat >= phrase.end - 0.1:
            break
        strong = hit.accent or hit.length > 1
        pitch = _next(phrase.chord_at(beat), phrase, pitch, move, strong, span)
        end = min(beat + min(hit.length, 3.0) * float(rng.uniform(0.8, 0.98)), phrase.end)
        loud = velocity(rng, 78 + 20 * phrase.energy, hit.accent)
        notes.append(Note(beat, end, int(pitch), loud))
    return notes


def _next(chord: Chord, phrase: Phrase, pitch: float, move: int, strong: bool, span: Range) -> int:
    classes = set(chord.classes) if strong else set(scale_at(phrase.key, chord))
    goal = min(max(pitch + move * (1.2 if strong else 1.8), span.low), span.high)
    options = [p for p in range(span.low, span.high + 1) if p % 12 in classes]
    return min(options, key=lambda p: (abs(p - goal), p))


def expression(notes: list[Note], rng: Rng, amount: float) -> list[Bend]:
    """Bend into some notes and let long ones vibrate.

    Args:
        notes: one voice, in order, without overlaps.
        rng: source of randomness.
        amount: chance that a note is bent into, 0..1.
    """
    bends: list[Bend] = []
    rate, depth = float(rng.uniform(2.0, 4.0)), float(rng.uniform(0.1, 0.35))
    for note in notes:
        length = note.end - note.start
        if rng.random() < amount and length > 0.3:
            start = float(rng.choice([-2, -1, -1, -2]))
            glide = min(length * 0.4, float(rng.uniform(0.08, 0.3)))
            bends += [Bend(note.start + glide * k / 6, start * (1 - k / 6)) for k in range(7)]
        else:
            bends.append(Bend(note.start, 0.0))
        if length > 0.8:
            bends += _vibrato(note, rate, depth)
    return bends


def _vibrato(note: Note, rate: float, depth: float) -> list[Bend]:
    """Swing the pitch from 0.4 beats into the note; `rate` in cycles a beat."""
    start, end = note.start + 0.4, note.end - 0.05
    count = int((end - start) * rate * 8)
    waves = [
        Bend(start + k / (rate * 8), depth * min(1, k / 12) * math.sin(k * math.pi / 4))
        for k in range(count)
    ]
    return [*waves, Bend(note.end, 0.0)]


def single(notes: list[Note]) -> list[Note]:
    """Make a voice monophonic: every note ends where the next begins."""
    ordered = sorted(notes, key=lambda n: (n.start, -n.pitch))
    kept: list[Note] = []
    for note in ordered:
        if kept and note.start - kept[-1].start < 0.05:
            continue
        if kept and kept[-1].end > note.start:
            last = kept.pop()
            kept.append(Note(last.start, note.start - 0.01, last.pitch, last.velocity))
        kept.append(note)
    return kept


def strings(phrase: Phrase, rng: Rng) -> list[Note]:
    """Hold chords that move as little as they can."""
    centre, last, notes = int(rng.integers(58, 72)), list[int](), list[Note]()
    for start, end, chord in phrase.spans():
        last = voice(chord.classes, last, centre, int(rng.choice([3, 4])))
        loud = int(66 + 30 * phrase.energy)
        notes += [Note(start, end - 0.03, p, velocity(rng, loud, False)) for p in last]
    return notes


def brass(phrase: Phrase, rng: Rng) -> list[Note]:
    """Stab chords together on a syncopated figure every other bar."""
    hits = mask(rng, phrase.bar, 4, 0.25, first=False)
    every, last, notes = int(rng.choice([1, 2, 2])), list[int](), list[Note]()
    for index, bar in enumerate(phrase.bars()):
        for hit in hits if index % every == 0 else []:
            beat = bar + hit.beat
            last = voice(phrase.chord_at(beat).classes, last, 66, 3)
            end = min(beat + min(hit.length, 1.0) * 0.7, phrase.end)
            notes += [Note(beat, end, p, velocity(rng, 98, True)) for p in last]
    return notes
