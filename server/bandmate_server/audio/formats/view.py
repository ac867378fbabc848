"""A part of a file as a file of its own."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import Any, BinaryIO


class View(io.RawIOBase):
    """Bytes start .. stop of a file, some of them replaced; read only.

    size: in bytes.

    Args:
        file: seekable; it is positioned before each read, so that views can share it.
        start: of the view in the file, bytes.
        stop: of the view in the file, bytes.
        patches: place in the view -> bytes that stand there instead.
        claimed: the length that seeking to the end reports; None: the real one.
    """

    def __init__(
        self,
        file: BinaryIO,
        start: int,
        stop: int,
        patches: Mapping[int, bytes] | None = None,
        claimed: int | None = None,
    ):
        super().__init__()
        self._file, self._start, self.size = file, start, stop - start
        self._patches = dict(patches or {})
        self._claimed = self.size if claimed is None else claimed
        self._position = 0

    @property
    def done(self) -> float:
        """Return the share (0..1) of it that lies before the position."""
        return min(self._position / max(self.size, 1), 1.0)

    def part(self, start: int, stop: int, claimed: int | None = None) -> View:
        """Return a view of bytes start .. stop of this one, patches included."""
        own = {p - start: content for p, content in self._patches.items() if start <= p < stop}
        return View(self._file, self._start + start, self._start + stop, own, claimed)

    def patched(self, patches: Mapping[int, bytes]) -> View:
        """Return the same view with more bytes replaced."""
        return View(
            self._file, self._start, self._start + self.size, self._patches | dict(patches),
            self._claimed,
        )  # fmt: skip

    def at(self, place: int, count: int) -> bytes:
        """Return up to `count` bytes from a place on."""
        self.seek(place)
        return self.read(count) or b""

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be positioned."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move, and return the position."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._claimed}[whence]
        self._position = max(base + offset, 0)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as there is something, and return how many bytes that were."""
        target = memoryview(buffer).cast("B")
        if self.size < self._position < self._claimed:  # a look for a tag at the claimed end
            count = min(len(target), self._claimed - self._position)
            target[:count] = bytes(count)
            self._position += count
            return count
        wanted = max(min(len(target), self.size - self._position), 0)
        self._file.seek(self._start + self._position)
        data = bytearray(self._file.read(wanted))
        for place, content in self._patches.items():
            first = place - self._position
            for index, byte in enumerate(content, first):
                if 0 <= index < len(data):
                    data[index] = byte
        target[: len(data)] = data
        self._position += len(data)
        return len(data)


def whole(file: BinaryIO) -> View:
    """Return a view of all of a file."""
    return View(file, 0, file.seek(0, os.SEEK_END))
