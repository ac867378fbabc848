"""Reading a stem's notes from a MIDI file, in seconds."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np

from bandmate_server.errors import CorpusError
from bandmate_training.corpus.midi import tempo_map, track_notes


def read_notes(path: Path) -> list[tuple[float, float, int, int]]:
    """Read the notes of a MIDI file, those of all its tracks.

    Raises:
        CorpusError: if it is no MIDI file.
    """
    try:
        file = mido.MidiFile(path)
    except (OSError, EOFError, ValueError, KeyError) as error:
        raise CorpusError(f"{path} is no MIDI file that can be read: {error}") from error
    seconds = tempo_map(mido.merge_tracks(file.tracks), file.ticks_per_beat)
    rows = [row for track in file.tracks for row in track_notes(track)]
    return sorted(
        (float(np.interp(a, *seconds)), float(np.interp(b, *seconds)), key, loud)
        for a, b, key, loud in rows
    )
