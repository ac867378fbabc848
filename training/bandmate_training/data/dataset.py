"""Training examples from a corpus of stems on disk.

The layout is Slakh2100's as MSDM uses it: `<split>/<track>/<stem>.wav`, one more file
`other.wav` for what is none of the four. Every batch is a pure function of the seed and the
step, so that a resumed run sees what an uninterrupted one would have seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile as sf
import torch
from torch import Tensor
from torch.utils.data import Dataset

from bandmate_server.errors import CorpusError
from bandmate_server.spec import MEL, OTHER, STEMS
from bandmate_training.data import augment

FloatArray = npt.NDArray[np.float32]
SOURCES = (*STEMS, OTHER)


@dataclass(frozen=True)
class Track:
    """One song: its folder, its length in samples, and which sources it has."""

    folder: Path
    samples: int
    sources: frozenset[str]

    def read(self, source: str, start: int, samples: int) -> FloatArray:
        """Return `samples` of a source (samples,), zeros where it has none."""
        out = np.zeros(samples, dtype=np.float32)
        if source in self.sources:
            with sf.SoundFile(self.folder / f"{source}.wav") as file:
                file.seek(min(start, len(file)))
                wave = file.read(samples, dtype="float32")
            out[: len(wave)] = wave
        return out


def find_tracks(corpus: Path, split: str, shortest: int = 0) -> list[Track]:
    """List the tracks of a split that are at least `shortest` samples long, by name.

    Raises:
        CorpusError: if there is none, or a file is unreadable or of another rate.
    """
    tracks = []
    for folder in sorted((corpus / split).glob("*")):
        sources = frozenset(s for s in SOURCES if (folder / f"{s}.wav").is_file())
        if not sources or folder.name.startswith("."):
            continue
        path = folder / f"{min(sources)}.wav"
        try:
            info = sf.info(path)
        except sf.SoundFileError as error:
            raise CorpusError(f"{path} is not audio that can be read: {error}") from error
        if (info.samplerate, info.channels) != (MEL.sample_rate, 1):
            raise CorpusError(
                f"{path}: expected {MEL.sample_rate} Hz and 1 channel,"
                f" got {info.samplerate} Hz and {info.channels}"
            )
        if info.frames >= shortest:
            tracks.append(Track(folder, info.frames, sources))
    if not tracks:
        raise CorpusError(
            f"no tracks in {corpus / split}:"
            f" make a corpus with `bandmate-train corpus --out {corpus}`"
        )
    return tracks


@dataclass(frozen=True)
class Mixing:
    """How examples are drawn: shares are probabilities, gains in dB."""

    remixed: float = 0.5  # stems of different songs
    foreign_other: float = 0.25  # an unknown instrument where the song has none
    dropped: float = 0.1  # a stem is left out
    changed_speed: float = 0.5
    untreated: float = 0.0  # no effects on any stem
    gain_spread: float = 5.0  # standard deviation between stems
    loudness: tuple[float, float] = (-26.0, -15.0)  # of the mixture, dB RMS


class Examples(Dataset[Tensor]):
    """Batches of the five sources' waves (B, 5, N), which sum to their mixtures.

    Item `step` is the batch of that training step.
    """

    def __init__(
        self, tracks: list[Track], batch: int, samples: int, seed: int, mixing: Mixing | None = None
    ) -> None:
        """Take the tracks to draw from, and the size of a batch."""
        self.tracks = tracks
        self.others = [track for track in tracks if OTHER in track.sources]
        self.batch, self.samples, self.seed = batch, samples, seed
        self.mixing = mixing or Mixing()

    def __getitem__(self, step: int) -> Tensor:
        """Draw the batch of one step."""
        rng = np.random.default_rng((self.seed, step))
        return torch.from_numpy(np.stack([self.draw(rng) for _ in range(self.batch)]))

    def draw(self, rng: np.random.Generator) -> FloatArray:
        """Draw one example (5, N): positions, speed, effects, gains, dropped stems."""
        mixing = self.mixing
        together = rng.random() >= mixing.remixed
        treated = not mixing.untreated or rng.random() >= mixing.untreated
        position = self._position(rng, self.tracks)
        waves = []
        for source in SOURCES:
            track, start, speed = position if together else self._position(rng, self.tracks)
            if source == OTHER and source not in track.sources:
                if not self.others or rng.random() >= mixing.foreign_other:
                    waves.append(np.zeros(self.samples, dtype=np.float32))
                    continue
                track, start, speed = self._position(rng, self.others)
            wave = track.read(source, start, augment.source_length(self.samples, speed))
            wave = augment.play_at(wave, speed, self.samples)
            if treated:
                wave = augment.record(wave, source, rng)
            gain = (
                rng.normal(0, mixing.gain_spread) if rng.random() >= mixing.dropped else -math.inf
            )
            waves.append(wave * np.float32(10 ** (gain / 20)))
        return self._levelled(np.stack(waves), rng)

    def _position(self, rng: np.random.Generator, tracks: list[Track]) -> tuple[Track, int, float]:
        track = tracks[rng.integers(len(tracks))]
        speed = 1.0
        if rng.random() < self.mixing.changed_speed:
            speed = float(rng.uniform(1 - augment.SPEED_RANGE, 1 + augment.SPEED_RANGE))
        room = max(1, track.samples - augment.source_length(self.samples, speed))
        return track, int(rng.integers(room)), speed

    def _levelled(self, waves: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Bring the mixture to a random loudness, and no higher than full scale."""
        mixture = waves.sum(axis=0)
        target = 10 ** (rng.uniform(*self.mixing.loudness) / 20)
        level = augment.rms(mixture)
        if level < 1e-6:
            return waves
        peak = max(float(np.abs(waves).max()), float(np.abs(mixture).max()))
        return waves * np.float32(min(target / level, 0.99 / peak))
