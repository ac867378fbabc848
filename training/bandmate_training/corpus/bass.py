"""Bass lines: each player is a function from a phrase to notes.

Whatever the style, a chord's first note is its bass note and strong beats carry chord notes.
"""

from __future__ import annotations

from collections.abc import Callable

from bandmate_training.corpus.harmony import nearest, scale_at
from bandmate_training.corpus.rhythm import Hit, mask, velocity
from bandmate_training.corpus.score import Chord, Note, Phrase, Rng

LOW, HIGH = 28, 55  # MIDI
Player = Callable[[Phrase, Rng], list[Note]]


def _home(rng: Rng) -> float:
    return float(rng.uniform(33, 42))


def _root(chord: Chord, home: float) -> int:
    return nearest(chord.bass, home, LOW, 46)


def _fifth(chord: Chord, root: int) -> int:
    pitch = root + (chord.fifth if chord.bass == chord.root else 12)
    return pitch if pitch <= 50 else pitch - 12


def _token(token: str, chord: Chord, root: int) -> int:
    """Return the pitch of a step of a pattern: R, 3, 5, 8 (octave), 7 (the chord's last note)."""
    base = root if chord.bass == chord.root else nearest(chord.root, root, LOW, 46)
    steps = {"3": chord.third, "5": chord.fifth, "7": chord.intervals[-1]}
    pitch = root + 12 if token == "8" else base + steps[token] if token in steps else root
    return pitch if pitch <= HIGH else pitch - 12


def _pattern(
    phrase: Phrase, rng: Rng, hits: list[Hit], tokens: str, gate: float, home: float
) -> list[Note]:
    """Play one bar's rhythm over every bar; `tokens` are cycled, chord changes take the root."""
    notes = []
    for bar in phrase.bars():
        last: Chord | None = None
        for index, hit in enumerate(hits):
            beat = bar + hit.beat
            if beat >= phrase.end - 1e-6:
                break
            chord = phrase.chord_at(beat)
            token = "R" if chord is not last else tokens[index % len(tokens)]
            pitch = _token(token, chord, _root(chord, home))
            end = min(beat + hit.length * gate, phrase.end)
            notes.append(Note(beat, end, pitch, velocity(rng, 88, hit.accent)))
            last = chord
    return notes


def roots(phrase: Phrase, rng: Rng) -> list[Note]:
    """Repeat the root in quarters, eighths or (slowly) sixteenths."""
    step = float(rng.choice([1.0, 0.5, 0.5, 0.5])) if not phrase.triplet else 1.0
    hits = [Hit(b * step, step, b % 2 == 0) for b in range(round(phrase.bar / step))]
    tokens = str(rng.choice(["R", "R", "R", "RRR5", "RRRRRR58"]))
    return _pattern(phrase, rng, hits, tokens, float(rng.uniform(0.55, 1.0)), _home(rng))


def whole(phrase: Phrase, rng: Rng) -> list[Note]:
    """Hold the root of every chord."""
    home = _home(rng)
    return [
        Note(a, b - 0.03, _root(chord, home), velocity(rng, 84, True))
        for a, b, chord in phrase.spans()
    ]


def root_fifth(phrase: Phrase, rng: Rng) -> list[Note]:
    """Play root and fifth on the strong beats, with pick-ups now and then."""
    home, notes = _home(rng), []
    pickup = float(rng.choice([0.0, 0.15, 0.4]))
    for start, end, chord in phrase.spans():
        root = _root(chord, home)
        half = 2.0 if phrase.bar % 2 == 0 else float(phrase.bar)
        beats = [start + half * k for k in range(max(1, round((end - start) / half)))]
        for k, beat in enumerate(beats):
            pitch = root if k % 2 == 0 else _fifth(chord, root)
            stop = min(beat + half, end)
            lift = rng.random() < pickup and stop - beat > 1.4
            notes.append(Note(beat, stop - (0.6 if lift else 0.1), pitch, velocity(rng, 86, True)))
            if lift:
                notes.append(Note(stop - 0.5, stop - 0.05, pitch, velocity(rng, 76, False)))
    return notes


def octave(phrase: Phrase, rng: Rng) -> list[Note]:
    """Jump between root and octave in eighths, as disco does."""
    hits = [Hit(b / 2, 0.5, b % 2 == 1) for b in range(phrase.bar * 2)]
    tokens = str(rng.choice(["R8", "R8", "R8R85857", "RR88"]))
    return _pattern(phrase, rng, hits, tokens, float(rng.uniform(0.5, 0.95)), _home(rng))


def offbeat(phrase: Phrase, rng: Rng) -> list[Note]:
    """Play between the bass drum's beats (house)."""
    hits = [Hit(b + 0.5, 0.5, True) for b in range(phrase.bar)]
    if rng.random() < 0.4:
        hits = sorted(hits + [Hit(b + 0.75, 0.25, False) for b in range(phrase.bar)])
    return _pattern(phrase, rng, hits, "R", float(rng.uniform(0.6, 0.95)), _home(rng))


def arpeggio(phrase: Phrase, rng: Rng) -> list[Note]:
    """Break the chord in eighths or quarters."""
    step = float(rng.choice([0.5, 1.0]))
    hits = [Hit(b * step, step, b == 0) for b in range(round(phrase.bar / step))]
    tokens = str(rng.choice(["R358", "R5858353", "R535", "R585", "R3535787"]))
    return _pattern(phrase, rng, hits, tokens, float(rng.uniform(0.7, 1.0)), _home(rng))


def groove(phrase: Phrase, rng: Rng) -> list[Note]:
    """Repeat a syncopated bar drawn for this phrase."""
    hits = mask(rng, phrase.bar, 4, float(rng.uniform(0.25, 0.5)))
    tokens = "R" + "".join(str(rng.choice(list("RRRRR5587"))) for _ in range(len(hits) - 1))
    return _pattern(phrase, rng, hits, tokens, float(rng.uniform(0.5, 0.95)), _home(rng))


def kick(phrase: Phrase, rng: Rng) -> list[Note]:
    """Follow the bass drum; a passing note leads into the next chord."""
    home, notes = _home(rng), []
    starts = sorted({a for a, _, _ in phrase.spans()} | set(phrase.kicks))
    gate = float(rng.uniform(0.6, 1.0))
    for beat, stop in zip(starts, [*starts[1:], phrase.end], strict=True):
        chord = phrase.chord_at(beat)
        tone = _root(chord, home)
        if beat - chord.start > 0.1 and rng.random() < 0.15:
            tone = _fifth(chord, tone)
        length = max(min(stop - beat, 2.0) * gate, 0.1)
        notes.append(Note(beat, beat + length, tone, velocity(rng, 90, beat % 1 == 0)))
    return notes


def walk(phrase: Phrase, rng: Rng) -> list[Note]:
    """Walk in quarters: chord notes, then a step into the next chord's bass note."""
    home, notes = _home(rng) + 3, []
    pitch = float(_root(phrase.chords[0], home))
    for start, end, chord in phrase.spans():
        count = max(1, round(end - start))
        goal = _root(phrase.chord_at(end), (pitch + home) / 2)
        for k in range(count):
            pitch = _step(phrase, chord, rng, k, count, pitch, goal, home)
            beat = start + k
            notes.append(Note(beat, beat + 0.92, int(pitch), velocity(rng, 86, k % 2 == 0)))
            if rng.random() < 0.08:
                notes[-1] = Note(beat, beat + 0.5, int(pitch), 84)
                notes.append(Note(beat + 0.5, beat + 0.9, int(pitch), velocity(rng, 66, False)))
    return notes


def _step(
    phrase: Phrase, chord: Chord, rng: Rng, k: int, count: int, pitch: float, goal: int, home: float
) -> int:
    if k == 0:
        return nearest(chord.bass, (pitch + home) / 2, LOW, 50)
    if k == count - 1:
        near = int(goal + rng.choice([-1, 1, -2, 2]))
        return min(max(near, LOW), HIGH)
    classes = chord.classes if k % 2 == 0 else tuple(scale_at(phrase.key, chord))
    drift = pitch + float(rng.choice([-3, 3, 4, -4])) + (home - pitch) * 0.2
    options = [p for p in range(LOW, 53) if p % 12 in {c % 12 for c in classes} and p != pitch]
    return min(options, key=lambda p: abs(p - drift))


def tumbao(phrase: Phrase, rng: Rng) -> list[Note]:
    """Play the Latin bass: the fifth before beat 3, the next root a beat early."""
    home, notes = _home(rng), []
    for index, bar in enumerate(phrase.bars()):
        chord, after = phrase.chord_at(bar), phrase.chord_at(bar + phrase.bar)
        root = _root(chord, home)
        if index == 0 or chord is not phrase.chord_at(bar - 1):
            notes.append(Note(bar, bar + 1.3, root, velocity(rng, 88, True)))
        middle = phrase.chord_at(bar + 1.5)
        notes.append(Note(bar + 1.5, bar + 2.8, _fifth(middle, _root(middle, home)), 88))
        if phrase.bar > 3 and bar + 3 < phrase.end - 0.5:
            same = after.bass == phrase.chord_at(bar + 3).bass
            pitch = _root(after, home) if same else _root(phrase.chord_at(bar + 3), home)
            notes.append(Note(bar + 3, bar + 3.9, pitch, velocity(rng, 90, True)))
    return notes


def bossa(phrase: Phrase, rng: Rng) -> list[Note]:
    """Play dotted root and fifth."""
    hits = [Hit(0.0, 1.5, True), Hit(1.5, 0.5, False), Hit(2.0, 1.5, True), Hit(3.5, 0.5, False)]
    hits = [h for h in hits if h.beat < phrase.bar]
    return _pattern(phrase, rng, hits, str(rng.choice(["RR55", "R55R"])), 0.92, _home(rng))


def boogie(phrase: Phrase, rng: Rng) -> list[Note]:
    """Climb and fall through the chord: root, third, fifth, sixth and back."""
    home, notes = _home(rng), []
    steps = ((0, 4, 7, 9, 10, 9, 7, 4), (0, 0, 7, 7, 9, 9, 7, 7), (0, 12, 7, 10))
    row = steps[int(rng.integers(3))]
    step = float(rng.choice([1.0, 0.5]))
    for start, end, chord in phrase.spans():
        root = _root(chord, home)
        for k in range(max(1, round((end - start) / step))):
            interval = chord.third if row[k % len(row)] == 4 else row[k % len(row)]
            beat = start + k * step
            pitch = min(root + interval, HIGH)
            notes.append(Note(beat, beat + step * 0.9, pitch, velocity(rng, 88, k % 2 == 0)))
    return notes


def slap(phrase: Phrase, rng: Rng) -> list[Note]:
    """Thumb the root, pop the octave, with dead notes between."""
    home, notes = _home(rng), []
    hits = mask(rng, phrase.bar, 4, 0.45)
    kinds = ["R", *(str(rng.choice(list("R88gg7"))) for _ in hits[1:])]
    for bar in phrase.bars():
        for hit, kind in zip(hits, kinds, strict=True):
            beat = bar + hit.beat
            chord = phrase.chord_at(beat)
            root = _root(chord, home)
            if kind == "g":
                notes.append(Note(beat, beat + 0.06, root, int(rng.integers(45, 62))))
                continue
            accent = 104 if kind == "8" else 90
            length = hit.length * (0.45 if kind == "8" else 0.8)
            pitch = _token(kind, chord, root)
            notes.append(Note(beat, beat + length, pitch, velocity(rng, accent, hit.accent)))
    return notes


def pedal(phrase: Phrase, rng: Rng) -> list[Note]:
    """Drive eighths or gallops on the root."""
    gallop = rng.random() < 0.4
    hits = []
    for beat in range(phrase.bar):
        steps = ((0.0, 0.5), (0.5, 0.25), (0.75, 0.25)) if gallop else ((0.0, 0.5), (0.5, 0.5))
        hits += [Hit(beat + a, b, a == 0) for a, b in steps]
    return _pattern(phrase, rng, hits, "R", float(rng.uniform(0.6, 0.9)), _home(rng) - 3)


def sparse(phrase: Phrase, rng: Rng) -> list[Note]:
    """Play few notes and much air, as dub does."""
    hits = mask(rng, phrase.bar, 2, 0.4)
    tokens = "R" + "".join(str(rng.choice(list("R5R3"))) for _ in hits)
    return _pattern(phrase, rng, hits, tokens, float(rng.uniform(0.5, 0.8)), _home(rng))


PLAYERS: dict[str, Player] = {
    f.__name__: f
    for f in (
        roots, whole, root_fifth, octave, offbeat, arpeggio, groove, kick, walk, tumbao, bossa,
        boogie, slap, pedal, sparse,
    )
}  # fmt: skip
