"""The broadcast extension of WAV files: where on the timeline a recording lies.

libsndfile reads and writes the chunk (EBU Tech 3285), soundfile only lacks the call: it is made
through soundfile's own binding.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import soundfile

_GET_BROADCAST_INFO, _SET_BROADCAST_INFO = 0x10F0, 0x10F1
_SIZE = 864  # bytes of libsndfile's SF_BROADCAST_INFO
_TIME_REFERENCE = 340  # offset of its 64 bits, the low half first
_HISTORY_SIZE = 604


class Broadcast:
    """What a broadcast WAV says of itself: origin, date, and its time reference.

    Args:
        raw: libsndfile's structure.
    """

    def __init__(self, raw: bytes):
        self._raw = raw

    @property
    def time_reference(self) -> int:
        """Return where frame 0 lies on the timeline, frames."""
        return int(struct.unpack_from("<Q", self._raw, _TIME_REFERENCE)[0])

    def moved(self, frames: int) -> Broadcast:
        """Return the same for a region that begins `frames` later; no coding history."""
        raw = bytearray(self._raw)
        later = min(self.time_reference + frames, 2**64 - 1)
        struct.pack_into("<Q", raw, _TIME_REFERENCE, later)
        struct.pack_into("<I", raw, _HISTORY_SIZE, 0)
        return Broadcast(bytes(raw))

    def write(self, file: soundfile.SoundFile) -> None:
        """Put it into a WAV that has no audio yet."""
        _command(file, _SET_BROADCAST_INFO, soundfile._ffi.from_buffer(self._raw), _SIZE)


def read_broadcast(file: soundfile.SoundFile) -> Broadcast | None:
    """Return an open file's broadcast extension, if it has one."""
    buffer = soundfile._ffi.new("char[]", _SIZE)
    found = _command(file, _GET_BROADCAST_INFO, buffer, _SIZE)
    return Broadcast(bytes(soundfile._ffi.buffer(buffer, _SIZE))) if found else None


def clear_time_of_day(path: Path) -> None:
    """Remove the time of writing from a finished WAV, so that equal audio is equal bytes.

    libsndfile adds it to float WAV, in the PEAK chunk, before the audio.
    """
    with path.open("r+b") as file:
        file.seek(12)  # RIFF or RF64, its size, WAVE
        while len(header := file.read(8)) == 8:
            kind, size = struct.unpack("<4sI", header)
            if kind == b"data":
                return
            if kind == b"PEAK":
                file.seek(4, os.SEEK_CUR)  # the chunk's version
                file.write(bytes(4))
                return
            file.seek(size + size % 2, os.SEEK_CUR)


def _command(file: soundfile.SoundFile, command: int, data: object, size: int) -> int:
    return int(soundfile._snd.sf_command(file._file, command, data, size))
