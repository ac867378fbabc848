"""Waves of stems and mixtures with the notes of all that sounds in them."""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.data import Dataset

from bandmate_server.model.notes.layout import CELLS, DRUMS
from bandmate_server.spec import NOTES
from bandmate_training.corpus.score import Rng
from bandmate_training.data import augment
from bandmate_training.notes.data.pairs import LEVEL, NotedTrack, Played
from bandmate_training.notes.grid import FRAME, FloatArray, folded, planes, window
from bandmate_training.notes.songs import SOURCES

SINGLE = 0.5  # share of examples with one source alone
KEPT = 0.75  # chance of each source to be in a mixture
GAIN_SPREAD = 4.0  # dB, standard deviation between a mixture's sources
TREATED = 0.5  # share of sources that get effects
MIXTURE = -1  # stands for a stem where there are several


class PlayedSources(Dataset[Played]):
    """Batches of stems and mixtures; item `step` is the batch of that training step."""

    def __init__(
        self, tracks: list[NotedTrack], batch: int, frames: int, seed: int, treated: float = TREATED
    ) -> None:
        """Take the tracks, the size of a batch, and how many sources get effects."""
        self.tracks, self.batch, self.frames, self.seed = tracks, batch, frames, seed
        self.treated = treated

    def __getitem__(self, step: int) -> Played:
        """Draw the batch of one step."""
        rng = np.random.default_rng((self.seed, step))
        notes, waves, sources = zip(*(self.draw(rng) for _ in range(self.batch)), strict=True)
        return Played(
            torch.from_numpy(np.stack(notes)),
            torch.from_numpy(np.stack(waves)),
            torch.tensor(sources),
        )

    def draw(self, rng: Rng) -> tuple[FloatArray, FloatArray, int]:
        """Draw one example: planes (C, T, F), wave (N,), the source's number or MIXTURE."""
        one = self.tracks[rng.integers(len(self.tracks))]
        names = [source for source in SOURCES if source in one.notes]
        chosen = [str(rng.choice(names))]
        if rng.random() >= SINGLE:
            chosen = [name for name in names if rng.random() < KEPT] or chosen
        hop = NOTES.latent_hop
        last = one.track.samples // hop - self.frames
        start = int(rng.integers(max(last, 0) + 1))
        wave = np.zeros(self.frames * hop, np.float32)
        notes = np.zeros((2, self.frames, CELLS), np.float32)
        for source in chosen:
            own = one.track.read(source, start * hop, len(wave))
            if rng.random() < self.treated:
                own = augment.record(own, source, rng)
            gain = float(rng.normal(0, GAIN_SPREAD)) if len(chosen) > 1 else 0.0
            wave += np.float32(10 ** (gain / 20)) * own
            played = window(one.notes[source], start * FRAME, self.frames * FRAME)
            played = played if source == DRUMS else folded(played, source)
            notes = np.maximum(notes, planes(played, self.frames, source, heard=True))
        number = SOURCES.index(chosen[0]) if len(chosen) == 1 else MIXTURE
        return notes, _levelled(wave, rng), number


def _levelled(wave: FloatArray, rng: Rng) -> FloatArray:
    level, wanted = augment.rms(wave), 10 ** (float(rng.uniform(*LEVEL)) / 20)
    if level < 1e-4:
        return wave
    return wave * np.float32(min(wanted / level, 0.99 / float(np.abs(wave).max())))
