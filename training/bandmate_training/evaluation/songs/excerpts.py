"""What parts are made for and judged on: clips of songs as mono stems at the model's rate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr

from bandmate_server.audio.downmix import aligned_mean
from bandmate_server.spec import MEL, STEMS
from bandmate_training.evaluation.measures.metrics import is_active
from bandmate_training.evaluation.songs.clips import Clip, read_song

FloatArray = npt.NDArray[np.float32]
Stems = dict[str, FloatArray]


@dataclass(frozen=True)
class Excerpt:
    """A clip's four stems (N,) at MEL.sample_rate, zeros where the track has none.

    What else plays in the track is left out: the paper's songs have these four only.
    """

    clip: Clip
    stems: Stems

    @property
    def track(self) -> str:
        """The track's name."""
        return self.clip.track

    @property
    def start(self) -> float:
        """Where the clip begins in its track, in seconds."""
        return self.clip.start / self.clip.rate

    @property
    def mixture(self) -> FloatArray:
        """The sum of all stems (N,)."""
        return mix(self.stems)

    def active(self, stem: str) -> bool:
        """Whether a stem sounds."""
        return is_active(self.stems[stem], self.mixture)


def mix(stems: Mapping[str, FloatArray]) -> FloatArray:
    """Return the sum of waves of one length."""
    return np.sum(np.stack(list(stems.values())), axis=0, dtype=np.float32)


def read_excerpt(clip: Clip) -> Excerpt:
    """Read a clip's stems.

    Raises:
        CorpusError: if a file is not usable.
    """
    song = read_song(clip)
    samples = round(clip.frames * MEL.sample_rate / clip.rate)
    return Excerpt(clip, {stem: mono(song.sources[stem], clip.rate, samples) for stem in STEMS})


def mono(wave: FloatArray, rate: int, samples: int) -> FloatArray:
    """Return audio (N, channels) of any rate as (samples,) at MEL.sample_rate."""
    flat = aligned_mean(wave)
    if rate != MEL.sample_rate:
        flat = soxr.resample(flat, rate, MEL.sample_rate)
    flat = np.asarray(flat[:samples], np.float32)
    return np.pad(flat, (0, samples - len(flat)))


def beats_of(clip: Clip) -> list[float] | None:
    """Return a clip's beats, and one on either side, in seconds from its start.

    They are in the `track.json` of our own corpora; None where a track has none.
    """
    path = clip.folder / "track.json"
    if not path.is_file():
        return None
    beats = json.loads(path.read_text()).get("beats") or []
    start, end = clip.start / clip.rate, (clip.start + clip.frames) / clip.rate
    inside = [i for i, beat in enumerate(beats) if start <= beat <= end]
    if len(inside) < 2:
        return None
    return [beat - start for beat in beats[max(inside[0] - 1, 0) : inside[-1] + 2]]
