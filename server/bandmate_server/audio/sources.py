"""Audio in and out: exact frames, block by block, at any rate; and the model's own copy.

Audio arrays are float32 (frames, channels), full scale is 1.0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import soundfile
from numpy.typing import ArrayLike

from bandmate_server.audio.arrays import FloatArray, float_audio
from bandmate_server.audio.broadcast import read_broadcast
from bandmate_server.audio.formats.decoding import Opened, Report, reason
from bandmate_server.errors import AudioError
from bandmate_server.option_kinds import Whole
from bandmate_server.spec import MAX_CHANNELS, MAX_RATE, MIN_RATE

BLOCK_SECONDS = 1.0  # audio read at once while streaming


MAX_PEAK = 2.0**31  # what samples can reach that are integers; beyond, sums of squares overflow


def ignore_share(share: float) -> None:
    """Take a report of the share done and do nothing."""


class Source(Protocol):
    """Audio that can be read at any place."""

    @property
    def name(self) -> str:
        """What error messages call it."""

    @property
    def rate(self) -> int:
        """Frames per second."""

    @property
    def channels(self) -> int:
        """Samples per frame."""

    @property
    def frames(self) -> int:
        """Its length."""

    def read(self, start: int, count: int) -> FloatArray:
        """Return frames start .. start + count (count, channels), all inside the audio."""


class ArraySource:
    """Audio in memory.

    Args:
        audio: (frames, channels) or (frames,); floats with full scale 1.0, int16 or int32.
        sample_rate: Hz.
        name: what error messages call it.

    Raises:
        AudioError: if the audio is not of the kind that the engine takes.
        SettingsError: if the rate is not.
    """

    def __init__(self, audio: ArrayLike, sample_rate: int, name: str = "the audio array"):
        self.name = name
        self.rate: int = Whole(MIN_RATE, MAX_RATE).read("sample rate", sample_rate)
        self._audio = float_audio(audio, name)
        self.frames, self.channels = self._audio.shape
        check_kind(self)

    def read(self, start: int, count: int) -> FloatArray:
        """Return frames start .. start + count."""
        return self._audio[start : start + count]


class FileSource:
    """An audio file; a context manager.

    What cannot be read at any place is decoded once, to a temporary file.

    format, subtype: libsndfile's names of what the file is.
    broadcast: of a broadcast WAV; None of others.
    notes: what the user should know of the file, such as what was left out of it.

    Args:
        path: of the file.
        opened: the file, if it is open already; it stays the caller's to close.
        scratch: folder for decoded audio; None: the system's.
        report: called with the share done while the file is scanned and decoded; raises to stop.

    Raises:
        AudioError: if it is missing, unreadable, empty, cut off, or not audio of our kind.
    """

    def __init__(
        self,
        path: Path,
        opened: BinaryIO | None = None,
        *,
        scratch: Path | None = None,
        report: Report = ignore_share,
    ):
        self.name = str(path)
        check_file(path)
        try:
            self._audio = Opened(path, opened, scratch, report)
        except OSError as error:
            raise AudioError(f"cannot read {path}: {error.strerror or error}") from error
        self.rate, self.channels = self._audio.rate, self._audio.channels
        self.frames = self._audio.frames
        self.format, self.subtype = self._audio.format, self._audio.subtype
        self.notes = self._audio.notes
        file = self._audio.file
        self.broadcast = None if file is None else read_broadcast(file)
        self._position = 0
        try:
            check_kind(self)
        except AudioError:
            self._audio.close()
            raise

    def __enter__(self) -> FileSource:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._audio.close()

    def read(self, start: int, count: int) -> FloatArray:
        """Return frames start .. start + count.

        Raises:
            AudioError: if the file ends before its header says.
        """
        file = self._audio.file
        if file is None:
            return self._audio.read(start, count)
        try:
            if start != self._position:
                file.seek(start)
            block: FloatArray = file.read(count, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            where = f"after frame {start} of {self.frames}"
            raise AudioError(f"{self.name} is damaged {where}: {reason(error)}") from error
        self._position = start + len(block)
        if len(block) < count:
            there = f"{self._position} of {self.frames} frames are there"
            raise AudioError(f"{self.name} is cut off: {there}")
        return block


def check_file(path: Path) -> None:
    """Refuse what is no file that can be read at any place.

    Raises:
        AudioError: if it is missing, a folder, or a pipe.
    """
    if path.is_dir():
        raise AudioError(f"{path} is a folder: expected an audio file")
    if not path.exists():
        raise AudioError(f"{path} does not exist")
    if not path.is_file():
        raise AudioError(f"{path} is a pipe or a device: write its audio to a file first")


def check_kind(source: Source) -> None:
    """Refuse audio that the engine does not take.

    Raises:
        AudioError: naming rate, channels or length that do not fit.
    """
    if source.frames <= 0:
        raise AudioError(f"{source.name} holds no audio: 0 frames")
    if not MIN_RATE <= source.rate <= MAX_RATE:
        raise AudioError(f"{source.name} has {source.rate} Hz: expected {MIN_RATE} to {MAX_RATE}")
    if not 1 <= source.channels <= MAX_CHANNELS:
        found = f"{source.channels} channels"
        raise AudioError(f"{source.name} has {found}: expected 1 to {MAX_CHANNELS}")


def read_padded(source: Source, start: int, count: int) -> FloatArray:
    """Return frames start .. start + count (count, channels), zeros outside the audio."""
    first, last = max(start, 0), min(start + count, source.frames)
    if first == start and last == start + count:
        return source.read(start, count)
    block = np.zeros((count, source.channels), np.float32)
    if last > first:
        block[first - start : last - start] = source.read(first, last - first)
    return block


def read_blocks(source: Source, start: int, stop: int) -> Iterator[FloatArray]:
    """Yield the frames start .. stop in blocks (n, channels)."""
    size = math.ceil(BLOCK_SECONDS * source.rate)
    for position in range(start, stop, size):
        yield source.read(position, min(size, stop - position))
