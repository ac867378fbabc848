"""Stems as one sound, with solo, mute and a position, block by block."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.errors import AudioError

SUFFIXES = (".wav", ".flac", ".aiff", ".ogg")


class Mixer:
    """Open stems that play together; a context manager.

    Args:
        paths: of one rate; a mono one is heard in all channels.

    Raises:
        AudioError: if one cannot be read, or their rates differ.
    """

    def __init__(self, paths: Sequence[Path]):
        self.names = [path.stem for path in paths]
        self._files: list[soundfile.SoundFile] = []
        try:
            for path in paths:
                self._files.append(_opened(path))
            rates = {file.samplerate for file in self._files}
            if len(rates) != 1:
                raise AudioError(f"the stems have different rates: {sorted(rates)} Hz")
        except AudioError:
            self.close()
            raise
        self.rate = int(self._files[0].samplerate)
        self.channels = max(2, *(file.channels for file in self._files))  # not in one ear only
        self.frames = max(file.frames for file in self._files)
        self.position = 0
        self.solo: set[int] = set()
        self.muted: set[int] = set()

    def __enter__(self) -> Mixer:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files."""
        self.close()

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()

    def heard(self) -> list[bool]:
        """Return of each stem whether it is heard: those that are solo, else those not muted."""
        return [
            index in self.solo if self.solo else index not in self.muted
            for index in range(len(self.names))
        ]

    def seek(self, frame: int) -> None:
        """Go to a frame; beyond the ends, to the end."""
        self.position = min(max(frame, 0), self.frames)
        for file in self._files:
            file.seek(min(self.position, file.frames))

    def read(self, frames: int) -> FloatArray:
        """Return the next block (frames or fewer at the end, channels)."""
        frames = min(frames, self.frames - self.position)
        total: FloatArray = np.zeros((frames, self.channels), np.float32)
        for file, heard in zip(self._files, self.heard(), strict=True):
            block = file.read(frames, "float32", always_2d=True)
            if heard:
                total[: len(block)] += block
        self.position += frames
        return total


def stems_in(folder: Path) -> list[Path]:
    """Return the audio files in a folder, by name.

    Raises:
        AudioError: if there are none.
    """
    if not folder.is_dir():
        raise AudioError(f"{folder} is no folder: give the one that stems are in")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not found:
        inside = sorted(path.name for path in folder.iterdir() if path.is_dir())
        hint = f": there are the folders {', '.join(inside[:5])} in it" if inside else ""
        raise AudioError(f"no stems in {folder}{hint}")
    return found


def _opened(path: Path) -> soundfile.SoundFile:
    try:
        return soundfile.SoundFile(path)
    except (OSError, soundfile.SoundFileError) as error:
        raise AudioError(f"{path} cannot be read: {error}") from error
