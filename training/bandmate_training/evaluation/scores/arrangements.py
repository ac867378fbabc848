"""The paper's Tables I and III: Frechet audio distance of arrangements and of whole songs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bandmate_server.spec import STEMS
from bandmate_training.evaluation import paper_figures
from bandmate_training.evaluation.measures.embedding import Embedding
from bandmate_training.evaluation.measures.frechet import frechet_distance
from bandmate_training.evaluation.songs.excerpts import Excerpt, FloatArray, mix
from bandmate_training.evaluation.systems.generators import MIX, StemGenerator, letters_of

ARRANGEMENTS = tuple(paper_figures.ARRANGEMENTS)
TOTAL = "BDGP"


@dataclass(frozen=True)
class Distance:
    """Frechet audio distances of one system's mixes of one arrangement.

    whole: all its mixes against all true ones, as in the paper.
    across: the mixes of one half of the songs against the true ones of the other half, mean of
        both ways; halves: the same for true mixes, which is what a perfect system gets.
    """

    system: str
    arrangement: str
    clips: int
    whole: float
    across: float
    halves: float

    @property
    def ratio(self) -> float:
        """How many times farther than true music of the same amount; nan where not measured."""
        return self.across / self.halves if self.halves > 0 else math.nan


def measure(
    excerpts: list[Excerpt],
    wanted: tuple[str, ...],
    generators: dict[str, StemGenerator],
    embedding: Embedding,
    seed: int,
    progress: Callable[[], None],
) -> list[Distance]:
    """Measure every performer on one arrangement.

    Args:
        excerpts: to make the stems for; those in which no given stem sounds are left out.
        wanted: stems to make; all four is total generation.
        generators: by name.
        embedding: of the distance.
        seed: of the first scene; the next ones count up.
        progress: is called after each scene.
    """
    true: list[FloatArray] = []
    made: dict[str, list[FloatArray]] = {name: [] for name in generators}
    tracks: list[str] = []
    given = tuple(stem for stem in STEMS if stem not in wanted)
    for index, excerpt in enumerate(excerpts):
        if given and not any(excerpt.active(stem) for stem in given):
            continue
        true.append(embedding.embed(clipped(excerpt.mixture)))
        tracks.append(excerpt.track)
        for name, perform in generators.items():
            found = perform(excerpt, given, wanted, seed + index)
            whole = (
                found[MIX]
                if MIX in found
                else mix({stem: excerpt.stems[stem] for stem in given} | found)
            )
            made[name].append(embedding.embed(clipped(whole)))
        progress()
    first = first_half(tracks)
    halves = _halves(true, true, first)
    return [
        Distance(
            name,
            letters_of(wanted),
            len(true),
            distance(found, true),
            _halves(found, true, first),
            halves,
        )
        for name, found in made.items()
    ]


def clipped(wave: FloatArray) -> FloatArray:
    """Return a mix as the paper writes it: samples cut to -1 .. 1."""
    return np.clip(wave, -1.0, 1.0)


def first_half(tracks: list[str]) -> list[bool]:
    """Say which clips are of the first half of the songs; no song is in both."""
    names = sorted(set(tracks))
    return [names.index(track) < len(names) // 2 for track in tracks]


def _halves(one: list[FloatArray], other: list[FloatArray], first: list[bool]) -> float:
    """Return the mean distance of one's first half to the other's second, and the reverse."""
    ways = []
    for wanted in (True, False):
        mine = [values for values, mark in zip(one, first, strict=True) if mark is wanted]
        theirs = [values for values, mark in zip(other, first, strict=True) if mark is not wanted]
        ways.append(distance(mine, theirs))
    return float(np.mean(ways))


def distance(one: list[FloatArray], other: list[FloatArray]) -> float:
    """Return the distance of two lists of embeddings; nan where they are too few for one."""
    if min(sum(map(len, one)), sum(map(len, other))) < 2:
        return math.nan
    return frechet_distance(np.concatenate(one), np.concatenate(other))
