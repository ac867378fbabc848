"""Windows of songs as note latents: every batch is a pure function of the seed and the step."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from bandmate_server.model.notes.layout import CELLS, DRUMS, PITCHES, SUSTAIN, TIMBRE
from bandmate_training.corpus.score import Rng
from bandmate_training.notes.data.degrade import degrade
from bandmate_training.notes.grid import FRAME, FloatArray, folded, planes, window
from bandmate_training.notes.songs import SOURCES, TIMBRE_STEP, NoteSong

SPEED = 0.18  # largest change of tempo, in log
SHIFT = 6  # semitones, the farthest transposition
RENDERED = 0.3  # share of windows from songs whose timbres are known, however few these are
TIMBRE_ERROR = 0.2  # standard deviation of a transcribed timbre's values, whose own is 1
BEFORE = 0.5  # seconds of silence before a song that a window may begin in


class NoteWindows(Dataset[Tensor]):
    """Batches (B, 2, S + 1, C, T, F) of the sources' latents in float16.

    First the notes as they are played, then as a transcriber might return them; the sources are
    the stems and `other`. Songs that were not rendered have no timbre: its cells are zero. Item
    `step` is the batch of that training step.
    """

    def __init__(
        self, songs: list[NoteSong], batch: int, frames: int, seed: int, varied: bool = True
    ) -> None:
        """Take the songs, the size of a batch, and whether key and tempo are changed."""
        self.songs, self.batch, self.frames, self.seed = songs, batch, frames, seed
        self.rendered = [song for song in songs if song.timbres]
        self.varied = varied

    def __getitem__(self, step: int) -> Tensor:
        """Draw the batch of one step."""
        rng = np.random.default_rng((self.seed, step))
        return torch.from_numpy(np.stack([self.draw(rng) for _ in range(self.batch)]))

    def draw(self, rng: Rng) -> npt.NDArray[np.float16]:
        """Draw one window (2, S + 1, C, T, F) of one song."""
        choice = self.rendered if self.rendered and rng.random() < RENDERED else self.songs
        song = choice[rng.integers(len(choice))]
        speed, shift = 1.0, 0
        if self.varied:
            speed = float(np.exp(rng.uniform(-SPEED, SPEED)))
            shift = int(rng.integers(-SHIFT, SHIFT))
        seconds = self.frames * FRAME
        start = float(rng.uniform(-BEFORE, max(0.1, song.seconds - seconds * speed)))
        out = np.zeros((2, len(SOURCES), 2, self.frames, CELLS), np.float16)
        for index, source in enumerate(SOURCES):
            moved = window(
                song.notes[source], start, seconds, speed, 0 if source == DRUMS else shift
            )
            if source != DRUMS:
                moved = folded(moved, source)
            out[0, index] = planes(moved, self.frames, source)
            out[1, index] = planes(degrade(moved, source, rng), self.frames, source, heard=True)
            if source in song.timbres:
                code = timbre_at(song.timbres[source], start, self.frames, speed)
                out[0, index, SUSTAIN, :, PITCHES:] = code
                misheard = code + TIMBRE_ERROR * rng.standard_normal(TIMBRE)
                out[1, index, SUSTAIN, :, PITCHES:] = misheard
        return out


def timbre_at(codes: FloatArray, start: float, frames: int, speed: float) -> FloatArray:
    """Return a stem's timbre (frames, TIMBRE) in a window, from codes at every TIMBRE_STEP.

    Args:
        codes: (n, TIMBRE), the first at 0 s.
        start: of the window, in seconds.
        frames: of the window.
        speed: how much faster it is played.
    """
    places = (start + np.arange(frames) * FRAME * speed) / TIMBRE_STEP
    before = np.clip(np.floor(places).astype(int), 0, len(codes) - 1)
    after = np.minimum(before + 1, len(codes) - 1)
    share = np.clip(places - before, 0, 1)[:, None].astype(np.float32)
    return np.asarray((1 - share) * codes[before] + share * codes[after])
