"""What can be asked for, and the rules of each: add, fill, vary, generate.

A new task is a subclass and a row of PART_TASKS.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.sources import Source
from bandmate_server.audio.windows import Region
from bandmate_server.errors import AudioError, SettingsError
from bandmate_server.options import CHANNELS, RATE, Task
from bandmate_server.parts.context import SILENCE_RMS, ContextAudio, ContextInput, align_sources
from bandmate_server.parts.loudness_match import LoudnessMatcher
from bandmate_server.parts.splice import filled_blocks, repeated_blocks
from bandmate_server.settings import (
    PartSettings,
    check_added,
    check_own,
    read_fields,
    read_stem,
    read_stems,
)
from bandmate_server.spec import BACKING

LIGHTEST_TIMESTEP = 100  # noise level at which a variation of strength 0 starts


@dataclass(frozen=True)
class PartTask:
    """What is asked for. Fields are the task's own arguments and options, by their names.

    Raises:
        SettingsError: if a value is of another kind, or out of its range.
    """

    name: ClassVar[Task]

    def __post_init__(self) -> None:
        """Check every field that is an option."""
        read_fields(self, self.name)

    def wanted(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """Return the stems that are made, of a model's stems."""
        raise NotImplementedError

    @property
    def lead(self) -> str | None:
        """The given stem that is worked on: the result has its rate and channels."""
        return None

    def check_given(self, given: Collection[str]) -> None:
        """Raise SettingsError unless the task can be done with what is given, by name."""

    def check_settings(self, settings: PartSettings) -> None:
        """Raise SettingsError if settings mean nothing to the task, or say too little."""
        check_own(settings, self.name)

    def session(self, given: Mapping[str, Source]) -> ContextAudio:
        """Put what is given on one time line."""
        return align_sources(given, self.lead)

    def rests(self, audio: ContextAudio, context: ContextInput) -> bool:
        """Whether the result is silence, and nothing has to be sampled.

        Raises:
            AudioError: if something has to be, but all that is given is silent.
        """
        if context.gain == 0.0:
            names = ", ".join(source.name for source in audio.sources.values())
            raise AudioError(
                f"{names}: silent in and around the region, so there is nothing to play to;"
                " choose another region, or generate a part from nothing"
            )
        return False

    def known_frames(self, stem: str, length: int, region: slice) -> FloatArray:
        """Return which latent frames (length,) of a given stem stay as they are: 1, else 0.

        Args:
            stem: given.
            length: of all windows, in latent frames.
            region: the latent frames that are asked for.
        """
        return np.ones(length, np.float32)

    def init_timestep(self, top: int) -> int | None:
        """Return the noise level, up to `top`, at which the given stem starts; None: pure noise."""
        return None

    def gain(
        self, matcher: LoudnessMatcher, stem: str, wave: FloatArray
    ) -> tuple[float, list[str]]:
        """Return the factor that brings a stem's wave (n,) to its level, and warnings."""
        return matcher.gain_to(stem, wave, matcher.usual_lufs(stem))

    def written(self, region: Region, frames: int) -> Region:
        """Return what the files hold of a session of so many frames."""
        return region

    def blocks(
        self, audio: ContextAudio, region: Region, stem: str, mono: FloatArray
    ) -> Iterator[FloatArray]:
        """Yield what is written (n, channels) of a stem, whose region is mono (frames,)."""
        return repeated_blocks(mono, audio.channels, audio.rate)


@dataclass(frozen=True)
class Add(PartTask):
    """New stems that play to given ones."""

    name = "add"
    stems: Sequence[str]

    def __post_init__(self) -> None:
        """Read the names."""
        object.__setattr__(self, "stems", read_stems(self.stems))

    def wanted(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """Return those that are named."""
        return tuple(self.stems)

    def check_given(self, given: Collection[str]) -> None:
        """Something is given, and none of it is wanted."""
        check_added(self.stems, given)


@dataclass(frozen=True)
class _Remake(PartTask):
    """A task on one given stem."""

    stem: str

    def __post_init__(self) -> None:
        """Read the name, and every option."""
        if read_stem(self.stem) == BACKING:
            raise SettingsError("a backing has no takes: name the stem that the file holds")
        super().__post_init__()

    @property
    def lead(self) -> str:
        """The stem itself."""
        return self.stem

    def wanted(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """Return the stem."""
        return (self.stem,)

    def check_given(self, given: Collection[str]) -> None:
        """The stem is given."""
        if self.stem not in given:
            there = ", ".join(given) or "nothing"
            raise SettingsError(
                f"{self.stem} is not among what is given ({there}):"
                f" {self.name} needs the stem itself"
            )


@dataclass(frozen=True)
class Fill(_Remake):
    """A range of a given stem made again; outside, every sample stays."""

    name = "fill"

    def check_settings(self, settings: PartSettings) -> None:
        """There is a range."""
        super().check_settings(settings)
        if settings.start is None and settings.end is None:
            raise SettingsError("fill needs the range to replace: a start, an end, or both")

    def known_frames(self, stem: str, length: int, region: slice) -> FloatArray:
        """All but the range of the stem."""
        known = super().known_frames(stem, length, region)
        if stem == self.stem:
            known[region] = 0.0
        return known

    def gain(
        self, matcher: LoudnessMatcher, stem: str, wave: FloatArray
    ) -> tuple[float, list[str]]:
        """By what the model made of the stem around the range, if it sounds there."""
        found = matcher.surroundings_gain(stem, wave)
        return super().gain(matcher, stem, wave) if found is None else (found, [])

    def written(self, region: Region, frames: int) -> Region:
        """All of the stem."""
        return Region(0, frames)

    def blocks(
        self, audio: ContextAudio, region: Region, stem: str, mono: FloatArray
    ) -> Iterator[FloatArray]:
        """Yield the stem with its range replaced."""
        return filled_blocks(audio.stems[stem], region, audio.frames, mono)


@dataclass(frozen=True)
class Vary(_Remake):
    """Another take of a given stem: strength 0 is a light re-performance, 1 a free new part."""

    name = "vary"
    strength: float

    def rests(self, audio: ContextAudio, context: ContextInput) -> bool:
        """A variation of silence is silence."""
        wave = context.waves[self.stem]
        return context.gain == 0.0 or float(np.sqrt(np.mean(np.square(wave)))) < SILENCE_RMS

    def known_frames(self, stem: str, length: int, region: slice) -> FloatArray:
        """All of the other stems."""
        return np.full(length, float(stem != self.stem), np.float32)

    def init_timestep(self, top: int) -> int | None:
        """The higher, the further from the stem."""
        if self.strength >= 1.0:
            return None
        return round(LIGHTEST_TIMESTEP + self.strength * (top - LIGHTEST_TIMESTEP))

    def gain(
        self, matcher: LoudnessMatcher, stem: str, wave: FloatArray
    ) -> tuple[float, list[str]]:
        """As loud as the stem was."""
        return matcher.gain_to(stem, wave, matcher.given_lufs(stem))


@dataclass(frozen=True)
class Generate(PartTask):
    """Stems made from nothing: `seconds` of them, at a rate in Hz; None: all of the model's."""

    name = "generate"
    seconds: float
    stems: Sequence[str] | None = None
    rate: int = RATE.default
    channels: int = CHANNELS.default

    def wanted(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """Return those that are named, or all."""
        return known if self.stems is None else tuple(self.stems)

    def session(self, given: Mapping[str, Source]) -> ContextAudio:
        """Return a session of silence."""
        frames = max(round(self.seconds * self.rate), 1)
        return ContextAudio({}, self.rate, self.channels, frames)


PART_TASKS: dict[str, type[PartTask]] = {task.name: task for task in (Add, Fill, Vary, Generate)}


def part_task(name: str, chosen: Mapping[str, Any]) -> PartTask:
    """Return the task of a name, with those of its fields that are chosen.

    Raises:
        SettingsError: if a value is out of its range.
    """
    kind = PART_TASKS[name]
    names = [field.name for field in fields(kind)]
    return kind(**{name: chosen[name] for name in names if chosen.get(name) is not None})
