"""Songs as lists of notes, not rendered: thousands of them in minutes.

A set of songs is a folder of shards, `<split>-<number>.npz`, each a pure function of the
seed, so that a set grows without changing and an interrupted build goes on where it stopped.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bandmate_server.errors import CorpusError
from bandmate_server.model.notes.layout import TIMBRE, Notes
from bandmate_server.spec import OTHER, STEMS
from bandmate_training.corpus.build import SPLITS, Job, Sources, compose
from bandmate_training.corpus.perform import humanise

SOURCES = (*STEMS, OTHER)
SHARD = 250  # songs
TIMBRE_STEP = 1.0  # seconds
_NOTE = np.dtype(
    [("start", "f4"), ("end", "f4"), ("pitch", "u1"), ("loud", "u1"), ("source", "u1")]
)


@dataclass(frozen=True)
class NoteSong:
    """A song's notes by source, ordered by start; sources that rest have none.

    timbres: of stems that were rendered, a code (n, TIMBRE) every TIMBRE_STEP seconds from 0.
    """

    seconds: float
    notes: dict[str, Notes]
    timbres: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)


def play_song(job: Job, sources: Sources) -> NoteSong:
    """Compose a song and play it with a person's timing."""
    song = compose(job, sources)
    rng = np.random.default_rng([job.seed, SPLITS.index(job.split), job.index, 1])
    rows: dict[str, list[tuple[float, float, int, int]]] = {source: [] for source in SOURCES}
    for part in song.parts:
        rows[part.stem] += humanise(part, song.clock, rng)
    notes = {source: as_notes(sorted(found)) for source, found in rows.items()}
    return NoteSong(song.clock.at(song.end), notes)


def as_notes(rows: list[tuple[float, float, int, int]]) -> Notes:
    """Return notes (n, 4) of (start, end, pitch, velocity)."""
    return np.array(rows, np.float32).reshape(-1, 4)


def write_songs(path: Path, songs: list[NoteSong]) -> None:
    """Write a shard, whole or not at all."""
    tables = [_table(song) for song in songs]
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        np.savez_compressed(
            file,
            notes=np.concatenate(tables),
            counts=np.array([len(table) for table in tables]),
            seconds=np.array([song.seconds for song in songs], np.float32),
            timbres=np.concatenate([_codes(song).reshape(-1, TIMBRE) for song in songs]),
            timbre_counts=[[len(song.timbres.get(s, ())) for s in STEMS] for song in songs],
        )
    temporary.replace(path)


def read_songs(path: Path) -> list[NoteSong]:
    """Read a shard.

    Raises:
        CorpusError: if the file is damaged or no shard.
    """
    try:
        with path.open("rb") as stored, np.load(stored) as file:
            table, counts, seconds = file["notes"], file["counts"], file["seconds"]
            codes = _read_codes(file) if "timbres" in file else [{} for _ in seconds]
        if table.dtype != _NOTE:
            raise ValueError(f"its notes are {table.dtype}, expected {_NOTE}")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CorpusError(f"{path} is not a file of notes that can be read: {error}") from error
    tables = np.split(table, np.cumsum(counts)[:-1])
    return [
        _song(rows, float(length), own)
        for rows, length, own in zip(tables, seconds, codes, strict=True)
    ]


def _codes(song: NoteSong) -> npt.NDArray[np.float16]:
    """Return a song's timbres, stem after stem."""
    rows = [song.timbres[stem] for stem in STEMS if stem in song.timbres]
    return np.concatenate([np.zeros((0, TIMBRE)), *rows]).astype(np.float16)


def _read_codes(file: Any) -> list[dict[str, npt.NDArray[np.float32]]]:
    """Return the timbres of each song of a shard."""
    counts = file["timbre_counts"]
    parts = iter(np.split(file["timbres"].astype(np.float32), np.cumsum(counts.ravel())[:-1]))
    return [
        {stem: part for stem, part in zip(STEMS, parts, strict=False) if len(part)}
        for _ in range(len(counts))
    ]


def _table(song: NoteSong) -> npt.NDArray[np.void]:
    rows = np.concatenate([song.notes[source] for source in SOURCES])
    table = np.zeros(len(rows), _NOTE)
    table["start"], table["end"], table["pitch"], table["loud"] = rows.T
    table["source"] = np.repeat(range(len(SOURCES)), [len(song.notes[s]) for s in SOURCES])
    return table


def _song(
    table: npt.NDArray[np.void], seconds: float, timbres: dict[str, npt.NDArray[np.float32]]
) -> NoteSong:
    rows = np.stack([table[name] for name in ("start", "end", "pitch", "loud")], 1)
    return NoteSong(
        seconds,
        {
            source: np.ascontiguousarray(rows[table["source"] == index], np.float32)
            for index, source in enumerate(SOURCES)
        },
        timbres,
    )


def shard_path(folder: Path, split: str, number: int) -> Path:
    """Return a shard's file."""
    return folder / f"{split}-{number:04d}.npz"


@dataclass(frozen=True)
class ShardMaker:
    """Makes the shards of a set that are missing; it can be sent to another process."""

    out: Path
    seed: int
    sources: Sources

    def __call__(self, shard: tuple[str, int]) -> int:
        """Make one (split, number); return its songs, 0 if it was there."""
        split, number = shard
        path = shard_path(self.out, split, number)
        if path.exists():
            return 0
        jobs = [Job(self.seed, split, number * SHARD + index) for index in range(SHARD)]
        write_songs(path, [play_song(job, self.sources) for job in jobs])
        return SHARD


def load_songs(folder: Path, split: str, most: int | None = None) -> list[NoteSong]:
    """Read a split's songs in order, the first `most` of them.

    Raises:
        CorpusError: if there is none, or a shard is damaged.
    """
    songs: list[NoteSong] = []
    for path in _shards(folder, split):
        songs += read_songs(path)
        if most is not None and len(songs) >= most:
            return songs[:most]
    if not songs:
        raise CorpusError(
            f"no {split} songs in {folder}: make them with `bandmate-train notes --out {folder}`"
        )
    return songs


def _shards(folder: Path, split: str) -> Iterator[Path]:
    yield from sorted(folder.glob(f"{split}-*.npz"))
