"""A WAV or FLAC file that is written in blocks and never clips."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.broadcast import Broadcast, clear_time_of_day
from bandmate_server.errors import OutputError
from bandmate_server.options import BitDepth, Format

SUBTYPES: dict[BitDepth, str] = {"16": "PCM_16", "24": "PCM_24", "32f": "FLOAT"}
BYTES: dict[BitDepth, int] = {"16": 2, "24": 3, "32f": 4}
WAV_LIMIT = 4_000_000_000  # bytes; above, the 64-bit kind of WAV


class StemFile:
    """One audio file being written.

    peak, rms: of what was written so far, full scale 1.0.
    clipped: samples that did not fit an integer format.

    Raises:
        OutputError: naming the file, whenever it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        rate: int,
        channels: int,
        frames: int,
        kind: Format,
        bits: BitDepth,
        broadcast: Broadcast | None = None,
    ):
        self.path, self.peak, self.clipped = path, 0.0, 0
        self._kind, self._bits, self._frames, self._channels = kind, bits, frames, channels
        self._square, self._written = 0.0, 0
        big = frames * channels * BYTES[bits] > WAV_LIMIT
        container = "FLAC" if kind == "flac" else "RF64" if big else "WAV"
        try:
            self._file = soundfile.SoundFile(
                path, "w", rate, channels, SUBTYPES[bits], format=container
            )
        except (OSError, soundfile.SoundFileError) as error:
            raise OutputError(f"cannot write {path}: {write_failure(error, path)}") from error
        if kind == "wav" and broadcast is not None:
            broadcast.write(self._file)

    @property
    def rms(self) -> float:
        """Root mean square of all samples written."""
        return math.sqrt(self._square / max(self._written * self._channels, 1))

    def write(self, block: FloatArray) -> FloatArray:
        """Write (n, channels) and return it as stored: rounded, and clipped if it must be."""
        stored, coded = block, block
        if self._bits != "32f":
            coded, stored = self._to_integers(block, int(self._bits))
        try:
            self._file.write(coded)
        except (OSError, soundfile.SoundFileError) as error:
            raise OutputError(
                f"cannot write {self.path}: {write_failure(error, self.path)}"
            ) from error
        self.peak = max(self.peak, float(np.max(np.abs(block), initial=0.0)))
        self._square += float(np.square(block, dtype=np.float64).sum())
        self._written += len(block)
        return stored

    def close(self) -> None:
        """Finish the file and put it on the disk."""
        try:
            self._file.close()
            if self._kind == "wav":
                clear_time_of_day(self.path)
            with self.path.open("rb") as file:
                os.fsync(file.fileno())
            found = soundfile.info(self.path).frames
        except (OSError, soundfile.SoundFileError) as error:
            raise OutputError(
                f"cannot write {self.path}: {write_failure(error, self.path)}"
            ) from error
        if found != self._frames:
            full = f"{found} of {self._frames} frames are there"
            raise OutputError(f"cannot write {self.path}: {full} (disk full?)")

    def abandon(self) -> None:
        """Close the file, whatever its state."""
        with contextlib.suppress(soundfile.SoundFileError):  # It is thrown away next.
            self._file.close()

    def _to_integers(
        self, block: FloatArray, bits: int
    ) -> tuple[np.ndarray[Any, np.dtype[Any]], FloatArray]:
        """Return (integers for soundfile, the same as floats), counting what had to be clipped."""
        scale = float(2 ** (bits - 1))
        steps = np.rint(block.astype(np.float64) * scale)
        self.clipped += int(np.count_nonzero((steps > scale - 1) | (steps < -scale)))
        steps = np.clip(steps, -scale, scale - 1)
        stored = (steps / scale).astype(np.float32)
        if bits == 16:
            return steps.astype(np.int16), stored
        return steps.astype(np.int32) << 8, stored


def write_failure(error: Exception, path: Path) -> str:
    """Return why writing failed; libsndfile itself only says that the system refused."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    try:
        free = shutil.disk_usage(path.parent).free
    except OSError:
        return str(error)
    return f"the system refused ({free / 1e6:.1f} MB free on that disk)"
