"""Simutrans' music: finished MIDI songs, their channels sorted into stems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mido
import numpy as np
from mido.midifiles.meta import KeySignatureError

from bandmate_server.errors import CorpusError
from bandmate_server.spec import OTHER
from bandmate_training.corpus.arrange import active_sections, within
from bandmate_training.corpus.fluid import INSTALL
from bandmate_training.corpus.harmony import find_key, make_chord
from bandmate_training.corpus.instruments import fold, stem_of
from bandmate_training.corpus.score import (
    Chord,
    Clock,
    Key,
    Note,
    Part,
    Rng,
    Section,
    Skeleton,
    Song,
)  # fmt: skip

FOLDER = Path("/usr/share/games/simutrans/music")
PEDAL = 64  # controller number
PARTS = 10  # at most, the busiest


@dataclass(frozen=True)
class Midi:
    """A MIDI song: parts in beats from its start."""

    parts: list[Part]
    bar: int  # beats
    tempo: float  # beats per minute, the median
    end: float  # beats


def songs() -> tuple[Path, ...]:
    """Return the installed songs, in order.

    Raises:
        CorpusError: if there are none.
    """
    found = tuple(sorted(FOLDER.glob("*.mid")))
    if not found:
        raise CorpusError(f"Simutrans' music is missing from {FOLDER}: {INSTALL}")
    return found


def read(path: Path) -> Midi:
    """Read a MIDI file; notes are held by the pedal, bends are left out.

    Raises:
        CorpusError: if it is not a MIDI file that mido can read.
    """
    try:
        midi = mido.MidiFile(path)
    except (OSError, ValueError, EOFError, KeySignatureError) as error:
        raise CorpusError(f"cannot read {path.name}: {error}") from error
    hands, bar, tempi, now = _Hands(), 4, list[int](), 0.0
    for message in mido.merge_tracks(midi.tracks):
        now += message.time / midi.ticks_per_beat
        if message.type == "time_signature":
            bar = max(2, round(message.numerator * 4 / message.denominator))
        elif message.type == "set_tempo":
            tempi.append(message.tempo)
        elif not message.is_meta:
            hands.hear(message, now)
    parts = [_part(channel, program, notes) for (channel, program), notes in hands.notes.items()]
    parts = sorted(parts, key=lambda p: -len(p.notes))[:PARTS]
    return Midi(parts, bar, 60e6 / float(np.median(tempi or [500_000])), now)


class _Hands:
    """Sixteen channels at play: which keys are down, which ring on with the pedal."""

    def __init__(self) -> None:
        self.notes: dict[tuple[int, int], list[Note]] = {}  # by channel and program
        self._programs = [0] * 16
        self._pedals = [False] * 16
        self._down: dict[tuple[int, int], tuple[float, int]] = {}
        self._ringing: dict[tuple[int, int], tuple[float, int]] = {}

    def hear(self, message: Any, now: float) -> None:
        """Take one message at a beat."""
        if message.type == "program_change":
            self._programs[message.channel] = message.program
        elif message.type == "control_change" and message.control == PEDAL:
            self._pedal(message.channel, message.value >= 64, now)
        elif message.type in ("note_on", "note_off"):
            self._key(message, now)

    def _pedal(self, channel: int, down: bool, now: float) -> None:
        self._pedals[channel] = down
        if not down:
            for key in [k for k in self._ringing if k[0] == channel]:
                self._end(key, *self._ringing.pop(key), now)

    def _key(self, message: Any, now: float) -> None:
        key = (message.channel, message.note)
        strikes = message.type == "note_on" and message.velocity > 0
        if key in self._ringing:
            self._end(key, *self._ringing.pop(key), now)
        if key in self._down:
            if self._pedals[key[0]] and not strikes:
                self._ringing[key] = self._down.pop(key)
            else:
                self._end(key, *self._down.pop(key), now)
        if strikes:
            self._down[key] = (now, message.velocity)

    def _end(self, key: tuple[int, int], start: float, loud: int, now: float) -> None:
        row = self.notes.setdefault((key[0], self._programs[key[0]]), [])
        row.append(Note(start, max(now, start + 0.05), key[1], loud))


def _part(channel: int, program: int, notes: list[Note]) -> Part:
    stem = stem_of(program, channel == 9)
    folded = [replace(n, pitch=fold(n.pitch, stem)) for n in notes]
    return Part(stem, sorted(folded, key=lambda n: n.start), [], (program,), "midi", 0.5)


def listen(parts: Sequence[Part], start: float, end: float, step: float) -> list[Chord]:
    """Guess a major or minor triad for every `step` beats from the notes that sound."""
    notes = [n for p in parts if p.stem != "drums" for n in p.notes]
    chords: list[Chord] = []
    for beat in np.arange(start, end - 1e-6, step):
        weight = np.zeros(12)
        for note in notes:
            shared = min(note.end, beat + step) - max(note.start, beat)
            if shared > 0:
                weight[note.pitch % 12] += shared * (2 if note.pitch < 50 else 1)
        root, quality = max(
            ((r, q) for r in range(12) for q in ("maj", "min")),
            key=lambda c: sum(weight[p] for p in make_chord(0, 1, *c).classes) + weight[c[0]] / 2,
        )
        chords.append(make_chord(float(beat), float(beat + step), root, quality))
    return chords


def compose(rng: Rng, library: Sequence[Path], seconds: float) -> Song:
    """Take an excerpt of a song, transposed and a little faster or slower; stems rest."""
    path = library[int(rng.integers(len(library)))]
    midi = read(path)
    tempo = min(max(midi.tempo * float(rng.uniform(0.88, 1.14)), 56.0), 184.0)
    beats = round(seconds * tempo / 60 / midi.bar) * midi.bar
    first = min(n.start for p in midi.parts for n in p.notes) // midi.bar * midi.bar
    room = int(max(midi.end - first - beats, 0) // midi.bar)
    start = first + int(rng.integers(room + 1)) * midi.bar
    end = min(start + beats, midi.end // midi.bar * midi.bar)
    shift = int(rng.integers(-5, 6))
    parts = [_cut(p, start, end, shift) for p in midi.parts]
    parts = [p for p in parts if len(p.notes) > 3]
    skeleton = _skeleton(rng, parts, midi.bar, end - start, tempo)
    chosen = [p for p in _rest(rng, parts, skeleton) if p.notes]
    key = skeleton.sections[0].key
    return Song("simutrans", path.name, skeleton.clock, midi.bar, key, skeleton.chords, chosen,
                skeleton.end)  # fmt: skip


def _cut(part: Part, start: float, end: float, shift: int) -> Part:
    move = 0 if part.stem == "drums" else shift
    notes = [
        Note(n.start - start, min(n.end, end) - start, fold(n.pitch + move, part.stem), n.velocity)
        for n in part.notes
        if start - 1e-6 <= n.start < end - 0.05
    ]
    return replace(part, notes=notes)


def _skeleton(rng: Rng, parts: list[Part], bar: int, end: float, tempo: float) -> Skeleton:
    chords = listen(parts, 0.0, end, float(bar))
    key = find_key(chords)
    clock = Clock(np.arange(int(end) + 9) * 60 / tempo)
    size = int(rng.choice([4, 8])) * bar
    starts = list(np.arange(0.0, end - 1e-6, size))
    sections = [
        _section(float(a), float(b), key, chords)
        for a, b in zip(starts, [*starts[1:], end], strict=True)
    ]
    return Skeleton(clock, bar, tuple(sections))


def _section(start: float, end: float, key: Key, chords: list[Chord]) -> Section:
    inside = tuple(c for c in chords if start - 1e-6 <= c.start < end - 1e-6)
    return Section("song", start, end, 0.85, key, inside or (make_chord(start, end, 0, "maj"),))


def _rest(rng: Rng, parts: list[Part], skeleton: Skeleton) -> list[Part]:
    """Silence some stems in some sections; keep the rest of the orchestra in some songs."""
    stems = sorted({p.stem for p in parts} - {OTHER})
    playing = active_sections(rng, skeleton, stems) if stems else {}
    keep_other = len(stems) < 3 or rng.random() < 0.5
    return [
        replace(p, notes=within(p.notes, skeleton, playing[p.stem])) if p.stem in playing else p
        for p in parts
        if p.stem in playing or keep_other
    ]
