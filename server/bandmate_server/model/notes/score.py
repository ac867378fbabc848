"""What is played: stems' notes over a beat, out of latents and into MIDI files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.model.notes.layout import SCALE, Notes
from bandmate_server.model.notes.midi import read_notes, write_notes
from bandmate_server.model.notes.reading import notes_of, onsets_of
from bandmate_server.model.notes.tempo import USUAL, Pulse, find_pulse
from bandmate_server.spec import ModelSpec


@dataclass(frozen=True)
class Score:
    """Stems' notes (n, 4) in seconds, and the beat that all stems together keep."""

    notes: dict[str, Notes]
    pulse: Pulse

    def later(self, seconds: float) -> Score:
        """Return the same with every time later by some seconds."""
        shift = np.array([seconds, seconds, 0, 0], np.float32)
        moved = {stem: notes + shift for stem, notes in self.notes.items()}
        return Score(moved, self.pulse.later(seconds))

    def within(self, seconds: float) -> Score:
        """Return the notes that begin from 0 on and before `seconds`, none of them longer."""
        kept = {}
        for stem, notes in self.notes.items():
            inside = notes[(notes[:, 0] >= 0) & (notes[:, 0] < seconds)]
            ends = np.minimum(inside[:, 1], np.float32(seconds))
            kept[stem] = np.column_stack([inside[:, 0], ends, inside[:, 2:]])
        return Score(kept, self.pulse)

    def write(self, stem: str, path: Path, seconds: float) -> None:
        """Write a stem's notes as a MIDI file, whose bars go on to `seconds`."""
        rows = [
            (float(start), float(end), round(float(key)), round(float(loud)))
            for start, end, key, loud in self.notes[stem]
        ]
        write_notes(path, rows, stem, self.pulse.beats(seconds))

    def describe(self) -> dict[str, Any]:
        """Return what a manifest says of the beat: beats a minute, the first one from 0 on."""
        (first, *_) = (beat for beat in self.pulse.beats(60.0) if beat >= 0)
        return {"tempo": round(self.pulse.tempo, 2), "first_beat": round(first, 4)}


def silent_score(stems: Sequence[str]) -> Score:
    """Return the score of stems that rest."""
    return Score({stem: np.zeros((0, 4), np.float32) for stem in stems}, Pulse(USUAL, 0.0))


def cut_scores(
    files: Mapping[str, Path], beat: Mapping[str, float], begin: float, seconds: float
) -> dict[str, Any]:
    """Cut stems' MIDI files to `seconds` from `begin` on; return what then describes the beat.

    Args:
        files: stem -> file.
        beat: as `Score.describe` described it.
        begin: that becomes 0.
        seconds: that are kept.
    """
    notes = {stem: np.array(read_notes(path), np.float32) for stem, path in files.items()}
    notes = {stem: rows.reshape(-1, 4) for stem, rows in notes.items()}
    score = Score(notes, Pulse(beat["tempo"], beat["first_beat"])).later(-begin).within(seconds)
    for stem, path in files.items():
        score.write(stem, path, seconds)
    return score.describe()


def read_score(latents: FloatArray, spec: ModelSpec, stems: Sequence[str]) -> Score:
    """Return what stems play, in seconds from the latents' beginning on.

    Args:
        latents: scaled, of all of the model's stems (S, C, L, F).
        spec: of a model whose latents are notes.
        stems: those whose notes are wanted; the beat is that of all stems.
    """
    planes = latents / np.float32(SCALE)
    frame_seconds = spec.latent_hop / spec.sample_rate
    notes = {stem: notes_of(planes[spec.stems.index(stem)], stem, frame_seconds) for stem in stems}
    return Score(notes, find_pulse(onsets_of(planes, frame_seconds)))
