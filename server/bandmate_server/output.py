"""Results on disk: stems and manifest appear whole or not at all."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import uuid
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import soundfile

from bandmate_server.arrays import FloatArray
from bandmate_server.broadcast import Broadcast, clear_time_of_day
from bandmate_server.claim import claimed
from bandmate_server.errors import OutputError
from bandmate_server.options import BitDepth, Format

MANIFEST = "manifest.json"
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
            raise OutputError(f"cannot write {path}: {_reason(error, path)}") from error
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
            raise OutputError(f"cannot write {self.path}: {_reason(error, self.path)}") from error
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
            raise OutputError(f"cannot write {self.path}: {_reason(error, self.path)}") from error
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


class ResultFolder:
    """A folder of results, written beside its place, or in it, and moved there once complete.

    Use as a context manager; leave it without `commit` and nothing stays.

    Args:
        folder: where the results shall be.
        names: files that will be written; the manifest comes on top.
        force: replace files of these names.
        needed: bytes that the files will take at least.

    Raises:
        OutputError: if results are there already, another run is writing there, or the place
            cannot be written.
    """

    def __init__(self, folder: Path, names: list[str], force: bool, needed: int):
        self.folder = folder.absolute()  # "." has no name of its own.
        self._partial = self.folder
        self._names, self._force, self._needed = names, force, needed
        self._stack = ExitStack()

    def __enter__(self) -> ResultFolder:
        """Claim the place, and make the hidden folder."""
        with ExitStack() as stack:
            stack.enter_context(claimed(self.folder))
            self.refuse_existing()
            there = self.folder.is_dir()
            self._partial = self._hidden(self.folder if there else self.folder.parent)
            stack.callback(shutil.rmtree, self._partial, ignore_errors=True)
            try:
                self._partial.mkdir()
                free = shutil.disk_usage(self._partial).free
            except OSError as error:
                where = self.folder.parent
                raise OutputError(f"cannot write to {where}: {error.strerror}") from error
            if free < self._needed:
                sizes = f"{self._needed / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free"
                raise OutputError(f"cannot write {self.folder}: the disk is full: {sizes}")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove what was not committed, and give the place free."""
        self._stack.close()

    def path(self, name: str) -> Path:
        """Return where to write a file for now."""
        return self._partial / name

    def commit(self, manifest: dict[str, Any]) -> None:
        """Write the manifest and move everything to its place.

        Raises:
            OutputError: if that fails.
        """
        try:
            _write_json(self._partial / MANIFEST, manifest)
            sync_to_disk(self._partial)
            if self.folder.exists():
                self.refuse_existing()  # Somebody else may have written since.
                self._replace_files()
            else:
                self._partial.rename(self.folder)
            sync_to_disk(self.folder.parent)
        except OSError as error:
            raise OutputError(f"cannot write {self.folder}: {error.strerror}") from error

    def refuse_existing(self) -> None:
        """Raise OutputError if results are there already and are not to be replaced."""
        for path in [self.folder, *(self.folder / name for name in [*self._names, MANIFEST])]:
            wrong_kind = path == self.folder and path.exists() and not path.is_dir()
            if wrong_kind or (path != self.folder and path.exists() and not self._force):
                hint = "it is not a folder" if wrong_kind else "use --force to replace it"
                raise OutputError(f"{path} is there already: {hint}")

    def _replace_files(self) -> None:
        """Move every file over the old one; a manifest is never there with files of another."""
        old = _listed_files(self.folder / MANIFEST)
        (self.folder / MANIFEST).unlink(missing_ok=True)
        for name in old - set(self._names):
            (self.folder / name).unlink(missing_ok=True)
        for name in [*self._names, MANIFEST]:
            (self._partial / name).replace(self.folder / name)
        sync_to_disk(self.folder)

    @staticmethod
    def _hidden(folder: Path) -> Path:
        return folder / f".bandmate-{uuid.uuid4().hex}.partial"


def scratch_folder(out: Path) -> Path | None:
    """Return where decoded audio can lie while results are made: on the disk that they go to.

    TMPDIR takes precedence; None is the system's own place.
    """
    if os.environ.get("TMPDIR"):
        return None
    for folder in (out.absolute(), *out.absolute().parents):
        if folder.is_dir():
            return folder if os.access(folder, os.W_OK) else None
    return None


def _listed_files(manifest: Path) -> set[str]:
    """Return the plain file names that an earlier manifest claims as its outputs."""
    try:
        outputs = json.loads(manifest.read_bytes())["outputs"]
        names = {str(entry["file"]) for entry in outputs.values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()
    return {name for name in names if Path(name).name == name}


def _write_json(path: Path, values: dict[str, Any]) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(values, file, indent=2, ensure_ascii=False, allow_nan=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


def sync_to_disk(path: Path) -> None:
    """Put a file's content, or a folder's entries where the system can, on the disk."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _reason(error: Exception, path: Path) -> str:
    """Return why writing failed; libsndfile itself only says that the system refused."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    try:
        free = shutil.disk_usage(path.parent).free
    except OSError:
        return str(error)
    return f"the system refused ({free / 1e6:.1f} MB free on that disk)"
