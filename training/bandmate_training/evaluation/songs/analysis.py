"""A clip as the engine analyses it: mono, at the model's rate and level; and its log-mels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from bandmate_server.audio.downmix import polarity
from bandmate_server.audio.level import measure_level
from bandmate_server.audio.resampler import Resampler
from bandmate_server.audio.sources import ArraySource, read_blocks
from bandmate_server.model.model import Model
from bandmate_server.spec import MEL, MINI, OTHER, ModelSpec
from bandmate_training.evaluation.songs.clips import ClipAudio
from bandmate_training.networks.mel import LogMel

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Analysis:
    """Log-mels of a clip's stems (S, N, M), of `other` (N, M) and of the mixture (N, M).

    gain: by which the engine brings the mixture to the model's level; every wave of the clip
        is compared at this level, whoever made it.
    signs: of the mixture's channels (channels,), by which they are in phase.
    waves: (S + 2, samples) at the model's rate: stems, `other`, mixture; whole blocks.
    frames: mel frames of the clip itself; the blocks may reach beyond it.
    """

    gain: float
    signs: FloatArray
    waves: FloatArray
    frames: int
    stems: FloatArray
    other: FloatArray
    mixture: FloatArray


class Analyser:
    """Computes log-mels; holds the filter bank."""

    def __init__(self, spec: ModelSpec = MINI) -> None:
        """Make the filter bank of a spec."""
        self.spec = spec
        self._mel = LogMel(spec.mel)

    def analyse(self, song: ClipAudio) -> Analysis:
        """Return the clip as the engine analyses it."""
        source = ArraySource(song.mixture, song.rate)
        level = measure_level(read_blocks(source, 0, source.frames), song.rate, "the mixture")
        names = [*self.spec.stems, OTHER]
        parts = [song.sources[name] for name in names]
        signs = polarity(song.mixture)
        waves = self.waves([*parts, song.mixture], song.rate, level.gain, signs)
        frames = math.ceil(len(song.mixture) / song.rate * MEL.sample_rate / MEL.hop)
        mels = self._log_mels(waves, frames)
        return Analysis(level.gain, signs, waves, frames, mels[:-2], mels[-2], mels[-1])

    def waves(
        self, parts: list[FloatArray], rate: int, gain: float, signs: FloatArray
    ) -> FloatArray:
        """Return waves (len(parts), samples) at the model's rate of audio (N, channels)."""
        mono = np.stack([(part * signs).mean(axis=1) for part in parts], axis=1)  # (N, parts)
        resampler = Resampler(rate, self.spec.mel.sample_rate, len(parts))
        wave = resampler.push(mono * np.float32(gain), last=True).T
        rest = -wave.shape[1] % self.spec.block_samples
        return np.ascontiguousarray(np.pad(wave, ((0, 0), (0, rest))))

    def mels(self, parts: list[FloatArray], rate: int, analysis: Analysis) -> FloatArray:
        """Return log-mels (len(parts), N, M) of other audio (N, channels) of the same clip."""
        return self._log_mels(
            self.waves(parts, rate, analysis.gain, analysis.signs), analysis.frames
        )

    def _log_mels(self, waves: FloatArray, frames: int) -> FloatArray:
        with torch.no_grad():
            mels: FloatArray = self._mel(torch.from_numpy(waves)).numpy()
        return mels[:, :frames]


def reconstruct(model: Model, analysis: Analysis) -> FloatArray:
    """Return what the VAE makes of the clip's waves: log-mels (S + 2, N, M)."""
    latents = model.encode(analysis.waves).latent
    return model.decode(latents)[:, : analysis.frames]
