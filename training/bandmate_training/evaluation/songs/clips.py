"""Clips to evaluate on: which ones, and their sources."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pedalboard as pb
import soundfile as sf

from bandmate_server.errors import CorpusError
from bandmate_server.spec import OTHER, STEMS
from bandmate_training.evaluation.measures.metrics import is_active

FloatArray = npt.NDArray[np.float32]
SOURCES = (*STEMS, OTHER)
PER_TRACK = 3  # clips, at most
NEAR = 0.15  # share of the way to the sides that basses and drums are placed at most


@dataclass(frozen=True)
class Clip:
    """A stretch of one track, in frames of its files.

    sources: stems and `other`, those that the track has no file for are silent.
    pan: how far mono sources are placed to the sides, 0 (not at all) to 1.
    room: the largest share of stereo reverberation in a mono source, 0 (dry) to 1.
    """

    folder: Path
    start: int
    frames: int
    rate: int
    pan: float = 0.0
    room: float = 0.0
    sources: tuple[str, ...] = SOURCES

    @property
    def label(self) -> str:
        """The clip's name: track and second."""
        return f"{self.track}_from_{self.start // self.rate}"

    @property
    def track(self) -> str:
        """The track's name."""
        return self.folder.name


@dataclass(frozen=True)
class ClipAudio:
    """A clip's audio (N, channels): the sources sum to the mixture, which does not clip.

    sources: stems and `other`; zeros where the track has none.
    scale: what the files were multiplied with.
    """

    mixture: FloatArray
    sources: dict[str, FloatArray]
    rate: int
    scale: float

    def active(self, stem: str) -> bool:
        """Whether a stem sounds."""
        return is_active(self.sources[stem], self.mixture)


def find_folders(corpus: Path, split: str) -> list[Path]:
    """List a split's track folders by name.

    Raises:
        CorpusError: if there is none.
    """
    folder = corpus / split
    if not folder.is_dir():
        raise CorpusError(f"no folder {folder}: expected <corpus>/{split}/<track>/bass.wav ...")
    found = [f for f in sorted(folder.iterdir()) if any((f / f"{s}.wav").is_file() for s in STEMS)]
    if not found:
        raise CorpusError(f"no tracks in {folder}: expected {folder}/<track>/bass.wav ...")
    return found


def choose_clips(
    folders: list[Path],
    count: int,
    seconds: float,
    seed: int,
    pan: float = 0.0,
    room: float = 0.0,
) -> list[Clip]:
    """Choose clips to separate: one of every track, then a second one, and so on.

    At least two sources sound in each: a stem that is alone has no interference, and its ratio
    no meaning (Mariani et al. 2024, MSDM, leave such clips out too).
    The choice depends on the seed and the tracks only. A track gives PER_TRACK clips at most,
    none of which overlap, so there may be fewer than `count`.

    Raises:
        CorpusError: if no track is long enough or nowhere mixed; or a file is unreadable.
    """
    rng = np.random.default_rng(seed)
    slots = [_slots(folders[i], seconds, rng) for i in rng.permutation(len(folders))]
    clips: list[Clip] = []
    for _ in range(PER_TRACK):
        for slot in slots:
            clip = next((c for c in slot if _is_mixed(c)), None)
            if clip is not None:
                clips.append(replace(clip, pan=pan, room=room))
            if len(clips) == count:
                return clips
    if not clips:
        where = folders[0].parent
        raise CorpusError(f"no track in {where} has {seconds} s in which two sources sound")
    return clips


def _slots(folder: Path, seconds: float, rng: np.random.Generator) -> Iterator[Clip]:
    """Return a track's clips, end to end, in random order."""
    info = sound_info(next(folder / f"{s}.wav" for s in STEMS if (folder / f"{s}.wav").is_file()))
    frames = round(seconds * info.samplerate)
    order = rng.permutation(info.frames // frames)
    return (Clip(folder, int(slot) * frames, frames, info.samplerate) for slot in order)


def _is_mixed(clip: Clip) -> bool:
    """Whether there is something to separate: a stem, and another source besides."""
    song = read_song(clip)
    return song.active(OTHER) + sum(song.active(stem) for stem in STEMS) >= 2


def sound_info(path: Path) -> sf._SoundFileInfo:
    """Return what libsndfile says of a file.

    Raises:
        CorpusError: if it is not audio.
    """
    try:
        return sf.info(path)
    except sf.SoundFileError as error:
        raise CorpusError(f"{path} is not audio that can be read: {error}") from error


def read_song(clip: Clip) -> ClipAudio:
    """Read a clip's sources; they are scaled down together if their sum would clip.

    Raises:
        CorpusError: if a file is unreadable, or of another rate or channel count than the rest.
    """
    waves: dict[str, FloatArray] = {}
    for source in clip.sources:
        path = clip.folder / f"{source}.wav"
        if path.is_file():
            waves[source], rate = read_frames(path, clip.start, clip.frames)
            if rate != clip.rate:
                raise CorpusError(
                    f"{path}: expected {clip.rate} Hz as its neighbours, got {rate} Hz"
                )
            if waves[source].shape[1] == 1 and (clip.pan or clip.room):
                waves[source] = _in_room(waves[source] * _sides(clip, source), clip, source)
    channels = max(wave.shape[1] for wave in waves.values())
    total = np.zeros((clip.frames, channels), np.float32)
    for source, wave in waves.items():
        if wave.shape[1] not in (1, channels):
            raise CorpusError(f"{clip.folder / source}.wav: expected 1 or {channels} channels")
        total = total + wave
    peak = float(np.abs(total).max())
    scale = min(1.0, 0.99 / peak) if peak > 0 else 1.0
    nothing = np.zeros_like(total)
    sources = {s: np.float32(scale) * (nothing + waves.get(s, nothing)) for s in clip.sources}
    mixture = np.stack(list(sources.values())).sum(axis=0)
    return ClipAudio(mixture, sources, clip.rate, scale)


def _sides(clip: Clip, source: str) -> FloatArray:
    """Return a mono source's gains left and right (2,), of equal power, whose place is its own.

    Basses and drums stay near the middle, as they do in mixes.
    """
    rng = np.random.default_rng(zlib.crc32(f"{clip.track} {source}".encode()))
    reach = clip.pan * (NEAR if source in ("bass", "drums") else 1.0)
    angle = (1 + rng.uniform(-reach, reach)) * np.pi / 4
    return np.asarray(np.sqrt(2) * np.array([np.cos(angle), np.sin(angle)]), np.float32)


def _in_room(wave: FloatArray, clip: Clip, source: str) -> FloatArray:
    """Return a source (N, 2) in the room of its own that it stands in."""
    if not clip.room:
        return wave
    rng = np.random.default_rng(zlib.crc32(f"{clip.track} {source} room".encode()))
    wet, size = rng.uniform(0.0, clip.room), rng.uniform(0.1, 0.9)
    room = pb.Reverb(room_size=size, wet_level=wet, dry_level=1.0 - wet, width=1.0)
    return np.ascontiguousarray(room(np.ascontiguousarray(wave.T), clip.rate).T)


def read_frames(path: Path, start: int, count: int) -> tuple[FloatArray, int]:
    """Return frames start .. start + count (count, channels), zeros beyond the end; the rate."""
    try:
        with sf.SoundFile(path) as file:
            file.seek(min(start, len(file)))
            wave = file.read(count, dtype="float32", always_2d=True)
            rate: int = file.samplerate
    except sf.SoundFileError as error:
        raise CorpusError(f"{path} is not audio that can be read: {error}") from error
    return np.pad(wave, ((0, count - len(wave)), (0, 0))), rate
