"""Training examples as the published system draws them, from stems in Slakh2100's layout.

`<split>/<track>/<stem>.wav`, one file per stem and track, of any one rate (the published files
have 22,050 Hz). Every batch is a pure function of the seed and its number.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile as sf
import torch
from torch import Tensor
from torch.utils.data import Dataset

from bandmate_server.errors import CorpusError
from bandmate_server.spec import STEMS
from bandmate_training.paper.data.resample import resample
from bandmate_training.paper.data.segments import (
    LARGEST_SHIFT,
    RATE,
    WINDOW,
    first_frame,
    moved,
    offsets,
    usable,
)


@dataclass(frozen=True)
class Segment:
    """One window of a track: where its stems are, and where it begins."""

    folder: Path
    rate: int  # of the files, Hz
    duration: float  # of the track, s
    offset: int  # samples at the model's rate

    def begin(self, shift: int = 0) -> float:
        """Return where the window begins after a shift, in samples at the model's rate."""
        return moved(self.offset, shift, self.duration)

    def name(self, shift: int = 0) -> str:
        """Return what the published system calls the window."""
        return f"{self.folder.name}_from_{int(self.begin(shift) / RATE)}"

    def read(self, shift: int = 0) -> Tensor:
        """Return the stems' waves and their mixture's (S + 1, N); the mixture is clipped.

        Raises:
            CorpusError: if a file cannot be read.
        """
        start = first_frame(self.begin(shift), self.rate)
        frames = -(-WINDOW * self.rate // RATE)
        waves = [self._stem(stem, start, frames) for stem in STEMS]
        stems = resample(torch.from_numpy(np.stack(waves)), self.rate, RATE)[:, :WINDOW]
        mixture = stems.sum(0, keepdim=True).clamp(-1.0, 1.0)
        return torch.cat([stems, mixture])

    def _stem(self, stem: str, start: int, frames: int) -> npt.NDArray[np.float32]:
        """Return the first channel of a stem's frames, zeros past its end."""
        path = self.folder / f"{stem}.wav"
        try:
            with sf.SoundFile(path) as file:
                file.seek(min(start, len(file)))
                wave = file.read(frames, dtype="float32", always_2d=True)[:, 0]
        except sf.SoundFileError as error:
            raise CorpusError(f"{path} is not audio that can be read: {error}") from error
        return np.pad(wave, (0, frames - len(wave)))


def find_segments(corpus: Path, split: str) -> list[Segment]:
    """List the windows of a split, track by track.

    A track counts if every stem is there, all are equally long, and it lasts from one window
    to under 640 s.

    Raises:
        CorpusError: if there is none, or a file cannot be read.
    """
    found: list[Segment] = []
    for folder in sorted((corpus / split).glob("*")):
        if not all((folder / f"{stem}.wav").is_file() for stem in STEMS):
            continue
        rates, durations = zip(*(_header(folder / f"{s}.wav") for s in STEMS), strict=True)
        duration = durations[0]
        if len(set(rates)) == len(set(durations)) == 1 and usable(duration):
            found += [Segment(folder, rates[0], duration, begin) for begin in offsets(duration)]
    if not found:
        raise CorpusError(
            f"no tracks in {corpus / split}: expected <track>/{{{','.join(STEMS)}}}.wav, equally"
            " long, of 10.24 s to 640 s; `bandmate-train slakh` makes them of Slakh2100"
        )
    return found


def _header(path: Path) -> tuple[int, float]:
    """Return a file's rate and duration."""
    try:
        info = sf.info(path)
    except sf.SoundFileError as error:
        raise CorpusError(f"{path} is not audio that can be read: {error}") from error
    return info.samplerate, info.frames / info.samplerate


class Shuffled:
    """An endless stream of places in a list: every pass has all of them, in its own order."""

    def __init__(self, count: int, seed: int) -> None:
        """Take the length of the list."""
        self.count, self.seed = count, seed

    def __call__(self, place: int) -> tuple[int, np.random.Generator]:
        """Return the index at a place of the stream, and a source of what else is random."""
        epoch, index = divmod(place, self.count)
        rng = np.random.default_rng((self.seed, 1, place))
        return int(_order(self.count, self.seed, epoch)[index]), rng


@lru_cache(maxsize=2)
def _order(count: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng((seed, 0, epoch)).permutation(count)


class Batches(Dataset[Tensor]):
    """Batches of windows in an order that is drawn anew in every round."""

    def __init__(self, segments: list[Segment], batch: int, seed: int) -> None:
        """Take the windows to draw from."""
        self.segments, self.batch = segments, batch
        self.draw = Shuffled(len(segments), seed)

    def __getitem__(self, item: int) -> Tensor:
        """Draw the batch of a step and process."""
        places = range(item * self.batch, (item + 1) * self.batch)
        return torch.stack([self.example(*self.draw(place)) for place in places])

    def example(self, index: int, rng: np.random.Generator) -> Tensor:
        """Return one window."""
        raise NotImplementedError


class Windows(Batches):
    """Batches of windows moved at random: waves (B, S + 1, N), the mixture last."""

    def example(self, index: int, rng: np.random.Generator) -> Tensor:
        """Return one window's waves (S + 1, N)."""
        shift = int(rng.integers(-LARGEST_SHIFT, LARGEST_SHIFT))
        return self.segments[index].read(shift)
