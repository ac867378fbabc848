"""How well a new part agrees with what is given: it decides which of several drafts is kept.

Pitched parts are compared by the pitch classes that sound together, drums by attacks that
coincide. All waves are at the model's rate.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from bandmate_server.audio.arrays import FloatArray

DRUMS = "drums"
RHYTHM_SHARE = 0.2  # of rhythm in the agreement of pitched parts
WINDOW = 4096  # samples, for pitch: a quarter of a second
LOWEST, HIGHEST = 65.0, 2000.0  # Hz
A4 = 440.0  # Hz, pitch class 9
ATTACK_WINDOW, ATTACK_HOP = 512, 160  # samples
COMPRESSION = 1000.0  # of magnitudes, before the logarithm
SLACK = 5  # frames of ATTACK_HOP over which attacks are smoothed
_FAINT = 1e-6  # norm of a frame's pitch classes: what is below it stays as faint as it is
_BANDS = 16  # of equal numbers of bins, whose attacks count alike


class ContextScorer:
    """What is given, analysed once, for any number of parts to be compared with it.

    Args:
        given: name -> wave (n,), at least one, WINDOW samples or more.
        rate: of these and of the parts, Hz.
    """

    def __init__(self, given: dict[str, FloatArray], rate: int) -> None:
        self._rate = rate
        samples = len(next(iter(given.values())))
        self._attacks = onset_strength(_sum(given.values(), samples))
        pitched = (wave for name, wave in given.items() if name != DRUMS)
        self._pitch_classes = chroma(_sum(pitched, samples), rate)

    def score(self, stem: str, part: FloatArray) -> float:
        """Return how well a part fits, from -1 to 1; 0 where nothing can be compared.

        Args:
            stem: the part's name.
            part: its wave (n,), as long as what is given.
        """
        rhythm = _product(onset_strength(part), self._attacks)
        if stem == DRUMS:
            return rhythm
        harmony = _product(chroma(part, self._rate), self._pitch_classes)
        return (1.0 - RHYTHM_SHARE) * harmony + RHYTHM_SHARE * rhythm


def chroma(wave: FloatArray, rate: int) -> FloatArray:
    """Return how much of each pitch class sounds over time (frames, 12), C first, at a rate in Hz.

    Over the classes of a frame the mean is 0: what sounds in all of them agrees with nothing.
    Frames are divided by the root of their norm: the loud ones lead, but do not outvote the rest.
    """
    strength = _magnitudes(wave, WINDOW, WINDOW // 2)
    hertz = np.arange(1, strength.shape[1]) * rate / WINDOW
    used = (hertz >= LOWEST) & (hertz <= HIGHEST)
    near = np.rint(12.0 * np.log2(hertz[used] / A4)).astype(int) + 9
    classes = (near[:, None] % 12 == np.arange(12)).astype(np.float32)
    sums = strength[:, 1:][:, used] @ (classes / classes.sum(axis=0))
    sums -= sums.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    evened: FloatArray = sums / np.sqrt(np.maximum(norms, _FAINT))
    return evened


def onset_strength(wave: FloatArray) -> FloatArray:
    """Return how much louder the bands get over time (frames,), its mean removed."""
    level = float(np.sqrt(np.mean(np.square(wave))))
    magnitudes = _magnitudes(wave * np.float32(0.1 / max(level, 1e-6)), ATTACK_WINDOW, ATTACK_HOP)
    groups = np.array_split(np.log1p(COMPRESSION / ATTACK_WINDOW * magnitudes), _BANDS, axis=1)
    bands = np.stack([group.mean(axis=1) for group in groups], axis=1)
    rise = np.maximum(bands[2:] - bands[:-2], 0.0).mean(axis=1)
    smooth = np.convolve(rise, np.hanning(2 * SLACK + 1), "same")
    centred: FloatArray = (smooth - smooth.mean()).astype(np.float32)
    return centred


def _magnitudes(wave: FloatArray, size: int, hop: int) -> FloatArray:
    """Return the magnitudes (frames, bins) of a wave, its ends padded with silence."""
    padded = np.pad(wave, size // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    found: FloatArray = np.abs(np.fft.rfft(frames * np.hanning(size).astype(np.float32)))
    return found


def _sum(waves: Iterable[FloatArray], samples: int) -> FloatArray:
    total = np.zeros(samples, np.float32)
    for wave in waves:
        total += wave[:samples]
    return total


def _product(one: FloatArray, other: FloatArray) -> float:
    """Return the correlation of two arrays of one shape; 0 where one is all zeros."""
    norm = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.vdot(one, other)) / norm if norm > 0.0 else 0.0
