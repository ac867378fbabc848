"""Separated stems of clips as another system left them in files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import soxr

from bandmate_server.errors import CorpusError
from bandmate_server.spec import OTHER, STEMS
from bandmate_training.evaluation.songs.clips import (
    Clip,
    ClipAudio,
    FloatArray,
    read_frames,
    sound_info,
)

ENDINGS = (".wav", ".flac")


def read_estimates(
    folder: Path, clip: Clip, song: ClipAudio, stems: Iterable[str] = STEMS
) -> dict[str, FloatArray]:
    """Read another system's stems of a clip, `other` if there is one, at the clip's rate.

    Args:
        folder: `<folder>/<track>/<stem>.wav`, whole tracks; or the same of the clip alone, under
            its name. Any rate.
        clip: of the corpus.
        song: the clip's audio, whose scale and shape the stems get.
        stems: those that must be there.

    Raises:
        CorpusError: if a stem is missing, unreadable or too short.
    """
    found = {}
    for stem in dict.fromkeys((*stems, OTHER)):
        path = find_estimate(folder, clip, stem)
        if path is not None:
            found[stem] = _read_estimate(path, clip, song)
        elif stem != OTHER:
            where = folder / clip.track / f"{stem}.wav"
            raise CorpusError(f"the estimate {where} does not exist, nor one of {clip.label}")
    return found


def find_estimate(folder: Path, clip: Clip, stem: str) -> Path | None:
    """Return the file with a stem of a clip, or of its whole track; None if there is neither."""
    name = clip.label if (folder / clip.label).is_dir() else clip.track
    paths = (folder / name / f"{stem}{ending}" for ending in ENDINGS)
    return next((path for path in paths if path.is_file()), None)


def _read_estimate(path: Path, clip: Clip, song: ClipAudio) -> FloatArray:
    alone = path.parent.name == clip.label
    wave = _at_clip(path, replace(clip, start=0) if alone else clip)
    channels = song.mixture.shape[1]
    if channels == 1:
        wave = wave.mean(axis=1, keepdims=True)  # of what always gives two
    if wave.shape[1] not in (1, channels):
        raise CorpusError(f"{path}: expected {channels} channels, got {wave.shape[1]}")
    return np.zeros_like(song.mixture) + np.float32(1.0 if alone else song.scale) * wave


def _at_clip(path: Path, clip: Clip) -> FloatArray:
    """Read an estimate's part that belongs to a clip (N, channels), resampled where needed."""
    info = sound_info(path)
    ratio = info.samplerate / clip.rate
    start, count = round(clip.start * ratio), round(clip.frames * ratio)
    slack = round(0.05 * info.samplerate)  # what models and resamplers may leave out at the end
    if info.frames < start + count - slack:
        raise CorpusError(
            f"{path} is too short: expected {(start + count) / info.samplerate:.2f} s,"
            f" got {info.frames / info.samplerate:.2f} s"
        )
    wave, rate = read_frames(path, start, count)
    if rate == clip.rate:
        return wave
    out = np.asarray(soxr.resample(wave, rate, clip.rate), np.float32).reshape(-1, wave.shape[1])
    return np.pad(out[: clip.frames], ((0, clip.frames - min(len(out), clip.frames)), (0, 0)))
