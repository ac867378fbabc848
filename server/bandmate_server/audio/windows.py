"""A region of audio <-> overlapping windows of model time.

Model time counts latent frames from `Layout.origin`, a frame of the file, so that windows,
mel frames and latents of neighbours lie on one grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.downmix import aligned_mean
from bandmate_server.audio.resampler import Resampler
from bandmate_server.audio.sources import Source, read_blocks
from bandmate_server.errors import RegionError
from bandmate_server.spec import ModelSpec

OVERLAP = 0.25  # of a window, between neighbours; also what a region gets around it at least
LONGEST_SINGLE = 1.125  # windows that one window of unusual length may stand for
SHORTEST = 0.875  # of a window, that each of several is long at least
APART = 2  # channels that may go in one by one
ROUNDING_SECONDS = 0.001  # that an end may lie past the audio, as shown lengths are rounded


@dataclass(frozen=True)
class Region:
    """A range of a file, in its own frames."""

    start: int
    frames: int

    @property
    def stop(self) -> int:
        """The first frame after it."""
        return self.start + self.frames


@dataclass(frozen=True)
class Layout:
    """Where the windows lie. All but `origin` in latent frames.

    origin: frame of the file at which model time 0 lies.
    window: length of every window.
    overlap: over which neighbours are cross-faded.
    starts: ascending.
    """

    origin: int
    window: int
    overlap: int
    starts: tuple[int, ...]

    @property
    def stop(self) -> int:
        """End of the last window."""
        return self.starts[-1] + self.window


def find_region(start: float | None, end: float | None, rate: int, frames: int) -> Region:
    """Turn seconds into frames of a file.

    Args:
        start: seconds; None is the beginning.
        end: seconds; None is the end.
        rate: of the file, Hz.
        frames: of the file.

    Raises:
        RegionError: if it is reversed, empty, or not inside the file.
    """
    length = f"the audio is {frames / rate:.3f} s long"
    for what, value in (("start", start), ("end", end)):
        if value is not None and not (math.isfinite(value) and value >= 0.0):
            raise RegionError(f"the region's {what} is {value} s: {length}")
    first = 0 if start is None else round(start * rate)
    last = frames if end is None else round(end * rate)
    if frames < last <= frames + rate * ROUNDING_SECONDS:
        last = frames
    span = f"{first / rate:g} to {last / rate:g} s"
    if first >= frames or last > frames:
        raise RegionError(f"the region {span} goes past the end: {length}")
    if last < first:
        raise RegionError(f"the region {span} is reversed: it ends before it starts")
    if last == first:
        raise RegionError(f"the region {span} is empty: it has no frames")
    return Region(first, last - first)


def plan_windows(
    region: Region, rate: int, frames: int, spec: ModelSpec, share: float = OVERLAP
) -> Layout:
    """Lay windows over a region and the audio around it.

    The model sees at least a quarter window beyond each end of the region where the file
    has it, and at most a whole one. Files shorter than a window, or little longer, get one of
    their own length. Of several windows each is only as long as is needed to cover all.

    Args:
        region: in frames of the file.
        rate: of the file, Hz.
        frames: of the file.
        spec: of the model.
        share: of a window, that neighbours have in common at least.
    """
    per_latent = spec.latent_hop * rate / spec.mel.sample_rate  # frames of the file
    origin = max(region.start - math.ceil(spec.window_latents * per_latent), 0)
    around = math.ceil(spec.window_latents * per_latent)
    available = math.ceil((min(region.stop + around, frames) - origin) / per_latent)
    window, overlap = spec.window_latents, round(spec.window_latents * share)
    margin = round(window * OVERLAP)
    if available <= window * LONGEST_SINGLE:
        multiple = spec.latent_multiple
        return Layout(origin, math.ceil(available / multiple) * multiple, overlap, (0,))
    first = max(math.floor((region.start - origin) / per_latent) - margin, 0)
    last = min(math.ceil((region.stop - origin) / per_latent) + margin, available)
    count = max(math.ceil((last - first - overlap) / (window - overlap)), 1)
    if count > 1:
        needed = math.ceil((last - first + (count - 1) * overlap) / count)
        needed = max(needed, round(SHORTEST * window))
        window = min(math.ceil(needed / spec.latent_multiple) * spec.latent_multiple, window)
    reach = min(count * window - (count - 1) * overlap, available)
    first = min(max(first - (reach - (last - first)) // 2, 0), available - reach)
    return Layout(origin, window, overlap, _spread(first, reach - window, count))


def _spread(first: int, travel: int, count: int) -> tuple[int, ...]:
    """Return `count` starts, evenly from first to first + travel."""
    return tuple(first + round(index * travel / max(count - 1, 1)) for index in range(count))


def model_waves(
    source: Source, layout: Layout, gain: float, spec: ModelSpec, apart: bool = False
) -> Iterator[tuple[int, FloatArray]]:
    """Yield (start, waves (R, N)) of every window, at the model's rate, times `gain`.

    Beyond the end of the file lie zeros. Holds about two windows of audio.

    Args:
        source: the file.
        layout: of the windows.
        gain: of the waves.
        spec: of the model.
        apart: whether each of up to APART channels has a row; else, and of more channels,
            their mean is the only one, with inverted channels put in phase.
    """
    separate, channels = apart and source.channels <= APART, source.channels
    resampler = Resampler(source.rate, spec.mel.sample_rate, channels)
    blocks = read_blocks(source, layout.origin, source.frames)
    nothing = np.zeros((0, source.channels), np.float32)
    held, held_from, ended = np.zeros((0, channels), np.float32), 0, False
    for start in layout.starts:
        begin = start * spec.latent_hop
        stop = begin + layout.window * spec.latent_hop
        parts = [held]
        while held_from + sum(map(len, parts)) < stop and not ended:
            block = next(blocks, nothing)
            ended = block is nothing
            parts.append(resampler.push(block * np.float32(gain), last=ended))
        held, held_from = np.concatenate(parts)[begin - held_from :], begin
        wave = held[: stop - begin]
        if not separate:
            wave = aligned_mean(wave)[:, None]
        padded = np.pad(wave, ((0, stop - begin - len(wave)), (0, 0)))
        yield start, np.ascontiguousarray(padded.T)


def fade_weights(length: int, ramp: int) -> FloatArray:
    """Return the weight of each place in a window: 1 inside, falling linearly at both ends."""
    place = np.arange(length, dtype=np.float32) + np.float32(0.5)
    edge = np.minimum(place, np.float32(length) - place) / np.float32(max(ramp, 1))
    weights: FloatArray = np.minimum(edge, np.float32(1.0))
    return weights


def cross_fade(pieces: Iterable[tuple[int, FloatArray]], ramp: int) -> Iterator[FloatArray]:
    """Join overlapping pieces as `overlap_add` does, weighted by `fade_weights`.

    Args:
        pieces: ascending starts, without gaps; time is the first axis.
        ramp: length of the ramps, in the same unit.
    """
    return overlap_add(pieces, lambda length: fade_weights(length, ramp))


def overlap_add(
    pieces: Iterable[tuple[int, FloatArray]], weights: Callable[[int], FloatArray]
) -> Iterator[FloatArray]:
    """Join overlapping pieces (start, values (n, ...)) into a stream from the first start on.

    Where pieces overlap, the stream is their weighted mean.

    Args:
        pieces: ascending starts, without gaps; time is the first axis.
        weights: called with the length of a piece; returns a new array (length,), above 0.
    """
    total: FloatArray | None = None
    weight, held_from = np.zeros(0, np.float32), 0
    for start, values in pieces:
        fade = weights(len(values))
        faded = values * _as_rows(fade, values)
        if total is not None:
            done = start - held_from
            if done > 0:
                yield total[:done] / _as_rows(weight[:done], values)
            faded[: len(total) - done] += total[done:]
            fade[: len(total) - done] += weight[done:]
        total, weight, held_from = faded, fade, start
    if total is not None:
        yield total / _as_rows(weight, total)


def _as_rows(weights: FloatArray, values: FloatArray) -> FloatArray:
    """Return weights (n,) in a shape that multiplies the first axis of values."""
    return weights.reshape((-1,) + (1,) * (values.ndim - 1))


class FrameReader:
    """A stream of pieces (n, width) that is read in any portions; zeros after its end."""

    def __init__(self, pieces: Iterator[FloatArray], width: int):
        self._pieces = pieces
        self._held = np.zeros((0, width), np.float32)

    def take(self, count: int) -> FloatArray:
        """Return the next `count` rows (count, width)."""
        parts, there = [self._held], len(self._held)
        while there < count:
            piece = next(self._pieces, None)
            if piece is None:
                piece = np.zeros((count - there, self._held.shape[1]), np.float32)
            parts.append(piece)
            there += len(piece)
        held = np.concatenate(parts)
        self._held = held[count:]
        return held[:count]
