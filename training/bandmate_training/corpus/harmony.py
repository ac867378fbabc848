"""Chords and scales: names to pitches, voicings that move little."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from bandmate_training.corpus.score import Chord, Key

NOTES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
NAMES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
ROMAN = {"i": 0, "ii": 2, "iii": 4, "iv": 5, "v": 7, "vi": 9, "vii": 11}

QUALITIES: dict[str, tuple[int, ...]] = {
    "maj": (0, 4, 7),
    "min": (0, 3, 7),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "5": (0, 7),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "sus4(b7)": (0, 5, 7, 10),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "min7": (0, 3, 7, 10),
    "minmaj7": (0, 3, 7, 11),
    "dim7": (0, 3, 6, 9),
    "hdim7": (0, 3, 6, 10),
    "maj6": (0, 4, 7, 9),
    "min6": (0, 3, 7, 9),
    "add9": (0, 2, 4, 7),
    "min9": (0, 2, 3, 7, 10),
    "maj9": (0, 2, 4, 7, 11),
    "9": (0, 2, 4, 7, 10),
    "13": (0, 4, 7, 9, 10),
    "7b9": (0, 1, 4, 7, 10),
    "7#9": (0, 3, 4, 7, 10),
}
SUFFIXES = {
    "M7": "maj7",
    "o": "dim",
    "o7": "dim7",
    "ø": "hdim7",
    "ø7": "hdim7",
    "+": "aug",
    "6": "maj6",
}
SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "harmonic": (0, 2, 3, 5, 7, 8, 11),
    "blues": (0, 3, 5, 6, 7, 10),
}
MMA_NAMES = {
    "maj": "", "min": "m", "maj7": "M7", "min7": "m7", "minmaj7": "mM7", "hdim7": "m7b5",
    "maj6": "6", "min6": "m6", "add9": "add9", "min9": "m9", "maj9": "M9", "sus4(b7)": "7sus4",
}  # fmt: skip

_ROMAN = re.compile(r"^([b#]?)([ivIV]+)([^/]*)(?:/([b#]?\d))?$")
_SYMBOL = re.compile(r"^([A-G][b#]?):([^/]+)(?:/([b#]?\d+))?$")


def make_key(tonic: int, mode: str) -> Key:
    """Return the key of a tonic (pitch class) and a mode of `SCALES`."""
    return Key(tonic % 12, SCALES[mode], f"{NAMES[tonic % 12]} {mode}")


def make_chord(start: float, end: float, root: int, quality: str, bass: int = 0) -> Chord:
    """Return a chord; `bass` is its lowest note in semitones above the root."""
    root %= 12
    name = f"{NAMES[root]}:{quality}" + (f"/{NAMES[(root + bass) % 12]}" if bass else "")
    return Chord(start, end, root, QUALITIES[quality], (root + bass) % 12, name)


def transpose(chord: Chord, semitones: int) -> Chord:
    """Return the chord moved by some semitones."""
    quality = chord.name.split(":")[1].split("/")[0]
    return make_chord(
        chord.start, chord.end, chord.root + semitones, quality, (chord.bass - chord.root) % 12
    )


def parse_roman(numeral: str) -> tuple[int, str, int]:
    """Return (semitones above the tonic, quality, bass above the root) of e.g. `bVIImaj7/3`.

    Raises:
        ValueError: if the numeral cannot be read.
    """
    match = _ROMAN.match(numeral)
    if not match or match[2].lower() not in ROMAN:
        raise ValueError(f"not a roman numeral: {numeral!r}")
    minor, suffix = match[2].islower(), match[3]
    quality = SUFFIXES.get(suffix, suffix)
    if not quality:
        quality = "min" if minor else "maj"
    elif minor and quality in ("7", "9", "maj6"):
        quality = {"7": "min7", "9": "min9", "maj6": "min6"}[quality]
    degree = ROMAN[match[2].lower()] + {"b": -1, "#": 1, "": 0}[match[1]]
    return degree % 12, quality, _bass_interval(match[4], quality)


def parse_symbol(symbol: str) -> tuple[int, str, int] | None:
    """Return (root, quality, bass above the root) of POP909's `Bb:min7/b7`; None for `N`.

    Raises:
        ValueError: if the symbol cannot be read.
    """
    if symbol == "N":
        return None
    match = _SYMBOL.match(symbol)
    if not match or match[2] not in QUALITIES:
        raise ValueError(f"not a chord symbol: {symbol!r}")
    root = (NOTES[match[1][0]] + {"b": -1, "#": 1}.get(match[1][1:], 0)) % 12
    return root, match[2], _bass_interval(match[3], match[2])


def _bass_interval(degree: str | None, quality: str) -> int:
    if not degree:
        return 0
    if degree == "3":
        return next((i for i in QUALITIES[quality] if i in (3, 4)), 0)
    shift = {"b": -1, "#": 1}.get(degree[0], 0)
    return (0, 2, 4, 5, 7, 9, 11, 0, 2)[int(degree.lstrip("b#")) - 1] + shift


def mma_name(chord: Chord) -> str:
    """Return the chord as MMA writes it, its bass after a slash."""
    quality = chord.name.split(":")[1].split("/")[0]
    name = NAMES[chord.root] + MMA_NAMES.get(quality, quality)
    return name if chord.bass == chord.root else f"{name}/{NAMES[chord.bass]}"


def nearest(pitch_class: int, around: float, low: int, high: int) -> int:
    """Return the pitch of a class that is nearest to `around` within low..high."""
    options = [p for p in range(low, high + 1) if p % 12 == pitch_class % 12]
    return min(options, key=lambda p: (abs(p - around), p))


def voice(classes: Sequence[int], previous: Sequence[int], centre: int, count: int) -> list[int]:
    """Return a close voicing near the previous one, or near `centre` (MIDI) without one.

    Args:
        classes: pitch classes, root first.
        previous: the last voicing's pitches, may be empty.
        centre: MIDI pitch that the voicing's middle stays around.
        count: how many notes; classes repeat an octave up as needed.
    """
    goal = (sum(previous) / len(previous) + centre) / 2 if previous else float(centre)
    stack = sorted({c % 12 for c in classes})
    best: list[int] = []
    for turn in range(len(stack)):
        rising = _rise([stack[(turn + k) % len(stack)] for k in range(count)])
        for octave in range(2, 7):
            pitches = [p + 12 * octave for p in rising]
            if not best or _off(pitches, goal) < _off(best, goal):
                best = pitches
    return best


def _rise(classes: Iterable[int]) -> list[int]:
    pitches: list[int] = []
    for pitch in classes:
        while pitches and pitch <= pitches[-1]:
            pitch += 12
        pitches.append(pitch)
    return pitches


def _off(pitches: Sequence[int], goal: float) -> float:
    return abs(sum(pitches) / len(pitches) - goal)


def rootless(chord: Chord) -> tuple[int, ...]:
    """Return a jazz player's colour tones: third, seventh and a tension (pitch classes)."""
    seventh = chord.intervals[-1] if len(chord.intervals) > 3 else 9
    tension = 2 if chord.fifth == 7 else chord.fifth
    fifth = chord.fifth
    return tuple(
        dict.fromkeys((chord.root + i) % 12 for i in (chord.third, fifth, seventh, tension))
    )


def scale_at(key: Key, chord: Chord) -> list[int]:
    """Return the pitch classes that suit a chord in a key, ascending.

    Scale notes a semitone beside a chord note that is foreign to the key give way to it.
    """
    tones = set(chord.classes)
    foreign = tones - key.classes
    clash = {(t + d) % 12 for t in foreign for d in (-1, 1)} - tones
    return sorted(tones | (set(key.classes) - clash))


def find_key(chords: Sequence[Chord]) -> Key:
    """Return the major or minor key whose scale holds most of the chords' notes."""
    weight = np.zeros(12)
    for chord in chords:
        for place, tone in enumerate(chord.classes):
            weight[tone] += (chord.end - chord.start) * (1.5 if place == 0 else 1.0)
    scores = {
        (tonic, mode): sum(weight[c] for c in make_key(tonic, mode).classes) + 0.7 * weight[tonic]
        for tonic in range(12)
        for mode in ("major", "minor")
    }
    tonic, mode = max(scores, key=lambda k: scores[k])
    return make_key(tonic, mode)


def cut(chords: Sequence[Chord], start: float, end: float, key: Key) -> tuple[Chord, ...]:
    """Return the chords of start..end without gaps."""
    inside = [c for c in chords if c.end > start + 1e-6 and c.start < end - 1e-6]
    if not inside:
        quality = "min" if key.name.endswith("minor") else "maj"
        return (make_chord(start, end, key.tonic, quality),)
    starts = [start, *(c.start for c in inside[1:])]
    return tuple(
        make_chord(a, b, c.root, c.name.split(":")[1].split("/")[0], (c.bass - c.root) % 12)
        for a, b, c in zip(starts, [*starts[1:], end], inside, strict=True)
    )


def moved(chord: Chord, beats: float) -> Chord:
    """Return the chord some beats later."""
    return Chord(chord.start + beats, chord.end + beats, chord.root, chord.intervals, chord.bass,
                 chord.name)  # fmt: skip
