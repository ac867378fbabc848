"""Separation by a network of waves: overlapping segments at its rate, and back to the source's."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.resampler import resample_stream
from bandmate_server.audio.sources import Source, read_blocks
from bandmate_server.audio.windows import FrameReader, Region, overlap_add
from bandmate_server.errors import SettingsError
from bandmate_server.model.waveform_model import WaveformModel
from bandmate_server.progress import Monitor
from bandmate_server.separation.separation import Blocks, Separation
from bandmate_server.settings import SeparateSettings
from bandmate_server.spec import WaveformSpec

MARGIN = 0.25  # of a segment, that is separated beyond each end of the region
MAX_SHIFT_SECONDS = 0.5


@dataclass(frozen=True)
class SegmentGrid:
    """Where segments lie. All but `origin` in samples at the model's rate, counted from there.

    origin: frame of the source.
    start, stop: of what is separated.
    length: of a segment.
    stride: from one to the next.
    """

    origin: int
    start: int
    stop: int
    length: int
    stride: int

    def places(self, shift: int) -> list[tuple[int, int]]:
        """Return start and length of every segment, if the first begins so much earlier."""
        starts = range(self.start - shift, self.stop, self.stride)
        return [(start, min(self.length, self.stop - start)) for start in starts]


def plan_segments(
    region: Region, rate: int, frames: int, spec: WaveformSpec, overlap: float
) -> SegmentGrid:
    """Lay segments over a region, and over a quarter of one on either side where the file has it.

    Args:
        region: in frames of the file.
        rate: of the file, Hz.
        frames: of the file.
        spec: of the model.
        overlap: of neighbours, as a share of a segment.
    """
    segment = math.ceil(spec.segment * rate / spec.sample_rate)
    margin = math.ceil(MARGIN * segment)
    first, last = max(region.start - margin, 0), min(region.stop + margin, frames)
    origin, scale = max(first - segment, 0), spec.sample_rate / rate
    start, stop = math.floor((first - origin) * scale), math.ceil((last - origin) * scale)
    stride = max(int((1.0 - overlap) * spec.segment), 1)
    return SegmentGrid(origin, start, stop, spec.segment, stride)


def triangle(length: int) -> FloatArray:
    """Return the weight of each sample of a segment: highest in the middle, above 0 at the ends.

    Source: Defossez 2021, as in the reference implementation.
    """
    half = length // 2
    rising, falling = np.arange(1, half + 1), np.arange(length - half, 0, -1)
    weights: FloatArray = (np.concatenate([rising, falling]) / (length - half)).astype(np.float32)
    return weights


class WaveformSeparation(Separation[WaveformModel]):
    """A separation by a network of waves.

    overlap: of neighbouring segments, as a share of one.
    shifts: samples by which the segments of each pass begin earlier; the passes' mean counts.
    grid: of the segments.
    """

    def __init__(
        self, model: WaveformModel, source: Source, settings: SeparateSettings, monitor: Monitor
    ):
        super().__init__(model, source, settings, monitor)
        self.refuse("solver", "guidance", "eta")
        if settings.steps or settings.render != "mask":
            what = "steps" if settings.steps else "render"
            found = getattr(settings, what)
            raise SettingsError(f"{what} is {found}: {model.bundle.name} has none, leave it out")
        spec = model.spec
        self.overlap = spec.overlap if settings.overlap is None else settings.overlap
        self.shifts = draw_shifts(settings.shifts or 0, settings.seed, spec.sample_rate)
        self.grid = plan_segments(self.region, source.rate, source.frames, spec, self.overlap)
        self._rows = [spec.sources.index(spec.stems[index]) for index in self.wanted]

    @classmethod
    def uses_seed(cls, model: WaveformModel, settings: SeparateSettings) -> bool:
        """Whether segments are shifted at random."""
        return bool(settings.shifts)

    @property
    def seen(self) -> tuple[int, int]:
        """From a segment before what is separated to a segment behind it."""
        scale = self.source.rate / self.model.spec.sample_rate
        stop = self.grid.origin + math.ceil((self.grid.stop + self.grid.length) * scale)
        return self.grid.origin, min(stop, self.source.frames)

    def describe(self) -> dict[str, Any]:
        """Return method, overlap, shifts and segments."""
        return {
            "method": "waveform",
            "overlap": self.overlap,
            "shifts": self.settings.shifts or 0,
            "seed": self.settings.seed,
            "segments": sum(len(self.grid.places(shift)) for shift in self.shifts),
        }

    def separated(self) -> Blocks:
        """Yield the original and the wanted stems."""
        source, grid, rate = self.source, self.grid, self.model.spec.sample_rate
        width = len(self._rows) * source.channels
        stream = resample_stream(self._passes(width), rate, source.rate, width, grid.start)
        tape = FrameReader(stream, width)
        tape.take(self.region.start - grid.origin)
        for block in read_blocks(source, self.region.start, self.region.stop):
            self.monitor.check()
            stems = tape.take(len(block)).reshape(len(block), len(self._rows), source.channels)
            yield block, np.ascontiguousarray(stems.swapaxes(0, 1))

    def _passes(self, width: int) -> Iterator[FloatArray]:
        """Yield the mean (n, width) of all passes, from the grid's start to its stop."""
        grid, weights = self.grid, triangle(self.grid.length)
        done = self._counter()
        tapes = []
        for shift in self.shifts:
            pieces = self._estimates(shift, done)
            stems = overlap_add(pieces, lambda length: weights[:length].copy())
            tapes.append(FrameReader(stems, width))
            tapes[-1].take(shift)
        for start in range(grid.start, grid.stop, grid.stride):
            count = min(grid.stride, grid.stop - start)
            total = tapes[0].take(count)
            for tape in tapes[1:]:
                total = total + tape.take(count)
            yield total / np.float32(len(tapes))

    def _counter(self) -> Iterator[None]:
        """Report one segment more every time."""
        count = sum(len(self.grid.places(shift)) for shift in self.shifts)
        for done in range(count):
            self.monitor.report("separate", done / count)
            yield

    def _estimates(self, shift: int, done: Iterator[None]) -> Iterator[tuple[int, FloatArray]]:
        """Yield (start, stems (n, width)) of every segment."""
        for start, lead, count, wave in read_segments(
            self.source, self.grid, shift, self.model.spec.sample_rate
        ):
            next(done)
            stems = self._stems(wave)[..., lead : lead + count]
            yield start, stems.reshape(-1, count).T

    def _stems(self, wave: FloatArray) -> FloatArray:
        """Return the wanted stems (S, channels, N) of a segment (N, channels) of the source.

        Channels go in as the model has them, two by two; one alone is doubled and averaged.
        """
        width = self.model.spec.channels
        found = []
        for first in range(0, wave.shape[1], width):
            group = wave[:, first : first + width].T
            if not group.any():
                found.append(np.zeros((len(self._rows), *group.shape), np.float32))
                continue
            whole = np.broadcast_to(group, (width, len(wave))) if len(group) < width else group
            stems = self.model.separate(np.ascontiguousarray(whole), self._rows)
            if len(group) < width:
                stems = stems.mean(axis=1, keepdims=True)
            found.append(stems)
        return np.concatenate(found, axis=1)


def draw_shifts(count: int, seed: int, rate: int) -> list[int]:
    """Return by how many samples each pass is shifted; without any, the one pass is not."""
    if not count:
        return [0]
    most = int(MAX_SHIFT_SECONDS * rate)
    return [int(n) for n in np.random.default_rng(seed).integers(most + 1, size=count)]


def read_segments(
    source: Source, grid: SegmentGrid, shift: int, rate: int
) -> Iterator[tuple[int, int, int, FloatArray]]:
    """Yield (start, lead, count, wave (length, channels)) of every segment at the model's rate.

    One that would reach past the end is filled with the audio on both sides of it: its own
    `count` samples begin at `lead`. Beyond the ends of the file lie zeros.

    Args:
        source: the file.
        grid: of the segments.
        shift: samples by which they begin earlier.
        rate: of the model, Hz.
    """
    behind = math.ceil((grid.stop + grid.length) * source.rate / rate)
    blocks = read_blocks(source, grid.origin, min(grid.origin + behind, source.frames))
    stream = resample_stream(blocks, source.rate, rate, source.channels)
    held, held_from = np.zeros((0, source.channels), np.float32), 0
    for start, count in grid.places(shift):
        lead = (grid.length - count) // 2
        begin, stop = start - lead, start - lead + grid.length
        parts, reached = [held], held_from + len(held)
        while reached < stop and (piece := next(stream, None)) is not None:
            parts.append(piece)
            reached += len(piece)
        held = np.concatenate(parts)
        first = max(begin, 0)
        wave = held[first - held_from : max(stop - held_from, 0)]
        before = min(first - begin, grid.length)
        yield start, lead, count, np.pad(wave, ((before, grid.length - before - len(wave)), (0, 0)))
        kept = min(max(start + grid.stride - grid.length, held_from), reached)
        held, held_from = held[kept - held_from :], kept
