"""Added parts in raw figures: agreement with the context, and how the stems sound alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from bandmate_server.errors import CorpusError
from bandmate_training.evaluation.measures.clarity import clarity
from bandmate_training.evaluation.measures.context_fit import Scores
from bandmate_training.evaluation.measures.embedding import Embedding
from bandmate_training.evaluation.measures.kernel import kernel_distance
from bandmate_training.evaluation.measures.transcription import BasicPitch, NoteFigures
from bandmate_training.evaluation.scores.arrangements import clipped, distance, first_half
from bandmate_training.evaluation.scores.context_fit import DRUMS, TRUE, FeatureExtractor, FitCase
from bandmate_training.evaluation.songs.excerpts import Excerpt, FloatArray, Stems, mix
from bandmate_training.evaluation.systems.generators import Names, StemGenerator

NOISE = "noise"


@dataclass(frozen=True)
class PartFigures:
    """What one generator's parts of one stem are; nan where a figure does not apply.

    chroma, onsets: mean agreement with the context: the correlation of pitch classes frame by
    frame, and of attacks; 1 is the same.
    frechet: distance of the stems alone to the true ones; halves: that of the true stems of one
    half of the songs to the other half's; kernel: kernel distance to the true ones.
    clarity: share of the power in spectral lines.
    rate, length, at_once: notes a second, their seconds, and how many sound at a time.
    """

    generator: str
    stem: str
    clips: int
    chroma: float
    onsets: float
    frechet: float
    halves: float
    kernel: float
    clarity: float
    rate: float
    length: float
    at_once: float


@dataclass
class Judged:
    """What was measured of one generator's parts, one entry per clip."""

    chroma: list[float] = field(default_factory=list)
    onsets: list[float] = field(default_factory=list)
    clarity: list[float] = field(default_factory=list)
    notes: list[NoteFigures] = field(default_factory=list)
    embeddings: list[FloatArray] = field(default_factory=list)


def noise(excerpt: Excerpt, given: Names, wanted: Names, seed: int) -> Stems:
    """Return white noise as loud as the true stems: what any measure must tell from music."""
    rng = np.random.default_rng((seed, round(1000 * excerpt.start)))
    found = {}
    for stem in wanted:
        true = excerpt.stems[stem]
        level = math.sqrt(float(np.mean(np.square(true, dtype=np.float64))))
        found[stem] = (level * rng.standard_normal(len(true))).astype(np.float32)
    return found


def measure(
    excerpts: Sequence[Excerpt],
    task: FitCase,
    generators: dict[str, StemGenerator],
    embedding: Embedding,
    transcriber: BasicPitch | None,
    seed: int,
    progress: Callable[[], None],
) -> list[PartFigures]:
    """Let every performer add a stem to every scene that has it, and measure the stems.

    The true stems come first; without a transcriber nothing is said of notes.

    Raises:
        CorpusError: if fewer than two songs have the stem and its context.
    """
    fitting = [excerpt for excerpt in excerpts if task.fits(excerpt)]
    if len({excerpt.track for excerpt in fitting}) < 2:
        raise CorpusError(f"{task.name}: expected two songs or more with both, got fewer")
    features = FeatureExtractor()
    judged = {name: Judged() for name in (TRUE, *generators)}
    for number, excerpt in enumerate(fitting):
        given = task.context(excerpt)
        pitched = [wave for stem, wave in given.items() if stem != DRUMS]
        context = (
            features.chroma(np.sum(pitched, axis=0, dtype=np.float32)) if pitched else None,
            features.onsets(mix(given)),
        )
        for name, found in judged.items():
            wave = excerpt.stems[task.stem]
            if name != TRUE:
                wave = generators[name](excerpt, task.given, (task.stem,), seed + number)[task.stem]
            _judge(found, wave, context, task.stem, features, embedding, transcriber)
        progress()
    first = first_half([excerpt.track for excerpt in fitting])
    return [_figures(name, task.stem, found, judged[TRUE], first) for name, found in judged.items()]


def _judge(
    judged: Judged,
    wave: FloatArray,
    context: tuple[Scores | None, Scores],
    stem: str,
    features: FeatureExtractor,
    embedding: Embedding,
    transcriber: BasicPitch | None,
) -> None:
    """Note what is measured of one part (N,)."""
    judged.onsets.append(float(features.onsets(wave) @ context[1]))
    judged.embeddings.append(embedding.embed(clipped(wave)))
    if stem == DRUMS:
        return
    if context[0] is not None:
        judged.chroma.append(float(features.chroma(wave) @ context[0]))
    judged.clarity.append(clarity(wave))
    if transcriber is not None:
        judged.notes.append(transcriber.figures(wave))


def _figures(name: str, stem: str, judged: Judged, true: Judged, first: list[bool]) -> PartFigures:
    """Average what was measured, and compare the stems with the true ones."""
    halves = [
        [row for row, mark in zip(true.embeddings, first, strict=True) if mark is half]
        for half in (True, False)
    ]
    own = name == TRUE
    return PartFigures(
        generator=name,
        stem=stem,
        clips=len(judged.onsets),
        chroma=_mean(judged.chroma),
        onsets=_mean(judged.onsets),
        frechet=math.nan if own else distance(judged.embeddings, true.embeddings),
        halves=distance(*halves),
        kernel=math.nan if own else _kernel(judged.embeddings, true.embeddings),
        clarity=_mean(judged.clarity),
        rate=_mean([row.rate for row in judged.notes]),
        length=_mean([row.length for row in judged.notes]),
        at_once=_mean([row.at_once for row in judged.notes]),
    )


def _kernel(one: list[FloatArray], other: list[FloatArray]) -> float:
    sets = np.concatenate(one), np.concatenate(other)
    return kernel_distance(*sets) if min(map(len, sets)) > 1 else math.nan


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan
