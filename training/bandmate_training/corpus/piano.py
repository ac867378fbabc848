"""Piano playing: blocks, arpeggios, ballads, stride, montuno, comping, ostinati."""

from __future__ import annotations

from collections.abc import Callable

from bandmate_training.corpus.harmony import nearest, rootless, voice
from bandmate_training.corpus.rhythm import Hit, mask, velocity
from bandmate_training.corpus.score import Chord, Note, Phrase, Rng

LOW, HIGH = 24, 100  # MIDI
Player = Callable[[Phrase, Rng], list[Note]]


def _chord(start: float, end: float, pitches: list[int], loud: float, rng: Rng) -> list[Note]:
    """Strike a chord, its top note a little louder."""
    top = max(pitches)
    return [Note(start, end, p, velocity(rng, loud, p == top, 4)) for p in pitches]


def _loud(phrase: Phrase) -> float:
    return 62 + 32 * phrase.energy


def _bass(chord: Chord) -> int:
    return nearest(chord.bass, 40, 29, 50)


def _left(phrase: Phrase, rng: Rng, kind: int) -> list[Note]:
    """Play the left hand: nothing, held octaves, root-fifth-octave, or pulses."""
    notes: list[Note] = []
    for start, end, chord in phrase.spans():
        root, loud = _bass(chord), _loud(phrase) - 4
        if kind == 1:
            notes += _chord(start, end - 0.05, [root, root - 12], loud, rng)
        elif kind == 2:
            steps = (0, chord.fifth, 12, chord.fifth)
            for k in range(round((end - start) * 2)):
                beat = start + k / 2
                pitch = root + steps[k % 4]
                notes.append(Note(beat, end - 0.05, pitch, velocity(rng, loud, k == 0)))
        elif kind == 3:
            for k in range(max(1, round(end - start))):
                beat = start + k
                notes.append(Note(beat, beat + 0.8, root, velocity(rng, loud, k == 0)))
    return notes


def block(phrase: Phrase, rng: Rng) -> list[Note]:
    """Play chords on a rhythm above a simple left hand."""
    held = [Hit(0.0, float(phrase.bar), True)]
    pulse = [Hit(float(b), 1.0, b % 2 == 0) for b in range(phrase.bar)]
    eighth = [Hit(b / 2, 0.5, b % 2 == 0) for b in range(phrase.bar * 2)]
    drawn = mask(rng, phrase.bar, 3 if phrase.triplet else 2, 0.5)
    hits = [held, pulse, eighth, drawn, drawn][int(rng.integers(5))]
    notes = _left(phrase, rng, int(rng.integers(4)))
    return notes + _right(phrase, rng, hits, float(rng.uniform(0.5, 1.0)))


def _right(phrase: Phrase, rng: Rng, hits: list[Hit], gate: float) -> list[Note]:
    centre, count, last = int(rng.integers(58, 70)), int(rng.choice([3, 3, 4])), list[int]()
    starts = {bar + h.beat for bar in phrase.bars() for h in hits}
    starts |= {a for a, _, _ in phrase.spans()}
    ordered = sorted(s for s in starts if s < phrase.end - 1e-6)
    notes: list[Note] = []
    for beat, stop in zip(ordered, [*ordered[1:], phrase.end], strict=True):
        last = voice(phrase.chord_at(beat).classes, last, centre, count)
        notes += _chord(beat, beat + (stop - beat) * gate, last, _loud(phrase), rng)
    return notes


def arpeggio(phrase: Phrase, rng: Rng) -> list[Note]:
    """Run through the chord, pedal down."""
    step = 1 / 3 if phrase.triplet else float(rng.choice([0.5, 0.25, 0.25]))
    span, centre = int(rng.choice([4, 5, 6, 8])), int(rng.integers(55, 70))
    fall, notes, last = (
        rng.random() < 0.6,
        _left(phrase, rng, int(rng.choice([0, 1, 1]))),
        list[int](),
    )
    for start, end, chord in phrase.spans():
        last = voice(chord.classes, last, centre, span)
        row = last + last[-2:0:-1] if fall else last
        for k in range(round((end - start) / step)):
            beat = start + k * step
            loud = velocity(rng, _loud(phrase) - 4, k % len(row) == 0)
            notes.append(Note(beat, min(end, beat + 2) - 0.03, row[k % len(row)], loud))
    return notes


def ballad(phrase: Phrase, rng: Rng) -> list[Note]:
    """Roll the left hand, place chords and a few melody notes in the right."""
    notes = _left(phrase, rng, 2)
    hits = mask(rng, phrase.bar, 1, 0.5)
    centre, last = int(rng.integers(62, 70)), list[int]()
    for start, end, chord in phrase.spans():
        last = voice(chord.classes, last, centre, 3)
        notes += _chord(start, end - 0.05, last, _loud(phrase) - 2, rng)
        for hit in hits:
            beat = start + hit.beat + 0.5
            if beat < end - 0.4 and rng.random() < 0.6:
                tone = nearest(int(rng.choice(chord.classes)), max(last) + 5, 60, 88)
                notes.append(Note(beat, end - 0.05, tone, velocity(rng, _loud(phrase), True)))
    return notes


def comp(phrase: Phrase, rng: Rng) -> list[Note]:
    """Comp with rootless voicings on syncopated beats that change from bar to bar."""
    rows = [mask(rng, phrase.bar, 2, float(rng.uniform(0.2, 0.5)), first=False) for _ in range(3)]
    centre, last, notes = int(rng.integers(58, 66)), list[int](), list[Note]()
    for bar in phrase.bars():
        for hit in rows[int(rng.integers(3))]:
            beat = bar + hit.beat
            last = voice(rootless(phrase.chord_at(beat + 0.4)), last, centre, 4)
            length = float(rng.choice([0.3, 0.45, 1.2]))
            notes += _chord(beat, min(beat + length, phrase.end), last, _loud(phrase), rng)
    return notes


def stride(phrase: Phrase, rng: Rng) -> list[Note]:
    """Alternate a low note and a chord, with syncopated right-hand chords above."""
    notes: list[Note] = []
    for bar in phrase.bars():
        for beat in range(phrase.bar):
            chord, now = phrase.chord_at(bar + beat), bar + beat
            if beat % 2 == 0 and not (phrase.bar == 3 and beat):
                low = _bass(chord) if beat % 4 == 0 else _bass(chord) - 5
                low = low if low % 12 in chord.classes else _bass(chord)
                notes.append(Note(now, now + 0.9, low, velocity(rng, _loud(phrase), True)))
            else:
                pitches = voice(chord.classes, [], 54, 3)
                notes += _chord(now, now + 0.5, pitches, _loud(phrase) - 8, rng)
    return notes + _right(phrase, rng, mask(rng, phrase.bar, 2, 0.4), 0.6)


def montuno(phrase: Phrase, rng: Rng) -> list[Note]:
    """Play the salsa piano: octaves and inner notes in a syncopated two-bar figure."""
    onsets = (0.0, 1.0, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5)
    if rng.random() < 0.5:
        onsets = (0.5, 1.5, 2.0, 3.0, 3.5, 4.5, 5.5, 6.5, 7.5)
    notes: list[Note] = []
    last: list[int] = []
    for index, bar in enumerate(phrase.bars()):
        row = [o - 4 for o in onsets if o >= 4] if index % 2 else [o for o in onsets if o < 4]
        for k, onset in enumerate(o for o in row if o < phrase.bar):
            beat = bar + onset
            last = voice(phrase.chord_at(beat + 0.4).classes, last, 64, 3)
            top = [last[-1], last[-1] + 12] if k % 2 == 0 else last[:2]
            notes += _chord(beat, min(beat + 0.45, phrase.end), top, _loud(phrase) + 4, rng)
    return notes


def stabs(phrase: Phrase, rng: Rng) -> list[Note]:
    """Stab chords off the beat or on a house rhythm."""
    grids = ((0.5, 1.5, 2.5, 3.5), (0.0, 0.75, 1.5, 2.5, 3.25), (0.0, 1.5, 3.0), (0.5, 1.25, 2.75))
    row = [b for b in grids[int(rng.integers(4))] if b < phrase.bar]
    centre, last, notes = int(rng.integers(60, 70)), list[int](), list[Note]()
    gate = float(rng.uniform(0.15, 0.6))
    for bar in phrase.bars():
        for onset in row:
            last = voice(phrase.chord_at(bar + onset).classes, last, centre, 4)
            notes += _chord(bar + onset, bar + onset + gate, last, _loud(phrase) + 4, rng)
    return notes


def ostinato(phrase: Phrase, rng: Rng) -> list[Note]:
    """Repeat a small figure of key notes while the harmony moves below."""
    step = float(rng.choice([0.5, 0.25, 0.75])) if not phrase.triplet else 1 / 3
    centre = int(rng.integers(64, 80))
    steps = [int(rng.choice([0, 1, 2, 4])) for _ in range(int(rng.choice([3, 4, 6, 8])))]
    notes = _left(phrase, rng, int(rng.choice([0, 1, 3])))
    for k in range(round((phrase.end - phrase.start) / step)):
        beat = phrase.start + k * step
        chord = phrase.chord_at(beat)
        row = voice(chord.classes, [], centre, 5)
        pitch = row[steps[k % len(steps)]]
        loud = velocity(rng, _loud(phrase) - 4, k % len(steps) == 0)
        notes.append(Note(beat, min(beat + step * 1.5, phrase.end), pitch, loud))
    return notes


def clav(phrase: Phrase, rng: Rng) -> list[Note]:
    """Play a funky two-hand sixteenth figure, low notes against chords."""
    hits = mask(rng, phrase.bar, 4, 0.55)
    high = [rng.random() < 0.5 for _ in hits]
    notes: list[Note] = []
    for bar in phrase.bars():
        for hit, up in zip(hits, high, strict=True):
            beat = bar + hit.beat
            chord = phrase.chord_at(beat)
            pitches = voice(chord.classes, [], 62, 3) if up else [_bass(chord) + 12]
            length = min(hit.length, 0.3)
            notes += _chord(beat, beat + length, pitches, _loud(phrase) + 4, rng)
    return notes


def pad(phrase: Phrase, rng: Rng) -> list[Note]:
    """Hold full chords, as one does on an electric piano."""
    centre, last, notes = int(rng.integers(56, 64)), list[int](), list[Note]()
    for start, end, chord in phrase.spans():
        last = voice(chord.classes, last, centre, 4)
        pitches = [_bass(chord), *last] if rng.random() < 0.6 else last
        notes += _chord(start, end - 0.05, pitches, _loud(phrase) - 4, rng)
    return notes


PLAYERS: dict[str, Player] = {
    f.__name__: f
    for f in (block, arpeggio, ballad, comp, stride, montuno, stabs, ostinato, clav, pad)
}  # fmt: skip
