"""Stems of a rendered corpus with the notes that are played in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from bandmate_server.errors import CorpusError
from bandmate_server.model.notes.layout import DRUMS, Notes
from bandmate_server.spec import NOTES, STEMS
from bandmate_training.corpus.note_files import read_notes
from bandmate_training.corpus.score import Rng
from bandmate_training.data import augment
from bandmate_training.data.dataset import Track, find_tracks
from bandmate_training.notes.grid import FRAME, FloatArray, folded, planes, window
from bandmate_training.notes.songs import SOURCES, as_notes

TREATED = 0.5  # share of examples that get effects
LEVEL = (-32.0, -14.0)  # dB RMS that an example's sounding part is brought to
FEWEST = 4  # notes of a stem that is worth learning from
_TRIES = 100


class Played(NamedTuple):
    """Latent planes (B, C, T, F) and waves (B, N), of one stem each; which stem (B,)."""

    notes: Tensor
    wave: Tensor
    stem: Tensor


@dataclass(frozen=True)
class NotedTrack:
    """A track of a corpus, and the notes of its sources."""

    track: Track
    notes: dict[str, Notes]

    @property
    def stems(self) -> list[str]:
        """The stems that play enough."""
        return [stem for stem in STEMS if len(self.notes.get(stem, ())) >= FEWEST]


def find_noted_tracks(corpus: Path, split: str, seconds: float) -> list[NotedTrack]:
    """List a split's tracks of at least `seconds` that have their notes beside them.

    Raises:
        CorpusError: if there is none, or a file is unreadable.
    """
    found = []
    for track in find_tracks(corpus, split, round(seconds * NOTES.mel.sample_rate)):
        paths = {source: track.folder / f"{source}.mid" for source in SOURCES}
        notes = {s: as_notes(read_notes(path)) for s, path in paths.items() if path.is_file()}
        one = NotedTrack(track, notes)
        if one.stems:
            found.append(one)
    if not found:
        raise CorpusError(f"the tracks of {corpus / split} have no notes beside them: build anew")
    return found


class PlayedStems(Dataset[Played]):
    """Batches of single stems; item `step` is the batch of that training step."""

    def __init__(
        self,
        tracks: list[NotedTrack],
        batch: int,
        frames: int,
        seed: int,
        treated: float = TREATED,
    ) -> None:
        """Take the tracks, the size of a batch, and how many examples get effects."""
        self.tracks, self.batch, self.frames, self.seed = tracks, batch, frames, seed
        self.treated = treated

    def __getitem__(self, step: int) -> Played:
        """Draw the batch of one step: the stems take turns."""
        rng = np.random.default_rng((self.seed, step))
        drawn = [self.draw(STEMS[(step + k) % len(STEMS)], rng) for k in range(self.batch)]
        notes, waves, stems = zip(*drawn, strict=True)
        return Played(
            torch.from_numpy(np.stack(notes)),
            torch.from_numpy(np.stack(waves)),
            torch.tensor(stems),
        )

    def draw(self, wanted: str, rng: Rng) -> tuple[FloatArray, FloatArray, int]:
        """Draw an example of a stem, or of another where none of the tracks drawn has it."""
        for _ in range(_TRIES):
            one = self.tracks[rng.integers(len(self.tracks))]
            if wanted in one.stems:
                break
        stem = wanted if wanted in one.stems else one.stems[0]
        hop = NOTES.latent_hop
        last = one.track.samples // hop - self.frames
        start = int(rng.integers(max(last, 0) + 1))
        wave = one.track.read(stem, start * hop, self.frames * hop)
        notes = window(one.notes[stem], start * FRAME, self.frames * FRAME)
        latent = planes(notes if stem == DRUMS else folded(notes, stem), self.frames, stem)
        if rng.random() < self.treated:
            wave = augment.record(wave, stem, rng)
        level = augment.rms(wave)
        wanted_level = 10 ** (float(rng.uniform(*LEVEL)) / 20)
        if level > 1e-4:
            peak = float(np.abs(wave).max())
            wave = wave * np.float32(min(wanted_level / level, 0.99 / peak))
        return latent, wave, STEMS.index(stem)
