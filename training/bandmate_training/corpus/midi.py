"""MIDI files: notes of a track, the tempo map."""

from __future__ import annotations

from typing import Any


def tempo_map(track: Any, per_beat: int) -> tuple[list[float], list[float]]:
    """Return matching lists of ticks and seconds, a day long."""
    ticks, seconds, tempo, now = [0.0], [0.0], 500_000, 0
    for message in track:
        now += message.time
        if message.type == "set_tempo":
            seconds.append(seconds[-1] + (now - ticks[-1]) * tempo / per_beat / 1e6)
            ticks.append(float(now))
            tempo = message.tempo
    ticks.append(ticks[-1] + 1e7)
    seconds.append(seconds[-1] + 1e7 * tempo / per_beat / 1e6)
    return ticks, seconds


def track_notes(track: Any) -> list[tuple[int, int, int, int]]:
    """Return a MIDI track's notes as (start, end, pitch, velocity), in ticks."""
    now, sounding, notes = 0, dict[int, tuple[int, int]](), list[tuple[int, int, int, int]]()
    for message in track:
        now += message.time
        if message.type not in ("note_on", "note_off"):
            continue
        if message.note in sounding:
            start, loud = sounding.pop(message.note)
            notes.append((start, now, message.note, loud))
        if message.type == "note_on" and message.velocity > 0:
            sounding[message.note] = (now, message.velocity)
    return sorted(notes)
