"""POP909 songs: real chords, melodies and human piano, with our band around them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bandmate_server.spec import OTHER
from bandmate_training.corpus import lead
from bandmate_training.corpus.arrange import LEAD_SOUNDS, VOICE_LIKE, band, within
from bandmate_training.corpus.harmony import cut, find_key, make_key, moved
from bandmate_training.corpus.pop909_files import (
    Library,
    first_bar,
    read_beats,
    read_chords,
    read_notes,
    to_beats,
)
from bandmate_training.corpus.score import (
    Chord,
    Clock,
    FloatArray,
    Key,
    Note,
    Part,
    Rng,
    Section,
    Skeleton,
    Song,
)
from bandmate_training.corpus.styles import STYLES, Style

SUITED = ("pop", "rock", "ballad", "soul", "folk", "half-time", "hiphop", "disco", "reggae",
          "house", "country", "funk")  # fmt: skip


def compose(rng: Rng, library: Library, song: str, seconds: float) -> Song:
    """Arrange an excerpt of about `seconds` from a song, in a random key and tempo."""
    shift = int(rng.integers(-6, 6))
    times, bar = read_beats(library.read(song, "beat_midi.txt").decode())
    text = library.read(song, "chord_midi.txt").decode()
    times = times[first_bar(read_chords(text, to_beats(times), 0), bar) :]
    tempo, stretch = _tempo(rng, 60 / float(np.median(np.diff(times))))
    bars = max(8, round(seconds * tempo / 60 / bar))
    start = int(rng.integers(0, max(1, len(times) // bar - bars))) * bar
    end = start + min(bars * bar, (len(times) - 1 - start) // bar * bar)
    chords = read_chords(text, to_beats(times), shift)
    key = find_key(cut(chords, start, end, make_key(0, "major")))
    chords = [moved(c, -start) for c in cut(chords, start, end, key)]
    clock = Clock((times[start : end + 1] - times[start]) * stretch)
    skeleton = _sections(rng, clock, bar, chords, key, end - start)
    notes = read_notes(library.read(song, f"{song}.mid"))
    tracks = {n: _place(r, times, start, end, shift) for n, r in notes.items()}
    style = _style(rng, skeleton, tempo)
    parts = band(rng, skeleton, style, _given(rng, tracks, skeleton), other=0.1)
    return Song("pop909", song, clock, bar, key, chords, parts, skeleton.end)


def _tempo(rng: Rng, tempo: float) -> tuple[float, float]:
    """Return a tempo near the song's, within 56..180, and the stretch of its seconds."""
    wanted = min(max(tempo * float(rng.uniform(0.86, 1.16)), 56.0), 180.0)
    return wanted, tempo / wanted


def _place(
    rows: Sequence[tuple[float, float, int, int]],
    times: FloatArray,
    start: int,
    end: int,
    shift: int,
) -> list[Note]:
    """Move a track into the excerpt: beats from its start, transposed."""
    convert = to_beats(times)
    notes = []
    for a, b, pitch, loud in rows:
        low, high = convert(a) - start, min(convert(b), end) - start
        if -0.05 <= low < end - start - 0.05 and high > low:
            notes.append(Note(max(low, 0.0), high, pitch + shift, loud))
    return notes


def _sections(
    rng: Rng, clock: Clock, bar: int, chords: list[Chord], key: Key, beats: int
) -> Skeleton:
    """Cut an excerpt into sections of four or eight bars, with energies of their own."""
    size = int(rng.choice([4, 8, 8])) * bar
    starts = list(range(0, beats, size))
    if len(starts) > 1 and beats - starts[-1] < 2 * bar:
        starts.pop()
    kinds = ["verse", "chorus", "bridge"]
    sections = []
    for start, stop in zip(starts, [*starts[1:], beats], strict=True):
        kind = str(rng.choice(kinds))
        energy = {"verse": 0.45, "chorus": 0.85, "bridge": 0.65}[kind] + float(rng.normal(0, 0.12))
        energy = float(np.clip(energy, 0.05, 1.0))
        sections.append(Section(kind, start, stop, energy, key, cut(chords, start, stop, key)))
    return Skeleton(clock, bar, tuple(sections))


def _style(rng: Rng, skeleton: Skeleton, tempo: float) -> Style:
    bar = 3 if skeleton.bar in (3, 6) else 4
    rows = [
        s for s in STYLES
        if s.bar == bar and not s.triplet and (bar == 3 or s.name in SUITED)
        and s.tempo[0] * 0.8 <= tempo <= s.tempo[1] * 1.2
    ] or [s for s in STYLES if s.bar == bar and not s.triplet]  # fmt: skip
    return rows[int(rng.integers(len(rows)))]


def _given(rng: Rng, tracks: dict[str, list[Note]], skeleton: Skeleton) -> list[Part]:
    """Hand the piano, the melody and the bridge to instruments, or drop them."""
    parts = []
    if rng.random() < 0.75 and tracks.get("PIANO"):
        parts.append(_piano(rng, tracks["PIANO"], skeleton))
    tune = tracks.get("MELODY", [])
    if tune and rng.random() < 0.45:
        parts.append(_tune(rng, tune, "melody"))
    if tracks.get("BRIDGE") and rng.random() < 0.25:
        parts.append(_tune(rng, tracks["BRIDGE"], "bridge"))
    return parts


def _piano(rng: Rng, notes: list[Note], skeleton: Skeleton) -> Part:
    playing = {i for i in range(len(skeleton.sections)) if rng.random() < 0.85} or {0}
    programs = (0, 1, 2, 3, 4, 5) if rng.random() < 0.9 else ()
    return Part("piano", within(notes, skeleton, playing), [], programs, "take", 0.2)


def _tune(rng: Rng, notes: list[Note], role: str) -> Part:
    """Give a tune to a voice-like instrument, a guitar, or the piano's right hand."""
    stem = str(rng.choice([OTHER, "guitar"], p=[0.4, 0.6]))
    sounds = VOICE_LIKE if stem == OTHER else LEAD_SOUNDS
    low = 52 if stem == "guitar" else 55
    line = [Note(n.start, n.end, _inside(n.pitch, low, 86), n.velocity) for n in notes]
    line = lead.single(line)
    return Part(
        stem, line, lead.expression(line, rng, float(rng.uniform(0, 0.3))), sounds, role, 0.3
    )


def _inside(pitch: int, low: int, high: int) -> int:
    while pitch < low:
        pitch += 12
    while pitch > high:
        pitch -= 12
    return pitch
