"""Short-time spectra of waves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandmate_server.audio.arrays import FloatArray

ComplexArray = npt.NDArray[np.complex64]


def sine_window(size: int) -> FloatArray:
    """Return the root of a periodic Hann window (size,)."""
    window: FloatArray = np.sin(np.pi * np.arange(size) / size).astype(np.float32)
    return window


def stft(waves: FloatArray, window: FloatArray, hop: int) -> ComplexArray:
    """Return the spectra (B, N + 1, K) of waves (B, N * hop), reflected at their ends.

    Frame n is centred at sample n * hop.
    """
    half = len(window) // 2
    padded = np.pad(waves, ((0, 0), (half, half)), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, len(window), axis=1)[:, ::hop]
    return np.asarray(np.fft.rfft(frames * window), np.complex64)
