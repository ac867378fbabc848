"""The transform that some separators of waves work on: a whole segment's spectrum, and back."""

from __future__ import annotations

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.spec import TransformSpec


def analyse(wave: FloatArray, spec: TransformSpec) -> FloatArray:
    """Return the spectrum (2C, bins, T) of a segment (C, N): each channel's real, imaginary part.

    Raises:
        ValueError: if the segment is too short to be reflected.
    """
    behind = (spec.frames - 1) * spec.hop + spec.fft_size - spec.lead - wave.shape[1]
    if max(spec.lead, behind) >= wave.shape[1]:
        raise ValueError(f"{wave.shape[1]} samples are too few for a transform of {spec.fft_size}")
    padded = np.pad(wave, ((0, 0), (spec.lead, max(behind, 0))), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, spec.fft_size, axis=1)
    window = _hann(spec.fft_size) * np.float32(spec.scale)
    spectra = np.fft.rfft(frames[:, :: spec.hop][:, : spec.frames] * window)[..., : spec.bins]
    parts = np.stack([spectra.real, spectra.imag], axis=1)  # (C, 2, T, bins)
    values: FloatArray = np.ascontiguousarray(parts.swapaxes(2, 3), np.float32)
    return values.reshape(-1, spec.bins, spec.frames)


def synthesise(spectra: FloatArray, spec: TransformSpec, samples: int) -> FloatArray:
    """Return the segments (S, C, samples) of spectra (S, 2C, bins, T): the way back of `analyse`.

    Frames overlap and are divided by the sum of their squared windows.
    """
    stems, parts, bins, count = spectra.shape
    pairs = spectra.reshape(stems, parts // 2, 2, bins, count).swapaxes(3, 4)
    full = np.zeros((stems, parts // 2, count, spec.fft_size // 2 + 1), np.complex64)
    full[..., :bins] = pairs[:, :, 0] + 1j * pairs[:, :, 1]
    window = _hann(spec.fft_size)
    frames = np.fft.irfft(full, spec.fft_size) * (window / np.float32(spec.scale))
    length = (count - 1) * spec.hop + spec.fft_size
    total = np.zeros((stems, parts // 2, max(length, spec.lead + samples)), np.float32)
    for index in range(count):
        begin = index * spec.hop
        total[..., begin : begin + spec.fft_size] += frames[:, :, index]
    inside = slice(spec.lead, spec.lead + samples)
    envelope = np.maximum(_envelope(spec, total.shape[-1])[inside], np.float32(1e-11))
    waves: FloatArray = np.divide(total[..., inside], envelope, dtype=np.float32)
    return waves


def _envelope(spec: TransformSpec, length: int) -> FloatArray:
    """Return the sum (length,) of the squared windows of all frames, spare ones among them."""
    total = np.zeros(length, np.float32)
    power = _hann(spec.fft_size) ** 2
    for index in range(-spec.spare_frames, spec.frames + spec.spare_frames):
        begin = index * spec.hop
        first, stop = max(begin, 0), min(begin + spec.fft_size, length)
        total[first:stop] += power[first - begin : stop - begin]
    return total


def _hann(size: int) -> FloatArray:
    window: FloatArray = (0.5 - 0.5 * np.cos(2 * np.pi / size * np.arange(size))).astype(np.float32)
    return window
