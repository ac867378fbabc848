"""Build a corpus: plan songs, write each whole or not at all, resume where it stopped."""

from __future__ import annotations

import json
import logging
import multiprocessing
import shutil
import signal
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from bandmate_server.errors import CorpusError
from bandmate_server.model.notes.midi import write_notes
from bandmate_server.spec import MEL, OTHER, STEMS
from bandmate_training.corpus import mma, pop909, simutrans
from bandmate_training.corpus.arrange import band
from bandmate_training.corpus.fluid import Fluid
from bandmate_training.corpus.form import draw_style, own_skeleton
from bandmate_training.corpus.grooves import GrooveFile, groove_files
from bandmate_training.corpus.perform import LEAD_IN
from bandmate_training.corpus.pop909_files import Library, open_library
from bandmate_training.corpus.render import Rendered, active_fraction, render_song
from bandmate_training.corpus.score import Rng, Song

SPLITS = ("train", "validation")
VALIDATION = 0.06  # of the training hours, on top
SECONDS = (60.0, 110.0)  # a song's length
SHARES = {"own": 0.36, "pop909": 0.36, "mma": 0.22, "simutrans": 0.06}
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One song to make; with the sources at hand, it decides the song."""

    seed: int
    split: str
    index: int

    @property
    def name(self) -> str:
        """The track's folder name."""
        return f"s{self.seed}-{self.index:05d}"

    def generator(self) -> Rng:
        """Return the song's source of randomness."""
        return np.random.default_rng([self.seed, SPLITS.index(self.split), self.index])

    def seconds(self) -> float:
        """Return the planned length."""
        return float(self.generator().uniform(*SECONDS))


@dataclass(frozen=True)
class Sources:
    """Where songs come from, apart from our own, and their sounds if not from our fonts.

    font: plays all parts instead of ours; samples: a folder of recorded instruments that play
    half of the parts.
    """

    pop909: Path | None = None
    mma: bool = True
    simutrans: bool = True
    font: Path | None = None
    samples: Path | None = None


def in_split(name: str, split: str) -> bool:
    """Tell whether a file belongs to a split: one in sixteen is for validation."""
    return (zlib.crc32(name.encode()) % 16 == 0) == (split == "validation")


def plan(hours: float, seed: int) -> list[Job]:
    """Return the songs for a number of training hours, validation songs spread among them."""
    rows = [
        (k / len(row), job)
        for split, share in zip(SPLITS, (1.0, VALIDATION), strict=True)
        for row in [_jobs(hours * share, seed, split)]
        for k, job in enumerate(row)
    ]
    return [job for _, job in sorted(rows, key=lambda r: (r[0], r[1].split, r[1].index))]


def _jobs(hours: float, seed: int, split: str) -> list[Job]:
    jobs, left = list[Job](), hours * 3600
    while left > 0:
        jobs.append(Job(seed, split, len(jobs)))
        left -= jobs[-1].seconds()
    return jobs


@cache
def _library(path: Path) -> Library:
    return open_library(path)


@cache
def _grooves(split: str) -> tuple[GrooveFile, ...]:
    return tuple(g for g in groove_files() if in_split(g.file, split))


@cache
def _simutrans(split: str) -> tuple[Path, ...]:
    return tuple(p for p in simutrans.songs() if in_split(p.name, split))


def compose(job: Job, sources: Sources) -> Song:
    """Write a job's song; own music steps in where a source's file cannot be used."""
    rng = job.generator()
    seconds = float(rng.uniform(*SECONDS))
    names = [n for n in SHARES if n == "own" or getattr(sources, n)]
    weights = np.array([SHARES[n] for n in names])
    source = str(rng.choice(names, p=weights / weights.sum()))
    try:
        return _borrow(rng, source, job.split, sources, seconds) or own(rng, seconds)
    except CorpusError as error:
        logger.info("%s: %s; own song instead", job.name, error)
        return own(rng, seconds)


def _borrow(rng: Rng, source: str, split: str, sources: Sources, seconds: float) -> Song | None:
    """Write a song from a foreign source; None for our own."""
    if source == "pop909" and sources.pop909:
        library = _library(sources.pop909)
        songs = [s for s in library.songs if in_split(f"POP909/{s}", split)]
        return pop909.compose(rng, library, str(rng.choice(songs)), seconds)
    if source == "mma":
        return mma.compose(rng, _grooves(split), seconds)
    if source == "simutrans":
        return simutrans.compose(rng, _simutrans(split), seconds)
    return None


def own(rng: Rng, seconds: float) -> Song:
    """Write a song of our own."""
    style = draw_style(rng)
    skeleton = own_skeleton(rng, style, seconds)
    parts = band(rng, skeleton, style)
    key = skeleton.sections[0].key
    return Song("own", style.name, skeleton.clock, skeleton.bar, key, skeleton.chords, parts,
                skeleton.end)  # fmt: skip


def describe(job: Job, song: Song, rendered: Rendered) -> dict[str, Any]:
    """Return a track's facts as JSON values."""
    at = song.clock.at
    return {
        "source": song.source,
        "detail": song.detail,
        "seed": job.seed,
        "index": job.index,
        "split": job.split,
        "tempo": round(song.tempo, 2),
        "beats": [round(at(b) + LEAD_IN, 4) for b in range(int(song.end) + 1)],
        "time_signature": f"{song.bar}/4",
        "key": song.key.name,
        "chords": [[round(at(c.start) + LEAD_IN, 3), round(at(c.end) + LEAD_IN, 3), c.name]
                   for c in song.chords],
        "voices": {stem: [{"preset": v.preset.label, "family": v.preset.family,
                           "bank": v.preset.bank, "program": v.preset.program,
                           "voicing": asdict(v.voicing),
                           "role": v.role, "notes": v.notes} for v in rows]
                   for stem, rows in rendered.voices.items() if rows},
        "active": {s: round(active_fraction(a), 4) for s, a in rendered.stems.items()},
        "seconds": round(len(rendered.stems["bass"]) / MEL.sample_rate, 3),
    }  # fmt: skip


def write(folder: Path, facts: dict[str, Any], rendered: Rendered) -> None:
    """Write a track's folder in one step: audio, notes and facts."""
    hidden = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(hidden, ignore_errors=True)
    hidden.mkdir(parents=True)
    for stem, audio in rendered.stems.items():
        if stem in STEMS or rendered.voices[OTHER]:
            soundfile.write(hidden / f"{stem}.wav", audio, MEL.sample_rate, subtype="PCM_16")
            write_notes(hidden / f"{stem}.mid", rendered.notes[stem], stem, facts["beats"])
    (hidden / "track.json").write_text(json.dumps(facts) + "\n")
    hidden.replace(folder)


_FLUID: list[Fluid] = []


def make(job: Job, out: Path, sources: Sources) -> float:
    """Make a song and return its seconds; a finished one is left as it is."""
    folder = out / job.split / job.name
    if (folder / "track.json").exists():
        return float(json.loads((folder / "track.json").read_text())["seconds"])
    if not _FLUID:
        _FLUID.append(Fluid())
    song = compose(job, sources)
    rng = np.random.default_rng([job.seed, SPLITS.index(job.split), job.index, 1])
    rendered = render_song(song, job.split, _FLUID[0], rng, sources.font, sources.samples)
    facts = describe(job, song, rendered)
    write(folder, facts, rendered)
    return float(facts["seconds"])


def _quiet() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@dataclass(frozen=True)
class _Maker:
    out: Path
    sources: Sources

    def __call__(self, job: Job) -> float:
        return make(job, self.out, self.sources)


def clean(out: Path, seeds: set[int]) -> None:
    """Remove what a killed build of these seeds left half-written."""
    for seed in seeds:
        for split in SPLITS:
            for folder in (out / split).glob(f".s{seed}-*.part"):
                shutil.rmtree(folder)


def build(out: Path, jobs: list[Job], sources: Sources, workers: int) -> Iterator[float]:
    """Make all songs, yielding each one's seconds as it is done."""
    for split in SPLITS:
        (out / split).mkdir(parents=True, exist_ok=True)
    seeds = {job.seed for job in jobs}
    clean(out, seeds)
    try:
        yield from _results(jobs, _Maker(out, sources), workers)
    finally:
        clean(out, seeds)


def _results(jobs: list[Job], maker: _Maker, workers: int) -> Iterator[float]:
    if workers < 2:
        yield from map(maker, jobs)
        return
    context = multiprocessing.get_context("spawn")
    pool = context.Pool(workers, _quiet)
    try:
        yield from pool.imap_unordered(maker, jobs)
    finally:
        pool.terminate()
        pool.join()
