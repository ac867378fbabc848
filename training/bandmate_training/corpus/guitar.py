"""Guitar playing: strums, power chords, palm mutes, picking, skanks, jazz comping."""

from __future__ import annotations

from collections.abc import Callable

from bandmate_training.corpus.harmony import nearest, scale_at
from bandmate_training.corpus.rhythm import Hit, mask, velocity
from bandmate_training.corpus.score import Chord, Note, Phrase, Rng

STRINGS = (40, 45, 50, 55, 59, 64)  # MIDI, low E to high E
LOW, HIGH = 40, 88
Player = Callable[[Phrase, Rng], list[Note]]


def shape(chord: Chord, position: int) -> list[int]:
    """Return a chord as fretted near a position: at most one note a string, root lowest."""
    classes = set(chord.classes)
    pitches: list[int] = []
    for string in STRINGS:
        frets = [f for f in range(position, position + 5) if (string + f) % 12 in classes]
        frets = [0, *frets] if string % 12 in classes and position < 3 else frets
        fitting = [string + f for f in frets if not pitches or string + f > pitches[-1]]
        if not pitches:
            fitting = [p for p in fitting if p % 12 == chord.bass]
        if fitting:
            pitches.append(fitting[0])
    if len(pitches) < 3:
        root = nearest(chord.bass, 47, LOW, 55)
        pitches = [root, *(nearest(c, root + 9, root + 3, root + 21) for c in chord.classes[1:])]
    return sorted(set(pitches))


def stroke(
    beat: float, length: float, pitches: list[int], loud: int, up: bool, spread: float, rng: Rng
) -> list[Note]:
    """Strum a chord: strings sound one after another, over `spread` beats in all."""
    strings = list(reversed(pitches))[: int(rng.integers(3, 5))] if up else pitches
    step = spread / max(len(strings) - 1, 1)
    return [
        Note(beat + k * step, max(beat + length, beat + k * step + 0.05), p,
             velocity(rng, loud - k * (1.5 if up else 0.5), False, 3))
        for k, p in enumerate(strings)
    ]  # fmt: skip


_STRUMS = ("D...D...D...D...", "D...D.U...U.D.U.", "D...D.U.D...D.U.", "D.D.D.U.D.D.D.U.",
           "D...D.U...U.D...", "D.UUD.U.D.U.D.U.", "D.......D..U....", "D..U..D...U.D.U.",
           "DUDUDUDUDUDUDUDU", "D.xUD.xUD.xUD.xU", "D..D..D.D..D..D.")  # fmt: skip


def strum(phrase: Phrase, rng: Rng) -> list[Note]:
    """Strum with a bar's pattern of downs, ups and muted strokes."""
    grid = _STRUMS[int(rng.integers(len(_STRUMS)))]
    position = int(rng.choice([0, 0, 0, 3, 5, 7]))
    spread, ring = float(rng.uniform(0.02, 0.09)), float(rng.uniform(0.7, 1.0))
    steps = [k for k, sign in enumerate(grid) if sign != "." and k / 4 < phrase.bar]
    notes: list[Note] = []
    for bar in phrase.bars():
        for k, after in zip(steps, [*steps[1:], phrase.bar * 4], strict=True):
            if k and rng.random() < 0.04:
                continue
            beat, length, dead = bar + k / 4, (after - k) / 4 * ring, grid[k] == "x"
            loud = 62 + 30 * phrase.energy + (6 if k % 8 == 0 else -4) - (20 if dead else 0)
            chord = shape(phrase.chord_at(beat), position)
            length = 0.07 if dead else length
            notes += stroke(beat, length, chord, int(loud), grid[k] == "U", spread, rng)
    return notes


def ring(phrase: Phrase, rng: Rng) -> list[Note]:
    """Strum each chord once and let it ring."""
    position, spread = int(rng.choice([0, 3, 5])), float(rng.uniform(0.03, 0.2))
    notes: list[Note] = []
    for start, end, chord in phrase.spans():
        loud = int(70 + 25 * phrase.energy)
        notes += stroke(start, end - start - 0.03, shape(chord, position), loud, False, spread, rng)
    return notes


def _power(chord: Chord, rng_octave: bool) -> list[int]:
    root = nearest(chord.root, 44, LOW, 52)
    return [root, root + chord.fifth, *([root + 12] if rng_octave else [])]


def power(phrase: Phrase, rng: Rng) -> list[Note]:
    """Play power chords on a rhythm: held, in eighths, or syncopated."""
    octave = rng.random() < 0.6
    hits = [
        [Hit(0.0, float(phrase.bar), True)],
        [Hit(k / 2, 0.5, k % 2 == 0) for k in range(phrase.bar * 2)],
        mask(rng, phrase.bar, 2, 0.5),
        mask(rng, phrase.bar, 4, 0.35),
    ][int(rng.integers(4))]
    gate = float(rng.uniform(0.6, 1.0))
    notes: list[Note] = []
    for start, end, chord in _strikes(phrase, hits):
        loud, stop = int(80 + 28 * phrase.energy), start + (end - start) * gate
        notes += stroke(start, stop - start, _power(chord, octave), loud, False, 0.015, rng)
    return notes


def _strikes(phrase: Phrase, hits: list[Hit]) -> list[tuple[float, float, Chord]]:
    """Return (start, end, chord) of a bar's hits over all bars, struck anew at chord changes."""
    starts = {bar + h.beat for bar in phrase.bars() for h in hits}
    starts |= {a for a, _, _ in phrase.spans()}
    ordered = sorted(s for s in starts if s < phrase.end - 1e-6)
    return [
        (a, b, phrase.chord_at(a)) for a, b in zip(ordered, [*ordered[1:], phrase.end], strict=True)
    ]


def chug(phrase: Phrase, rng: Rng) -> list[Note]:
    """Chug on the low root, palm-muted, with open accents."""
    cells = ((0.0, 0.5), (0.0, 0.25, 0.5, 0.75), (0.0, 0.5, 0.75), (0.0, 0.25, 0.5))
    cell = cells[int(rng.integers(len(cells)))]
    accents = {h.beat for h in mask(rng, phrase.bar, 2, 0.25)}
    notes: list[Note] = []
    for bar in phrase.bars():
        for beat in (b + c for b in range(phrase.bar) for c in cell):
            chord, loud = phrase.chord_at(bar + beat), int(80 + 25 * phrase.energy)
            if beat in accents:
                notes += stroke(bar + beat, 0.45, _power(chord, True), loud + 8, False, 0.01, rng)
            else:
                pitches = _power(chord, False)[: int(rng.integers(1, 3))]
                notes += stroke(bar + beat, 0.11, pitches, loud - 8, False, 0.005, rng)
    return notes


_PICKS = ("02324232", "01234321", "03243423", "0242", "02430243", "021", "023432", "05342534")


def pick(phrase: Phrase, rng: Rng) -> list[Note]:
    """Pick the chord's strings one by one; they ring until the chord changes."""
    order = _PICKS[int(rng.integers(len(_PICKS)))]
    step = 1 / 3 if phrase.triplet else float(rng.choice([0.5, 0.5, 0.25]))
    position, held = int(rng.choice([0, 0, 3, 5, 7])), rng.random() < 0.7
    notes = []
    for start, end, chord in phrase.spans():
        strings = shape(chord, position)
        for k in range(round((end - start) / step)):
            beat = start + k * step
            pitch = strings[min(int(order[k % len(order)]), len(strings) - 1)]
            stop = min(end, beat + (2.0 if held else step)) - 0.02
            loud = 66 + 20 * phrase.energy
            notes.append(Note(beat, stop, pitch, velocity(rng, loud, k % len(order) == 0)))
    return notes


def travis(phrase: Phrase, rng: Rng) -> list[Note]:
    """Alternate the thumb on the bass strings under a picked treble."""
    treble = mask(rng, phrase.bar, 2, 0.6, first=False)
    notes = []
    for bar in phrase.bars():
        for beat in range(phrase.bar):
            strings = shape(phrase.chord_at(bar + beat), 0)
            pitch = strings[0 if beat % 2 == 0 else min(1, len(strings) - 1)]
            notes.append(Note(bar + beat, bar + beat + 0.95, pitch, velocity(rng, 80, beat == 0)))
        for hit in treble:
            strings = shape(phrase.chord_at(bar + hit.beat), 0)[2:] or [64]
            pitch = strings[int(rng.integers(len(strings)))]
            start = bar + hit.beat
            notes.append(Note(start, start + 1.0, pitch, velocity(rng, 74, False)))
    return notes


def skank(phrase: Phrase, rng: Rng) -> list[Note]:
    """Cut short chords off the beat (reggae, ska, some funk)."""
    delay = float(rng.choice([0.5, 0.5, 1.0]))
    position, length = int(rng.choice([5, 7])), float(rng.uniform(0.1, 0.25))
    notes: list[Note] = []
    for bar in phrase.bars():
        beats = [b + 0.5 for b in range(phrase.bar)] if delay == 0.5 else range(1, phrase.bar, 2)
        for beat in beats:
            chord = shape(phrase.chord_at(bar + beat), position)[-4:]
            notes += stroke(bar + beat, length, chord, 84, True, 0.03, rng)
    return notes


def scratch(phrase: Phrase, rng: Rng) -> list[Note]:
    """Scratch sixteenths on high strings, some sounded and the rest muted."""
    sounded = {h.beat for h in mask(rng, phrase.bar, 4, 0.3)}
    muted = float(rng.uniform(0.2, 0.8))
    notes: list[Note] = []
    for bar in phrase.bars():
        for k in range(phrase.bar * 4):
            beat = bar + k / 4
            chord = shape(phrase.chord_at(beat), 5)[-4:]
            if k / 4 in sounded:
                notes += stroke(beat, 0.22, chord, 90, k % 2 == 1, 0.02, rng)
            elif rng.random() < muted:
                notes += stroke(beat, 0.05, chord, 56, k % 2 == 1, 0.01, rng)
    return notes


def comp(phrase: Phrase, rng: Rng) -> list[Note]:
    """Comp in jazz: four to the bar, or short syncopated chords."""
    four = rng.random() < 0.4
    hits = [Hit(float(b), 1.0, b % 2 == 1) for b in range(phrase.bar)]
    notes: list[Note] = []
    for bar in phrase.bars():
        row = hits if four else mask(rng, phrase.bar, 2, 0.35, first=False)
        for hit in row:
            chord = shape(phrase.chord_at(bar + hit.beat), 5)[-4:]
            length = 0.6 if four else float(rng.choice([0.3, 0.9, 1.4]))
            loud = 72 + (6 if hit.accent else 0)
            notes += stroke(bar + hit.beat, length, chord, loud, False, 0.02, rng)
    return notes


def riff(phrase: Phrase, rng: Rng) -> list[Note]:
    """Repeat a low figure of one or two bars, moved to each chord's root."""
    bars = int(rng.choice([1, 2]))
    hits = mask(rng, phrase.bar * bars, int(rng.choice([2, 4])), float(rng.uniform(0.35, 0.6)))
    steps = [0, *(int(rng.choice([0, 0, 1, 2, 3, 4, 5])) for _ in hits[1:])]
    double, notes = rng.random() < 0.3, []
    for index, bar in enumerate(phrase.bars()):
        for hit, step in zip(hits, steps, strict=True):
            beat = bar + hit.beat - (index % bars) * phrase.bar
            if not bar <= beat < bar + phrase.bar - 1e-6:
                continue
            pitch = _riff_pitch(phrase, phrase.chord_at(beat), step)
            stop = min(beat + min(hit.length, 2.0) * 0.9, phrase.end)
            notes.append(Note(beat, stop, pitch, velocity(rng, 92, hit.accent)))
            if double:
                notes.append(Note(beat, stop, pitch + 7, velocity(rng, 84, hit.accent)))
    return notes


def _riff_pitch(phrase: Phrase, chord: Chord, step: int) -> int:
    root = nearest(chord.root, 46, LOW, 55)
    scale = [c for c in scale_at(phrase.key, chord) if (c - chord.root) % 12 not in (1, 6, 11)]
    rising = sorted((c - chord.root) % 12 for c in scale)
    return root + rising[step % len(rising)]


PLAYERS: dict[str, Player] = {
    f.__name__: f
    for f in (strum, ring, power, chug, pick, travis, skank, scratch, comp, riff)
}  # fmt: skip
