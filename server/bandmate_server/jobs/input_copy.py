"""A job's own copy of its input: from files that may move or change to one WAV."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.sources import BLOCK_SECONDS, FileSource, read_padded
from bandmate_server.audio.windows import Region
from bandmate_server.errors import AudioError
from bandmate_server.jobs.request import Sound
from bandmate_server.results.stem_file import StemFile
from bandmate_server.spec import AnySpec

Open = Callable[[str], AbstractContextManager[tuple[Path, BinaryIO]]]


@dataclass(frozen=True)
class CopiedRegion:
    """A region with the context that the model sees, in frames of a sound.

    first, stop: of what is copied.
    start, frames: of the region.
    rate: Hz.
    """

    first: int
    stop: int
    start: int
    frames: int
    rate: int

    @property
    def seconds(self) -> tuple[float, float]:
        """The region's start and end in the copy."""
        begin = self.start - self.first
        return begin / self.rate, (begin + self.frames) / self.rate


class SummedSource:
    """A sound's files, opened, and read as one source; a context manager.

    Args:
        sound: what is summed; shorter parts are silent after their end.
        open_file: opens a file that a peer named.
        scratch: folder for audio that has to be decoded first.
        check: called while that happens; raises to stop.

    Raises:
        AudioError: if a file is not audio, or the files do not fit each other.
        RequestError: if a file is not allowed, or not there.
    """

    def __init__(self, sound: Sound, open_file: Open, scratch: Path, check: Callable[[], None]):
        self._stack, self._scratch, self._stop_if_cancelled = ExitStack(), scratch, check
        try:
            self._parts = [[self._open(file, open_file) for file in part] for part in sound]
            self._check()
        except BaseException:
            self._stack.close()
            raise
        first = self._parts[0][0]
        self.name, self.rate = first.name, first.rate
        self.frames = max(source.frames for part in self._parts for source in part)
        self.channels = max(self._width(part) for part in self._parts)
        self.notes = [note for part in self._parts for source in part for note in source.notes]

    def __enter__(self) -> SummedSource:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files."""
        self._stack.close()

    def read(self, start: int, count: int) -> FloatArray:
        """Return frames start .. start + count (count, channels), zeros outside the sound."""
        total = np.zeros((count, self.channels), np.float32)
        for part in self._parts:
            block = np.concatenate([read_padded(one, start, count) for one in part], axis=1)
            # A mono part among wider ones sounds in every channel.
            total[:, : block.shape[1] if block.shape[1] > 1 else None] += block
        return total

    def _open(self, file: str, open_file: Open) -> FileSource:
        path, opened = self._stack.enter_context(open_file(file))
        source = FileSource(
            path, opened, scratch=self._scratch, report=lambda _: self._stop_if_cancelled()
        )
        return self._stack.enter_context(source)

    @staticmethod
    def _width(part: list[FileSource]) -> int:
        return sum(source.channels for source in part)

    def _check(self) -> None:
        first = self._parts[0][0]
        for part in self._parts:
            for source in part:
                if source.rate != first.rate:
                    rates = f"{source.name} has {source.rate} Hz, {first.name} {first.rate}"
                    raise AudioError(f"{rates}: expected the same of all files of a sound")
                if len(part) > 1 and source.channels != 1:
                    raise AudioError(
                        f"{source.name} has {source.channels} channels: expected mono files"
                        " where several make one sound"
                    )


def plan_span(region: Region, rate: int, length: int, spec: AnySpec) -> CopiedRegion:
    """Return what to copy for a region: it, and up to one window on either side.

    Args:
        region: inside the sound.
        rate: of the sound, Hz.
        length: of the sound, frames.
        spec: of the model.
    """
    margin = math.ceil(spec.window_samples * rate / spec.sample_rate)
    first, stop = max(region.start - margin, 0), min(region.stop + margin, length)
    return CopiedRegion(first, stop, region.start, region.frames, rate)


def copy_sound(
    sound: SummedSource, span: CopiedRegion, path: Path, check: Callable[[], None]
) -> None:
    """Copy what lies in a span, as 32-bit float WAV at the sound's own rate.

    Args:
        sound: to copy from; silent after its end.
        span: in frames of its own rate, which may be another than the sound's.
        path: of the copy.
        check: called between blocks; raises to stop.

    Raises:
        AudioError: if a file is damaged.
        OutputError: if the copy cannot be written.
    """
    scale = sound.rate / span.rate
    first, stop = round(span.first * scale), round(span.stop * scale)
    file = StemFile(path, sound.rate, sound.channels, stop - first, "wav", "32f")
    size = math.ceil(BLOCK_SECONDS * sound.rate)
    try:
        for at in range(first, stop, size):
            check()
            file.write(sound.read(at, min(size, stop - at)))
        file.close()
    except BaseException:
        file.abandon()
        path.unlink()  # half a copy is of no use, and the disk may be full
        raise
