"""POP909 on disk: its songs' beats, chords and tracks, from its folder or zip."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np

from bandmate_server.errors import CorpusError
from bandmate_training.corpus.harmony import make_chord, parse_symbol
from bandmate_training.corpus.midi import tempo_map, track_notes
from bandmate_training.corpus.score import Chord, FloatArray

_NAME = re.compile(r"(?:^|/)(\d{3})/\1\.mid$")


@dataclass(frozen=True)
class Library:
    """POP909 on disk: song names, and how to read a song's file."""

    songs: tuple[str, ...]
    read: Callable[[str, str], bytes]  # (song, file name) -> contents


def open_library(path: Path) -> Library:
    """Open POP909 from its zip or (repository) folder.

    Raises:
        CorpusError: if there are no songs.
    """
    zipped = path.is_file() and zipfile.is_zipfile(path)
    library = _from_zip(path) if zipped else _from_folder(path)
    if not library.songs:
        raise CorpusError(f"no POP909 songs (NNN/NNN.mid) in {path}")
    return library


def _from_zip(path: Path) -> Library:
    with zipfile.ZipFile(path) as archive:
        names = {m[1]: n for n in archive.namelist() if (m := _NAME.search(n))}

    def read(song: str, file: str) -> bytes:
        with zipfile.ZipFile(path) as archive:
            return archive.read(names[song].rsplit("/", 1)[0] + "/" + file)

    return Library(tuple(sorted(names)), read)


def _from_folder(path: Path) -> Library:
    files = path.glob("**/[0-9][0-9][0-9].mid")
    folders = {f.stem: f.parent for f in files if f.parent.name == f.stem}
    return Library(tuple(sorted(folders)), lambda s, f: (folders[s] / f).read_bytes())


def read_beats(text: str) -> tuple[FloatArray, int]:
    """Return (beat seconds, beats in a bar).

    The file's two columns mark half bars and bars; both are often a beat off, so only
    their spacing is used (see `first_bar`).
    """
    rows = np.array([[float(v) for v in line.split()] for line in text.splitlines() if line])
    marks = np.flatnonzero(rows[:, 1] > 0.5)
    triple = len(marks) > 1 and int(np.bincount(np.diff(marks)).argmax()) == 3
    return rows[:, 0], 3 if triple else 4


def first_bar(chords: Sequence[Chord], bar: int) -> int:
    """Return the beat of the first bar line: where most chords begin on a bar."""
    starts = np.array([c.start for c in chords])
    return int(np.argmax([((starts - beat) % bar == 0).sum() for beat in range(bar)]))


def read_notes(data: bytes) -> dict[str, list[tuple[float, float, int, int]]]:
    """Return each track's (start, end, pitch, velocity) in seconds."""
    midi = mido.MidiFile(file=io.BytesIO(data))
    ticks, seconds = tempo_map(midi.tracks[0], midi.ticks_per_beat)
    rows: dict[str, list[tuple[float, float, int, int]]] = {}
    for track in midi.tracks[1:]:
        rows[track.name] = [
            (float(np.interp(a, ticks, seconds)), float(np.interp(b, ticks, seconds)), p, v)
            for a, b, p, v in track_notes(track)
        ]
    return rows


def to_beats(times: FloatArray) -> Callable[[float], float]:
    """Return what turns seconds into beats, given the seconds of the beats."""
    index = np.arange(len(times), dtype=np.float64)
    step = float(np.median(np.diff(times)))

    def convert(second: float) -> float:
        if second < times[0]:
            return float((second - times[0]) / step)
        if second > times[-1]:
            return float(index[-1] + (second - times[-1]) / step)
        return float(np.interp(second, times, index))

    return convert


def read_chords(text: str, to_beat: Callable[[float], float], shift: int) -> list[Chord]:
    """Return the chords in beats, moved by `shift` semitones; `N` prolongs its neighbour."""
    chords: list[Chord] = []
    for line in text.splitlines():
        fields = line.split()
        parsed = parse_symbol(fields[2]) if len(fields) == 3 else None
        if parsed is None:
            continue
        root, quality, low = parsed
        start, end = (round(to_beat(float(f)) * 2) / 2 for f in fields[:2])
        if end > start:
            chords.append(make_chord(start, end, root + shift, quality, low))
    return chords
