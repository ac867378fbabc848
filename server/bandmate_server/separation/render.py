"""Stem masks on a coarse grid + the original audio -> stems at the original's rate."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from bandmate_server.audio.arrays import FloatArray, between
from bandmate_server.audio.sources import Source, read_padded
from bandmate_server.audio.stft import sine_window
from bandmate_server.audio.windows import Region
from bandmate_server.model.bands import band_centres
from bandmate_server.spec import BandSpec, MelSpec

WINDOW_SECONDS = 0.064
OVERLAPS = 4  # frames over every sample
BLOCK_SAMPLES = 200_000  # windowed at once: what the processor's cache holds
TOP_BANDS = 3  # whose mean mask stands for all above the model's reach


class FrameStream:
    """A stream of frames that is read at rising, fractional positions.

    Args:
        pieces: arrays (n, ...), one after the other; time is the first axis.
        first: the position of the first frame.
    """

    def __init__(self, pieces: Iterator[FloatArray], first: int):
        self._pieces = pieces
        self._held: FloatArray = next(pieces)
        self._first = first

    def __len__(self) -> int:
        """Return how many frames are held."""
        return len(self._held)

    def at(self, positions: NDArray[np.float64]) -> FloatArray:
        """Return the frames at ascending positions (n,): linear between, constant beyond."""
        self._fetch(int(np.floor(positions[0])), int(np.floor(positions[-1])) + 2)
        return between(self._held, positions - self._first, axis=0)

    def _fetch(self, begin: int, stop: int) -> None:
        """Hold frames begin .. stop as far as there are any, and drop what lies before."""
        parts = [self._held]
        while self._first + sum(map(len, parts)) < stop:
            piece = next(self._pieces, None)
            if piece is None:
                break
            parts.append(piece)
        if len(parts) > 1:
            self._held = np.concatenate(parts)
        spare = min(max(begin - self._first, 0), len(self._held) - 1)
        self._held, self._first = self._held[spare:], self._first + spare


def fft_size(rate: int) -> int:
    """Return the window length for a rate: about 64 ms, a multiple of 4 and quick to transform."""
    size = 4 * math.ceil(WINDOW_SECONDS * rate / 4)
    while not _is_smooth(size):
        size += 4
    return size


def band_weights(grid: BandSpec | MelSpec, rate: int, size: int) -> FloatArray:
    """Return the weight of every band in every bin's mask (bands, size // 2 + 1).

    Linear between the bands' centres; bins below the first centre follow its band, bins above
    the last the mean of the top bands.
    """
    bins = np.arange(size // 2 + 1, dtype=np.float64) * (rate / size)
    centres = band_centres(grid)
    upper = np.clip(np.searchsorted(centres, bins), 1, len(centres) - 1)
    share = np.clip((bins - centres[upper - 1]) / np.diff(centres)[upper - 1], 0.0, 1.0)
    weights = np.zeros((len(centres), len(bins)), np.float32)
    weights[upper - 1, np.arange(len(bins))] = 1.0 - share
    weights[upper, np.arange(len(bins))] = share
    above = bins >= centres[-1]
    weights[:, above] = 0.0
    weights[-TOP_BANDS:, above] = 1.0 / TOP_BANDS
    return weights


def strongest_bands(weights: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
    """Return the bands that count in every bin, and their weights, both (TOP_BANDS, bins).

    A product of matrices would do as well, but its last bit depends on the number of threads.
    """
    bands = np.argsort(-weights, axis=0, kind="stable")[:TOP_BANDS]
    return bands, np.take_along_axis(weights, bands, axis=0)


def render_masks(
    source: Source,
    region: Region,
    masks: FrameStream,
    origin: int,
    grid: BandSpec | MelSpec,
    threads: int,
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield (audio (n, channels), stems (S, n, channels)) from the region's start to its end.

    Args:
        source: the original.
        region: of the source.
        masks: frames (R, R, S, bands), the share of each stem to render in each cell: matrices
            to channels (first axis) from channels, or with R = 1 the same for every channel.
        origin: frame of the source at which mask frame 0 is centred.
        grid: of the masks.
        threads: how many blocks are filtered at once; the result does not depend on it.
    """
    size = fft_size(source.rate)
    hop, lead = size // OVERLAPS, size - size // OVERLAPS
    bands, weights = strongest_bands(band_weights(grid, source.rate, size))
    per_frame = grid.hop * source.rate / grid.sample_rate  # source frames per mask frame
    total = math.ceil((region.frames + lead) / hop)
    block = max(BLOCK_SAMPLES // (size * source.channels), 2 * OVERLAPS)  # frames
    waiting: deque[tuple[FloatArray, Future[FloatArray]]] = deque()
    with ThreadPoolExecutor(threads) as pool:

        def submit(first: int) -> None:
            count = min(block, total - first)
            begin = region.start - lead + first * hop
            audio = read_padded(source, begin, size + (count - 1) * hop)
            centres = begin + size / 2 + hop * np.arange(count, dtype=np.float64)
            gains = masks.at((centres - origin) / per_frame)  # (count, R, R, S, bands)
            waiting.append((audio, pool.submit(_filter, audio, gains, bands, weights, size)))

        starts = range(0, total, block)
        tail: FloatArray | None = None
        position = -lead
        for index, first in enumerate(starts):
            submit(first)
            while len(waiting) > (threads if index + 1 < len(starts) else 0):
                audio, filtered = waiting.popleft()
                parts = filtered.result()
                if tail is not None:
                    parts[..., :lead] += tail
                whole = parts.shape[-1] - lead  # samples that no later frame reaches
                tail = parts[..., whole:]
                inside = slice(max(-position, 0), min(whole, region.frames - position))
                position += whole
                yield audio[inside], parts[..., inside].swapaxes(1, 2)


def _filter(
    audio: FloatArray,
    gains: FloatArray,
    bands: NDArray[np.int64],
    weights: FloatArray,
    size: int,
) -> FloatArray:
    """Return filtered audio before the overlap with its neighbours (S, channels, samples).

    Args:
        audio: (samples, channels).
        gains: of each frame, stem and band (count, R, R, S, bands); R is `channels` or 1.
        bands: that count in each bin, see `strongest_bands`.
        weights: of these.
        size: of the window, samples.
    """
    count, rows, _, stems, _ = gains.shape
    channels, hop = audio.shape[1], size // OVERLAPS
    masks = weights[0] * gains.take(bands[0], axis=-1)  # (count, R, R, S, bins)
    for band, weight in zip(bands[1:], weights[1:], strict=True):
        masks += weight * gains.take(band, axis=-1)
    window = sine_window(size)
    frames = np.lib.stride_tricks.sliding_window_view(audio, size, axis=0)[::hop]
    pieces = frames * window
    spectra = np.fft.rfft(pieces, axis=-1)  # (count, channels, bins)
    product = np.empty_like(spectra)
    out = np.zeros((stems, channels, count + OVERLAPS - 1, hop), np.float32)
    window *= np.float32(2.0 / OVERLAPS)  # Now for the synthesis: frames add up to one.
    for stem in range(stems):
        own = masks[..., stem, :]
        np.multiply(spectra[:, :1] if rows > 1 else spectra, own[:, :, 0], out=product)
        for channel in range(1, rows):
            product += spectra[:, channel : channel + 1] * own[:, :, channel]
        np.fft.irfft(product, size, axis=-1, out=pieces)  # type: ignore[arg-type] # float32 is fine
        pieces *= window
        quarters = pieces.reshape(count, channels, OVERLAPS, hop).swapaxes(0, 1)
        for quarter in range(OVERLAPS):
            out[stem, :, quarter : quarter + count] += quarters[:, :, quarter]
    return out.reshape(stems, channels, -1)


def _is_smooth(number: int) -> bool:
    """Whether 2, 3 and 5 are its only prime factors."""
    for prime in (2, 3, 5):
        while number % prime == 0:
            number //= prime
    return number == 1
