"""How loud a new stem has to be beside what is given, and its way to the session's rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.loudness import (
    STEM_DB,
    ceiling_gain,
    decibels,
    measure_lufs,
    true_peak,
    usual_lu,
)
from bandmate_server.parts.context import ContextAudio, ContextInput, span_lufs, to_sides
from bandmate_server.parts.task import PartTask
from bandmate_server.parts.timeline import Timeline
from bandmate_server.spec import STEMS

GENERATED_LUFS = -20.0  # of the whole band, where nothing is given to compare with
RESTING_DB = 40.0  # a part this far below its usual level rests: it is not pulled up


@dataclass(frozen=True)
class AppliedGain:
    """How a stem was levelled: the factor, and loudness and true peak (dB) that it then has."""

    gain: float
    lufs: float | None
    true_peak_db: float | None


class LoudnessMatcher:
    """Levels of one job's takes.

    context_lufs: how loud is what the new part joins; None where nothing is.

    Args:
        timeline: of the region.
        context_audio: what is given.
        task: what is wanted.
        context: the given audio; None where nothing is given.
    """

    def __init__(
        self,
        timeline: Timeline,
        context_audio: ContextAudio,
        task: PartTask,
        context: ContextInput | None,
    ):
        self._timeline, self._context_audio, self._task, self._context = (
            timeline,
            context_audio,
            task,
            context,
        )
        self.context_lufs = self._context_lufs()

    def level(self, name: str, wave: FloatArray) -> tuple[AppliedGain, list[str]]:
        """Return how a stem's wave (n,) is to be levelled, and what to tell the user of it."""
        gain, words = self._gain(name, wave)
        peak = gain * true_peak(wave[self._timeline.span], self._timeline.rate)
        held = ceiling_gain(peak)
        if held < 1.0:
            words.append(f"{name} is {-decibels(held):.1f} dB below its usual level, for its peaks")
        gain *= held
        lufs = self._lufs(wave * gain)
        known = round(lufs, 2) if math.isfinite(lufs) else None
        return AppliedGain(gain, known, round(decibels(peak * held), 2) if peak else None), words

    def _gain(self, name: str, wave: FloatArray) -> tuple[float, list[str]]:
        """Return the factor that brings a stem to its usual level."""
        context = self._context
        if context is not None and self._task.name == "fill":
            found = self._fill_gain(context.waves[name], wave)
            if found is not None:
                return found, []
        plain = 1.0 if context is None else 1.0 / context.gain
        wanted, lufs = self._wanted_lufs(name), self._lufs(wave)
        if not math.isfinite(wanted):
            return plain, []
        if not math.isfinite(lufs) or lufs + decibels(plain) < wanted - RESTING_DB:
            return plain, [f"{name} rests: what the model played is silent, or close to it"]
        return float(10.0 ** ((wanted - lufs) / 20.0)), []

    def _wanted_lufs(self, name: str) -> float:
        """Return how loud a stem shall be in the session."""
        if self._context is None:
            return GENERATED_LUFS + STEM_DB[name]
        if self._task.name == "vary":
            return self._lufs(self._context.waves[name])
        assert self.context_lufs is not None
        everything = self._context_audio.backing is not None
        given = [stem for stem in STEMS if everything or stem in self._context_audio.stems]
        others = [stem for stem in given if stem not in self._task.wanted]
        return self.context_lufs + (usual_lu(name, others) if others else 0.0)

    def _context_lufs(self) -> float | None:
        """Return the loudness of all that is given but the stem that is made anew."""
        if self._context is None:
            return None
        sides = self._context.sides
        for name in self._task.wanted:
            if name in self._context.waves:
                wave = self._context.waves[name][:, None]
                sides = sides - to_sides(wave, self._context_audio.channels)
        return span_lufs(sides, self._timeline.span, self._timeline.rate)

    def _fill_gain(self, given: FloatArray, wave: FloatArray) -> float | None:
        """Return what brings the stem around the range, as the model plays it, to its real level.

        None where too little of the stem sounds there.
        """
        around = np.ones(len(wave), bool)
        around[: self._timeline.lead] = False
        around[self._timeline.span] = False
        real, made = (measure_lufs(w[around][:, None], self._timeline.rate) for w in (given, wave))
        if not (math.isfinite(real) and math.isfinite(made)):
            return None
        return float(10.0 ** ((real - made) / 20.0))

    def _lufs(self, wave: FloatArray) -> float:
        """Return the loudness of a mono stem's region in the session's channels."""
        sides = to_sides(wave[:, None], self._context_audio.channels)
        return span_lufs(sides, self._timeline.span, self._timeline.rate)
