"""A stem's notes as a MIDI file: written in seconds over a tempo map, read back in seconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mido
import numpy as np

TICKS = 960  # per beat
DRUM_CHANNEL = 9
PROGRAMS = {"bass": 33, "guitar": 25, "piano": 0, "other": 53}  # General MIDI, counted from 0
Rows = Sequence[tuple[float, float, int, int]]  # start and end in seconds, key, velocity


def write_notes(path: Path, rows: Rows, source: str, beats: Sequence[float]) -> None:
    """Write a source's notes.

    Args:
        path: of the MIDI file.
        rows: the notes.
        source: a stem or `other`; decides channel and program.
        beats: the song's beats in seconds, at least two; before and after them their tempo
            goes on.
    """
    channel = DRUM_CHANNEL if source == "drums" else 0
    grid = _grid(beats)
    ticks = np.interp([[start, end] for start, end, _, _ in rows] or [[0, 0]], *grid)
    timed = [(0, message) for message in _head(source, channel)]
    timed += _tempi(grid)
    for (start, end), (_, _, key, loud) in zip(ticks.round().astype(int), rows, strict=False):
        note = {"note": int(key), "channel": channel}
        timed.append((int(start), mido.Message("note_on", velocity=int(loud), **note)))
        timed.append((max(int(end), int(start) + 1), mido.Message("note_off", **note)))
    file = mido.MidiFile(type=0, ticks_per_beat=TICKS)
    file.tracks.append(_track(timed))
    file.save(path)


def read_notes(path: Path) -> list[tuple[float, float, int, int]]:
    """Return the notes of a file that `write_notes` wrote.

    Raises:
        OSError, ValueError: if it cannot be read, or is no MIDI file.
    """
    now = 0.0
    sounding: defaultdict[int, list[tuple[float, int]]] = defaultdict(list)
    rows: list[tuple[float, float, int, int]] = []
    for message in mido.MidiFile(path):
        now += message.time  # mido gives seconds here.
        if message.type == "note_on":
            sounding[message.note].append((now, message.velocity))
        elif message.type == "note_off" and sounding[message.note]:
            begin, loud = sounding[message.note].pop(0)
            rows.append((begin, now, message.note, loud))
    return sorted(rows)


def _grid(beats: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return seconds and ticks of the beats, from 0 to a day later."""
    first, last = beats[1] - beats[0], beats[-1] - beats[-2]
    lead = max(beats[0], 0.0)
    pickup = round(TICKS * lead / first)
    seconds = [0.0, *(beat for beat in beats if beat > 0)]
    ticks = [0.0] + [float(pickup + TICKS * k) for k, beat in enumerate(beats) if beat > 0]
    day = 86_400.0
    return [*seconds, seconds[-1] + day], [*ticks, ticks[-1] + TICKS * day / last]


def _tempi(grid: tuple[list[float], list[float]]) -> list[tuple[int, Any]]:
    """Return the tempo messages of a grid, where the tempo changes."""
    found: list[tuple[int, Any]] = []
    seconds, ticks = grid
    for k in range(len(seconds) - 1):
        per_beat = 1e6 * TICKS * (seconds[k + 1] - seconds[k]) / (ticks[k + 1] - ticks[k])
        tempo = min(round(per_beat), 2**24 - 1)
        if not found or found[-1][1].tempo != tempo:
            found.append((round(ticks[k]), mido.MetaMessage("set_tempo", tempo=tempo)))
    return found


def _head(source: str, channel: int) -> list[Any]:
    head = [mido.MetaMessage("track_name", name=source)]
    if source in PROGRAMS:
        head.append(mido.Message("program_change", program=PROGRAMS[source], channel=channel))
    return head


def _track(timed: list[tuple[int, Any]]) -> Any:
    """Return a track of messages at ticks; at one tick tempi come first, then ends of notes."""
    order = {"note_off": 1, "note_on": 2}
    track, now = mido.MidiTrack(), 0
    for tick, message in sorted(timed, key=lambda row: (row[0], order.get(row[1].type, 0))):
        track.append(message.copy(time=tick - now))
        now = tick
    return track
