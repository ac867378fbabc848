"""What is played, octaves apart being the same: twelve pitch classes over time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandmate_server.spec import MEL

FloatArray = npt.NDArray[np.float32]

FFT, HOP = 8192, 2048  # samples: half a second resolves the semitones of a bass' harmonics
LOWEST, HIGHEST = 40.0, 2000.0  # Hz
A4 = 440.0  # Hz, pitch class 9
CLASSES = 12
TUNING = 0.25  # semitones: how far from its semitone a peak still counts fully, about
COMPRESSION = 0.5  # power to which a frame's classes are raised: quiet notes count too


def chroma(wave: FloatArray) -> FloatArray:
    """Return the strength of every pitch class (frames, 12), C first, of a wave (N,) at 16 kHz.

    Only the peaks of each spectrum count, at their interpolated frequencies, so broadband noise
    and the slopes of strong partials add little. A frame's norm is 1, or 0 where nothing sounds.
    """
    padded = np.pad(wave.astype(np.float32), FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP]
    window = np.hanning(FFT + 1)[:-1].astype(np.float32)
    high = int(HIGHEST * FFT / MEL.sample_rate) + 2
    strength = np.abs(np.fft.rfft(frames * window, axis=1))[:, :high].astype(np.float32)
    position, height = _peaks(strength)
    semitone = CLASSES * np.log2(np.maximum(position * MEL.sample_rate / FFT, 1.0) / A4)
    nearest = np.rint(semitone)
    inside = (semitone > CLASSES * np.log2(LOWEST / A4)) & (height > 0)
    weight = height * inside * np.exp(-0.5 * ((semitone - nearest) / TUNING) ** 2)
    pitch_class = (nearest.astype(np.int64) + 9) % CLASSES
    sums = np.stack([(weight * (pitch_class == k)).sum(axis=1) for k in range(CLASSES)], axis=1)
    return _unit((sums**COMPRESSION).astype(np.float32))


def _peaks(strength: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return positions (in bins) and heights of local maxima; 0 elsewhere. (frames, bins - 2)."""
    left, middle, right = strength[:, :-2], strength[:, 1:-1], strength[:, 2:]
    peak = (middle > left) & (middle >= right) & (middle > 1e-4)
    a, b, c = (np.log(part + 1e-9) for part in (left, middle, right))
    curve = np.where(peak, a - 2 * b + c, -1.0)
    offset = np.where(peak, 0.5 * (a - c) / np.minimum(curve, -1e-6), 0.0)
    bins = np.arange(1, strength.shape[1] - 1, dtype=np.float32)
    return bins + offset, np.where(peak, middle, 0.0)


def _unit(frames: FloatArray) -> FloatArray:
    norm = np.linalg.norm(frames, axis=1, keepdims=True)
    return np.asarray(frames / np.where(norm > 0, norm, 1.0), np.float32)
