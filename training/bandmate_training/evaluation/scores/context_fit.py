"""Parts added to a context: do they fit it, keep its beat, differ, sound and stay unclipped?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch

from bandmate_server.errors import CorpusError
from bandmate_server.spec import MEL, STEMS
from bandmate_training.evaluation.measures.chroma import chroma
from bandmate_training.evaluation.measures.context_fit import (
    Scores,
    agreements,
    chroma_profile,
    onset_profile,
    percentile_ranks,
    strangers,
)
from bandmate_training.evaluation.measures.metrics import mel_error
from bandmate_training.evaluation.measures.onsets import (
    Attacks,
    Times,
    chance_on_grid,
    onset_times,
    share_on_grid,
    song_grid,
)
from bandmate_training.evaluation.songs.excerpts import Excerpt, FloatArray, Stems, beats_of, mix
from bandmate_training.evaluation.systems.generators import StemGenerator
from bandmate_training.networks.mel import LogMel

DRUMS = "drums"
TRUE = "true stem"
SILENT_DB = -40.0  # of the context's level: a take below it counts as silent
FULL_SCALE = 0.999  # a take that reaches it counts as clipped


@dataclass(frozen=True)
class FitCase:
    """One stem to add to given ones."""

    stem: str
    given: tuple[str, ...]

    @property
    def name(self) -> str:
        """The task in words."""
        return f"{self.stem} to {' + '.join(self.given)}"

    def context(self, excerpt: Excerpt) -> Stems:
        """Return what is given in a scene."""
        return {stem: excerpt.stems[stem] for stem in self.given}

    def fits(self, excerpt: Excerpt) -> bool:
        """Whether the scene has the stem, and something given that it can be judged by."""
        judging = [stem for stem in self.given if self.stem == DRUMS or stem != DRUMS]
        return excerpt.active(self.stem) and any(excerpt.active(stem) for stem in judging)


TASKS = (
    *(FitCase(stem, tuple(s for s in STEMS if s != stem)) for stem in STEMS),
    FitCase(DRUMS, ("bass", "piano")),
)


@dataclass(frozen=True)
class FitResult:
    """How one performer did at one task; nan where a figure does not apply.

    chroma, onsets: mean percentile rank of the true context among others', 50 is chance;
    shuffled_*: the same with contexts of other songs taken for the true ones, the control;
    grid: share of onsets within 40 ms of the song's sixteenths or triplets;
    silent, clipped: shares of takes;
    diversity: log-mel difference between takes of one context against that between contexts.
    """

    generator: str
    task: str
    stem: str
    clips: int
    takes: int
    chroma: float
    onsets: float
    shuffled_chroma: float
    shuffled_onsets: float
    grid: float
    chance_grid: float
    silent: float
    clipped: float
    diversity: float


@dataclass
class TakeMeasures:
    """What was measured of one performer's takes, one entry per take.

    grid: only for takes of songs whose beats are known.
    """

    chroma: list[Scores] = field(default_factory=list)
    onsets: list[Scores] = field(default_factory=list)
    grid: list[float] = field(default_factory=list)
    silent: list[bool] = field(default_factory=list)
    clipped: list[bool] = field(default_factory=list)
    mels: list[FloatArray] = field(default_factory=list)
    excerpt: list[int] = field(default_factory=list)


class FeatureExtractor:
    """Computes all that takes and contexts are compared by; holds the filter banks."""

    def __init__(self) -> None:
        """Make the filter banks."""
        self._attacks, self._mel = Attacks(), LogMel(MEL)

    def chroma(self, wave: FloatArray) -> Scores:
        """Return the pitch classes of a wave as a profile."""
        return chroma_profile(chroma(wave))

    def onsets(self, wave: FloatArray) -> Scores:
        """Return the attacks of a wave as a profile."""
        return onset_profile(self._attacks.envelope(wave))

    def take(
        self, measures: TakeMeasures, wave: FloatArray, context: FloatArray, number: int
    ) -> None:
        """Note a take (N,) of the scene with this number, made for a context (N,)."""
        envelope = self._attacks.envelope(wave)
        measures.chroma.append(self.chroma(wave))
        measures.onsets.append(onset_profile(envelope))
        measures.silent.append(_level(wave) < _level(context) + SILENT_DB)
        measures.clipped.append(bool(np.abs(wave).max() >= FULL_SCALE))
        measures.excerpt.append(number)
        with torch.no_grad():
            mel: FloatArray = self._mel(torch.from_numpy(np.clip(wave, -1, 1))[None])[0].numpy()
        measures.mels.append(mel)

    def times(self, wave: FloatArray) -> Times:
        """Return the onsets of a wave, in seconds."""
        return onset_times(self._attacks.envelope(wave))


def _level(wave: FloatArray) -> float:
    power = float(np.mean(np.square(wave, dtype=np.float64)))
    return 10 * math.log10(max(power, 1e-12))


def measure(
    excerpts: list[Excerpt],
    task: FitCase,
    generators: dict[str, StemGenerator],
    takes: int,
    seed: int,
    progress: Callable[[], None],
) -> list[FitResult]:
    """Let every performer add a stem to every scene that has it, and judge the takes.

    The true stems are judged in the same way: the ceiling.

    Args:
        excerpts: contexts, and rivals of each other's.
        task: stem and what it is added to.
        generators: by name.
        takes: per scene, with seeds that count up from `seed`.
        seed: of the first take.
        progress: is called after each scene.

    Raises:
        CorpusError: if fewer than two songs have the stem and its context.
    """
    features = FeatureExtractor()
    fitting = [excerpt for excerpt in excerpts if task.fits(excerpt)]
    if len({excerpt.track for excerpt in fitting}) < 2:
        raise CorpusError(f"{task.name}: expected two songs or more with both, got fewer")
    measures = {name: TakeMeasures() for name in (TRUE, *generators)}
    chances: list[float] = []
    contexts: tuple[list[Scores], list[Scores]] = ([], [])
    for number, excerpt in enumerate(fitting):
        given = task.context(excerpt)
        pitched = [wave for stem, wave in given.items() if stem != DRUMS]
        contexts[0].append(features.chroma(np.sum(pitched, axis=0, dtype=np.float32)))
        contexts[1].append(features.onsets(mix(given)))
        beats = beats_of(excerpt.clip) if task.stem == DRUMS else None
        lines = None if beats is None else song_grid(beats, features.times(excerpt.stems[DRUMS]))
        for name, notes in measures.items():
            for take in range(1 if name == TRUE else takes):
                wave = excerpt.stems[task.stem]
                if name != TRUE:
                    wave = generators[name](excerpt, task.given, (task.stem,), seed + take)[
                        task.stem
                    ]
                features.take(notes, wave, mix(given), number)
                if lines is not None:
                    notes.grid.append(share_on_grid(features.times(wave), lines))
        chances += [] if lines is None else [chance_on_grid(lines)]
        progress()
    songs = [excerpt.track for excerpt in fitting]
    return [
        _judge(name, task, notes, contexts, songs, _mean(chances))
        for name, notes in measures.items()
    ]


def _judge(
    name: str,
    task: FitCase,
    measures: TakeMeasures,
    contexts: tuple[list[Scores], list[Scores]],
    songs: Sequence[str],
    chance: float,
) -> FitResult:
    """Rank a performer's takes and average what was measured of them."""
    false = strangers(songs, 0)
    strange = [false[number] for number in measures.excerpt]
    pitched = task.stem != DRUMS
    ranks = {"chroma": math.nan, "shuffled_chroma": math.nan}
    if pitched:
        scores = agreements(measures.chroma, contexts[0])
        ranks["chroma"] = _mean(percentile_ranks(scores, measures.excerpt, songs))
        ranks["shuffled_chroma"] = _mean(percentile_ranks(scores, strange, songs))
    scores = agreements(measures.onsets, contexts[1])
    return FitResult(
        generator=name,
        task=task.name,
        stem=task.stem,
        clips=len(songs),
        takes=len(measures.excerpt),
        onsets=_mean(percentile_ranks(scores, measures.excerpt, songs)),
        shuffled_onsets=_mean(percentile_ranks(scores, strange, songs)),
        grid=_mean(measures.grid),
        chance_grid=chance,
        silent=_mean(measures.silent),
        clipped=_mean(measures.clipped),
        diversity=diversity(measures.mels, measures.excerpt),
        **ranks,
    )


def diversity(mels: Sequence[FloatArray], excerpts: Sequence[int]) -> float:
    """Return how much takes of one scene differ against takes of neighbouring scenes.

    The mean squared difference of log-mels (N, M): 0 where all takes of a scene are alike, 1 where
    they differ as parts for different songs do; nan with one take per scene.

    Args:
        mels: one per take.
        excerpts: the number of each take's scene.
    """
    groups = [
        [i for i, excerpt in enumerate(excerpts) if excerpt == number] for number in set(excerpts)
    ]
    within = [mel_error(mels[a], mels[b]) for g in groups for a, b in pairwise(g)]
    across = [mel_error(mels[one[0]], mels[other[0]]) for one, other in pairwise(groups)]
    if not within or not across or not np.mean(across) > 0:
        return math.nan
    return float(np.mean(within) / np.mean(across))


def _mean(values: Iterable[float]) -> float:
    """Return the mean of the values that are numbers; nan if none is."""
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan
