"""A file opened for reading: as it is where its frames can be reached, or else decoded once.

MPEG, Vorbis and other lossy decoders do not come back to the same samples after a seek, and some
lossless ones only know their length at the end. Such files are decoded once, forwards, to 32-bit
floats in a nameless temporary file, which goes with the process however that ends.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
import soundfile

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.formats.chunks import audio_bytes, mend_chunks
from bandmate_server.audio.formats.flac import FlacStream, find_flac
from bandmate_server.audio.formats.mpeg import find_streams, mpeg_views, parse_header, skip_tags
from bandmate_server.audio.formats.names import name_format
from bandmate_server.audio.formats.ogg import find_links, unwrap_flac
from bandmate_server.audio.formats.view import View, whole
from bandmate_server.errors import AudioError

SEEKABLE = {"PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"}
MPEG_SUFFIXES = {".mp3", ".mp2", ".mp1", ".mpa", ".mpga"}
BLOCK_SECONDS = 1.0
SAMPLE_BYTES = 4

Report = Callable[[float], None]


class Opened:
    """The audio of a file.

    rate, channels, frames: of the audio, counted where it was decoded.
    format, subtype: libsndfile's names of what it is.
    notes: what the user should know: what was left out, and why.
    file: libsndfile's, for reading at any place; None where the audio was decoded.

    Args:
        path: of the file.
        opened: the file, if it is open already; it stays the caller's to close.
        scratch: folder for decoded audio; None: the system's.
        report: called with the share done while the file is scanned and decoded; raises to stop.

    Raises:
        AudioError: if it is not audio that can be read, is cut off, or cannot be decoded to disk.
        OSError: if it cannot be read.
    """

    def __init__(self, path: Path, opened: BinaryIO | None, scratch: Path | None, report: Report):
        self._path, self._scratch, self._report = path, scratch, report
        self._stack = ExitStack()
        self.notes: list[str] = []
        self.file: soundfile.SoundFile | None = None
        self._spool: IO[bytes] | None = None
        self.rate = self.channels = self.frames = 0
        self.format = self.subtype = ""
        try:
            raw = opened if opened is not None else self._stack.enter_context(path.open("rb"))
            self._open(whole(raw), opened)
        except BaseException:
            self._stack.close()
            raise

    def close(self) -> None:
        """Close the file, and let the decoded audio go."""
        self._stack.close()

    def read(self, start: int, count: int) -> FloatArray:
        """Return up to `count` decoded frames (n, channels) from `start` on."""
        assert self._spool is not None
        block = np.empty((count, self.channels), np.float32)
        self._spool.seek(start * self.channels * SAMPLE_BYTES)
        there = self._spool.readinto(block.data.cast("B"))  # type: ignore[attr-defined]
        return block[: there // (self.channels * SAMPLE_BYTES)]

    def _check(self) -> None:
        self._report(0.0)

    def _open(self, view: View, opened: BinaryIO | None) -> None:
        """Find out what the file is, and open or decode it."""
        name, start = str(self._path), skip_tags(view)
        if view.size == 0:
            raise AudioError(f"{name} is not audio that can be read: the file is empty")
        head = view.at(start, 16)
        if head[:4] == b"fLaC":
            self._open_flac(view)
        elif head[:4] == b"OggS":
            self._open_ogg(view, name)
        elif self._is_mpeg(head, start):
            self._open_mpeg(view, name)
        else:
            kept = view if start == 0 else view.part(start, view.size)
            mended, notes = mend_chunks(kept, name)
            self.notes += notes
            target: Any = mended
            if mended is view:
                target = opened or self._path
            if opened is not None:
                opened.seek(0)
            self._open_other(mended, target, name)

    def _is_mpeg(self, head: bytes, tags: int) -> bool:
        if parse_header(head[:4]) is not None:
            return True
        known = head[:4] in (b"RIFF", b"FORM", b"caff") or name_format(head) is not None
        return not known and (tags > 0 or self._path.suffix.lower() in MPEG_SUFFIXES)

    def _open_flac(self, view: View) -> None:
        for stream in find_flac(view, self._check):
            before = self.frames
            if not self._decode(self._sound(stream.view), stream.view):
                break
            self._check_flac(stream, before)

    def _check_flac(self, stream: FlacStream, before: int) -> None:
        """Find out whether a stream that is shorter than its header says is whole all the same."""
        there = self.frames - before
        if there >= stream.total:
            return
        if not any(stream.md5):
            words = f"{there} of the {stream.total} frames that its header promises are there"
            self.notes.append(f"{self._path}: {words}")
        elif not stream.holds(self._blocks(before)):
            raise AudioError(f"{self._path} is cut off: {there} of {stream.total} frames are there")

    def _blocks(self, first: int) -> Iterator[FloatArray]:
        size = int(self.rate * BLOCK_SECONDS)
        for start in range(first, self.frames, size):
            yield self.read(start, min(size, self.frames - start))

    def _open_ogg(self, view: View, name: str) -> None:
        links = find_links(view, self._check)
        for link in links:
            part: View = view.part(link.start, link.stop)
            if link.codec == "FLAC":
                plain = self._stack.enter_context(self._temporary())
                unwrap_flac(view, link, plain, self._check)
                part = whole(plain)
            elif link.codec not in ("Vorbis", "Opus"):
                raise AudioError(
                    f"{name} is not audio that can be read: Ogg with {link.codec};"
                    " expected Vorbis, Opus or FLAC in it. Convert it to WAV or FLAC first"
                )
            if not self._decode(self._sound(part), part):
                break
            if not link.ended:
                self.notes.append(f"{name}: its end is not marked: it may be cut off")
        if not links:
            raise AudioError(f"{name} is not audio that can be read: no whole page of Ogg in it")

    def _open_mpeg(self, view: View, name: str) -> None:
        found = find_streams(view, self._check)
        views, notes = mpeg_views(view, found, name)
        self.notes += notes
        if not views:
            raise AudioError(f"{name} is not audio that can be read: no frame of MPEG audio in it")
        for part in views:
            if not self._decode(self._sound(part), part):
                break

    def _open_other(self, view: View, target: Any, name: str) -> None:
        file = self._sound(target, view)
        if file.subtype.startswith("MPEG"):
            span = audio_bytes(view)
            self._open_mpeg(view if span is None else view.part(*span), name)
            self.format, self.subtype = file.format, file.subtype
        elif file.subtype in SEEKABLE:
            if file.frames > view.size:  # a frame takes a byte at least
                raise AudioError(
                    f"{name} is cut off: its header counts {file.frames} frames,"
                    f" the whole file has {view.size} bytes"
                )
            self.file = file
            self.rate, self.channels, self.frames = file.samplerate, file.channels, file.frames
            self.format, self.subtype = file.format, file.subtype
        else:
            self._decode(file, view)

    def _sound(self, target: Any, view: View | None = None) -> soundfile.SoundFile:
        """Open with libsndfile.

        Raises:
            AudioError: saying what the file is, if that can be told.
        """
        if view is not None:
            view.seek(0)
        try:
            return self._stack.enter_context(soundfile.SoundFile(target))
        except (soundfile.SoundFileError, TypeError) as error:
            head = view.at(0, 16) if view is not None else b""
            known = name_format(head)
            why = reason(error)
            if known is not None:
                why = f"it is {known}; convert it to WAV or FLAC first"
            elif self._path.suffix.lower() in (".raw", ".pcm"):
                why = "raw samples do not say their rate; convert them to WAV first"
            raise AudioError(f"{self._path} is not audio that can be read: {why}") from error

    def _decode(self, file: soundfile.SoundFile, view: View) -> bool:
        """Append the file's audio; false if it does not fit what came before."""
        if self._spool is None:
            self._spool = self._stack.enter_context(self._temporary())
            self.rate, self.channels = file.samplerate, file.channels
            self.format, self.subtype = file.format, file.subtype
        elif (file.samplerate, file.channels) != (self.rate, self.channels):
            kinds = f"{file.samplerate} Hz and {file.channels} channels"
            where = f"after {self.frames / self.rate:.2f} s follows audio of {kinds}"
            self.notes.append(f"{self._path}: {where}: it and what comes after are left out")
            return False
        for block in _forwards(file):
            self._report(view.done)
            try:
                self._spool.write(block.data)
            except OSError as error:
                raise self._no_room(error) from error
            self.frames += len(block)
        try:
            self._spool.flush()
        except OSError as error:
            raise self._no_room(error) from error
        return True

    def _temporary(self) -> Any:
        try:
            return tempfile.TemporaryFile(dir=self._scratch)
        except OSError as error:
            raise self._no_room(error) from error

    def _no_room(self, error: OSError) -> AudioError:
        folder = self._scratch or tempfile.gettempdir()
        return AudioError(
            f"cannot keep the decoded audio of {self._path} in {folder}: {error.strerror};"
            " TMPDIR names another folder"
        )


def _forwards(file: soundfile.SoundFile) -> Iterator[FloatArray]:
    """Yield all frames (n, channels) up to the end.

    soundfile's own `read` seeks after every block, and stops at the length that a header claims.
    """
    size = int(file.samplerate * BLOCK_SECONDS)
    while True:
        block = np.empty((size, file.channels), np.float32)
        target = soundfile._ffi.cast("float *", block.ctypes.data)
        count = int(soundfile._snd.sf_readf_float(file._file, target, size))
        if count <= 0:
            return
        yield block[:count]


def reason(error: Exception) -> str:
    """Return libsndfile's own words without the path that we name ourselves."""
    words = getattr(error, "error_string", None) or str(error)
    return words.removeprefix("Error : ").rstrip(".").lower()
