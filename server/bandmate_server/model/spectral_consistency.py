"""Waves brought nearer to the log-mels that a vocoder made them from.

The step of Griffin and Lim (1984), but from the vocoder's phases instead of random ones: the
spectrum is scaled to the wanted magnitudes, and what is nearest to that among true spectra is its
inverse. Bands are scaled as wholes, so tones keep their pitch. A network that is trained on
what can be heard leaves errors where little sounds; this mends most of them.
"""

from __future__ import annotations

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.stft import ComplexArray, stft
from bandmate_server.model.mel import filter_bank
from bandmate_server.spec import MelSpec

LARGEST = 4.0  # natural logarithm of the largest change of a band in one round
_LEAST = 1e-9


def griffin_lim_refine(
    waves: FloatArray, log_mel: FloatArray, spec: MelSpec, rounds: int
) -> FloatArray:
    """Return waves (B, N * hop) whose log-mels are nearer to those wanted.

    Args:
        waves: (B, N * hop).
        log_mel: wanted (B, N, M).
        spec: of the mels.
        rounds: 0 changes nothing; after two little is won.

    Raises:
        ValueError: if the shapes do not fit each other.
    """
    if waves.shape != (len(log_mel), log_mel.shape[1] * spec.hop):
        expected = (len(log_mel), log_mel.shape[1] * spec.hop)
        raise ValueError(f"waves have shape {waves.shape}: expected {expected} for these log-mels")
    bank = filter_bank(spec)
    to_bins = bank / np.maximum(bank.sum(axis=0), _LEAST)  # (M, K): means over a bin's bands
    to_bins[:, [0, -1]] = to_bins[:, [1, -2]]  # which lie in no band
    window = np.hanning(spec.fft_size + 1)[:-1].astype(np.float32)
    for _ in range(rounds):
        spectra = stft(waves, window, spec.hop)
        found = np.log(np.maximum(np.abs(spectra[:, :-1]) @ bank.T, spec.floor))
        change = np.clip(log_mel - found, -LARGEST, LARGEST) @ to_bins
        spectra[:, :-1] *= np.exp(change)
        spectra[:, -1] *= np.exp(change[:, -1])  # of the frame after the last whole hop
        waves = _waves(spectra, window, spec.hop)
    return waves


def _waves(spectra: ComplexArray, window: FloatArray, hop: int) -> FloatArray:
    """Return the waves (B, N * hop) whose spectra are nearest (Griffin and Lim 1984, eq. 6)."""
    size = len(window)
    frames = np.asarray(np.fft.irfft(spectra, size), np.float32) * window
    total, weight = _added(frames, hop), _added(np.broadcast_to(window**2, frames[:1].shape), hop)
    inside = slice(size // 2, size // 2 + (spectra.shape[1] - 1) * hop)
    return np.asarray(total[:, inside] / np.maximum(weight[:, inside], _LEAST), np.float32)


def _added(frames: FloatArray, hop: int) -> FloatArray:
    """Add frames (B, n, size) up, each `hop` samples after the last one."""
    batch, count, size = frames.shape
    parts = -(-size // hop)
    whole = np.pad(frames, ((0, 0), (0, 0), (0, parts * hop - size)))
    out = np.zeros((batch, count + parts - 1, hop), np.float32)
    for part in range(parts):
        out[:, part : part + count] += whole[:, :, part * hop : (part + 1) * hop]
    return out.reshape(batch, -1)
