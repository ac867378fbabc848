"""How loud a new stem has to be beside what is given, and its way to the session's rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.loudness import (
    ceiling_gain,
    decibels,
    measure_lufs,
    stem_db,
    true_peak,
    usual_lu,
)
from bandmate_server.parts.context import ContextAudio, ContextInput, span_lufs, to_sides
from bandmate_server.parts.timeline import Timeline

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
        known: the model's stems: a backing may have any of them.
        wanted: the stems that are made.
        context: the given audio; None where nothing is given.
    """

    def __init__(
        self,
        timeline: Timeline,
        context_audio: ContextAudio,
        known: tuple[str, ...],
        wanted: tuple[str, ...],
        context: ContextInput | None,
    ):
        self._timeline, self._context_audio = timeline, context_audio
        self._known, self._wanted, self._context = known, wanted, context
        self.context_lufs = self._context_lufs()

    def apply(self, name: str, wave: FloatArray, gain: float) -> tuple[AppliedGain, list[str]]:
        """Return the gain of a stem's wave (n,) as its peaks allow it, and warnings."""
        words = []
        peak = gain * true_peak(wave[self._timeline.span], self._timeline.rate)
        held = ceiling_gain(peak)
        if held < 1.0:
            words.append(f"{name} is {-decibels(held):.1f} dB below its usual level, for its peaks")
        gain *= held
        lufs = self._lufs(wave * gain)
        known = round(lufs, 2) if math.isfinite(lufs) else None
        return AppliedGain(gain, known, round(decibels(peak * held), 2) if peak else None), words

    def gain_to(self, name: str, wave: FloatArray, wanted: float) -> tuple[float, list[str]]:
        """Return the factor that makes a stem's wave (n,) as loud as wanted, and warnings."""
        plain, lufs = 1.0 if self._context is None else 1.0 / self._context.gain, self._lufs(wave)
        if not math.isfinite(wanted):
            return plain, []
        if not math.isfinite(lufs) or lufs + decibels(plain) < wanted - RESTING_DB:
            return plain, [f"{name} rests: what the model made is silent, or close to it"]
        return float(10.0 ** ((wanted - lufs) / 20.0)), []

    def usual_lufs(self, name: str) -> float:
        """Return how loud a stem usually is beside what is given."""
        if self.context_lufs is None:
            return GENERATED_LUFS + stem_db(name)
        audio = self._context_audio
        given = self._known if audio.has_backing else audio.stems
        others = [stem for stem in given if stem not in self._wanted]
        return self.context_lufs + (usual_lu(name, others) if others else 0.0)

    def given_lufs(self, name: str) -> float:
        """Return how loud a given stem is."""
        assert self._context is not None
        return self._lufs(self._context.waves[name])

    def surroundings_gain(self, name: str, wave: FloatArray) -> float | None:
        """Return what brings the stem around the region, as the model made it, to its real level.

        None where too little of the stem sounds there.
        """
        assert self._context is not None
        around = np.ones(len(wave), bool)
        around[: self._timeline.lead] = False
        around[self._timeline.span] = False
        given, rate = self._context.waves[name], self._timeline.rate
        real, made = (measure_lufs(audio[around][:, None], rate) for audio in (given, wave))
        if not (math.isfinite(real) and math.isfinite(made)):
            return None
        return float(10.0 ** ((real - made) / 20.0))

    def _context_lufs(self) -> float | None:
        """Return the loudness of all that is given but the stem that is made again."""
        if self._context is None:
            return None
        sides = self._context.sides
        for name in self._wanted:
            if name in self._context.waves:
                wave = self._context.waves[name][:, None]
                sides = sides - to_sides(wave, self._context_audio.channels)
        return span_lufs(sides, self._timeline.span, self._timeline.rate)

    def _lufs(self, wave: FloatArray) -> float:
        """Return the loudness of a mono stem's region in the session's channels."""
        sides = to_sides(wave[:, None], self._context_audio.channels)
        return span_lufs(sides, self._timeline.span, self._timeline.rate)
