"""What a song is before it sounds: chords, phrases, notes, parts.

Musical time is in beats (quarter notes) from the start of the song; only `Clock` knows
seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Rng = np.random.Generator


@dataclass(frozen=True)
class Chord:
    """A chord from `start` to `end` (beats)."""

    start: float
    end: float
    root: int  # pitch class 0..11
    intervals: tuple[int, ...]  # semitones above the root, ascending, the first 0
    bass: int  # pitch class 0..11
    name: str = ""

    @property
    def classes(self) -> tuple[int, ...]:
        """Pitch classes of the chord, root first."""
        return tuple((self.root + i) % 12 for i in self.intervals)

    @property
    def fifth(self) -> int:
        """Semitones from the root to the chord's fifth (6, 7 or 8)."""
        return next((i for i in self.intervals if i in (6, 7, 8)), 7)

    @property
    def third(self) -> int:
        """Semitones from the root to the chord's third, or to what suspends it."""
        return next((i for i in self.intervals if i in (3, 4)), self.intervals[1])


@dataclass(frozen=True)
class Key:
    """A tonic and the steps of its scale."""

    tonic: int  # pitch class 0..11
    scale: tuple[int, ...]  # semitones above the tonic, ascending, the first 0
    name: str

    @property
    def classes(self) -> frozenset[int]:
        """Pitch classes of the scale."""
        return frozenset((self.tonic + s) % 12 for s in self.scale)


@dataclass(frozen=True)
class Note:
    """A note from `start` to `end` (beats)."""

    start: float
    end: float
    pitch: int  # MIDI number
    velocity: int  # 1..127


@dataclass(frozen=True)
class Bend:
    """From `time` (beats) on, the part sounds `semitones` higher; within -2..2."""

    time: float
    semitones: float


@dataclass(frozen=True)
class Phrase:
    """All that a player knows of the stretch to play: a section of one song."""

    start: float  # beats, on a bar line
    end: float
    bar: int  # beats in a bar
    chords: tuple[Chord, ...]  # without gaps, they cover start..end
    key: Key
    energy: float  # 0 calm .. 1 full
    triplet: bool = False  # the beat divides in three
    kicks: tuple[float, ...] = ()  # bass drum hits (beats), for the bass to follow

    def bars(self) -> Iterator[float]:
        """Yield the beat of every bar line before the end."""
        yield from (float(b) for b in np.arange(self.start, self.end - 1e-6, self.bar))

    def chord_at(self, beat: float) -> Chord:
        """Return the chord that sounds at a beat (the nearest outside the phrase)."""
        for chord in self.chords:
            if beat < chord.end - 1e-6:
                return chord
        return self.chords[-1]

    def spans(self) -> Iterator[tuple[float, float, Chord]]:
        """Yield (start, end, chord) with chords cut at bar lines."""
        for bar in self.bars():
            stop = min(bar + self.bar, self.end)
            for chord in self.chords:
                low, high = max(bar, chord.start), min(stop, chord.end)
                if high - low > 1e-6:
                    yield low, high, chord


@dataclass
class Part:
    """One instrument's notes; a stem is the sum of its parts."""

    stem: str
    notes: list[Note]
    bends: list[Bend] = field(default_factory=list)
    programs: tuple[int, ...] = ()  # General MIDI numbers that suit it; empty for any
    role: str = ""
    loose: float = 1.0  # how much the player's timing varies; 0 keeps a human take as it is


@dataclass(frozen=True)
class Clock:
    """Beats to seconds: a tempo map, and swing inside the beat."""

    seconds: FloatArray  # time of beat 0, 1, 2, ...
    swing: float = 0.5  # share of `unit` that its first half takes, 0.5 straight .. 0.67
    unit: float = 1.0  # beats over which swing acts: 1 swings eighths, 0.5 sixteenths
    triplet: bool = False  # thirds of the beat stay where they are

    def at(self, beat: float) -> float:
        """Return the second at which a beat falls; beats outside go on at the edge's tempo."""
        whole = np.floor(beat / self.unit) * self.unit
        part = (beat - whole) / self.unit
        if self.triplet:
            middle = min(self.swing, 2 / 3)
            part = float(np.interp(part, (0, 1 / 3, 0.5, 2 / 3, 1), (0, 1 / 3, middle, 2 / 3, 1)))
        elif part < 0.5:
            part = part * 2 * self.swing
        else:
            part = 1 - (1 - part) * 2 * (1 - self.swing)
        return self._straight(float(whole + part * self.unit))

    def _straight(self, beat: float) -> float:
        last = len(self.seconds) - 1
        index = int(min(max(np.floor(beat), 0), last - 1))
        step = self.seconds[index + 1] - self.seconds[index]
        return float(self.seconds[index] + (beat - index) * step)


@dataclass
class Song:
    """A song ready to be performed."""

    source: str  # "own", "pop909", "mma", "simutrans"
    detail: str  # the file, groove or style it comes from
    clock: Clock
    bar: int  # beats in a bar
    key: Key
    chords: list[Chord]
    parts: list[Part]
    end: float  # beats

    @property
    def tempo(self) -> float:
        """Mean beats per minute."""
        seconds = self.clock.seconds
        return 60 * (len(seconds) - 1) / float(seconds[-1] - seconds[0])


@dataclass(frozen=True)
class Section:
    """A stretch of the form, with its own harmony."""

    kind: str  # "verse", "chorus", ...
    start: float  # beats, on a bar line
    end: float
    energy: float  # 0..1
    key: Key
    chords: tuple[Chord, ...]


@dataclass(frozen=True)
class Skeleton:
    """A song before anyone plays: time, harmony and form."""

    clock: Clock
    bar: int  # beats in a bar
    sections: tuple[Section, ...]
    triplet: bool = False

    @property
    def end(self) -> float:
        """Beats in the song."""
        return self.sections[-1].end

    @property
    def chords(self) -> list[Chord]:
        """All chords in order."""
        return [c for s in self.sections for c in s.chords]
