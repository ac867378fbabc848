"""Spectrograms large enough to see notes: 0 to 4 kHz, 900 by 250 points for ten seconds."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from bandmate_server.spec import MEL
from bandmate_training.evaluation.songs.excerpts import FloatArray

FFT, HOP = 2048, 256  # samples
HIGHEST = 4000.0  # Hz
RANGE = 70.0  # dB below the loudest cell that are drawn
WIDTH, HEIGHT, DPI = 900, 250, 100


def draw_spectrograms(rows: Sequence[tuple[str, FloatArray]]) -> bytes:
    """Return a PNG picture of waves (N,) at MEL.sample_rate, one below the other, with titles."""
    figure = Figure(figsize=(WIDTH / DPI, HEIGHT * len(rows) / DPI), dpi=DPI, layout="constrained")
    grid = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
    for axis, (title, wave) in zip(grid, rows, strict=True):
        seconds = len(wave) / MEL.sample_rate
        axis.imshow(decibels(wave).T, origin="lower", aspect="auto", vmin=-RANGE, vmax=0,
                    extent=(0, seconds, 0, HIGHEST))  # fmt: skip
        axis.set_title(title, fontsize=8)
        axis.tick_params(labelsize=7)
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def decibels(wave: FloatArray) -> FloatArray:
    """Return levels (frames, bins) up to HIGHEST, in dB of the loudest cell; silence is low."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(wave, FFT // 2), FFT)[::HOP]
    bins = round(HIGHEST * FFT / MEL.sample_rate)
    size = np.abs(np.fft.rfft(frames * np.hanning(FFT), axis=1))[:, :bins]
    loudest = max(float(size.max(initial=0.0)), 1e-3)
    return (20 * np.log10(np.maximum(size / loudest, 1e-6))).astype(np.float32)
