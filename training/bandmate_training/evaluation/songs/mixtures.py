"""The mixtures of clips as files, for systems that separate files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import soundfile as sf

from bandmate_server.errors import OutputError
from bandmate_server.spec import OTHER, STEM_PATTERN
from bandmate_training.evaluation.songs.clips import SOURCES, Clip, read_song

# Names of files that hold several sources.
MIXTURES = ("mix", "mixture", "accompaniment", "instrumental", "no_vocals")


def with_all_sources(clips: Sequence[Clip]) -> list[Clip]:
    """Return clips in whose mixture every source sounds that any of their tracks has a file of.

    Whole mixtures are no sources.
    """
    names = dict.fromkeys(path.stem for clip in clips for path in sorted(clip.folder.glob("*.wav")))
    more = [name for name in names if re.fullmatch(STEM_PATTERN, name) and name not in MIXTURES]
    sources = tuple(dict.fromkeys((*SOURCES[:-1], *(n for n in more if n != OTHER), OTHER)))
    return [replace(clip, sources=sources) for clip in clips]


def write_mixtures(clips: Sequence[Clip], folder: Path) -> list[Path]:
    """Write `<track>_from_<second>.wav` for every clip, in 32-bit float; return the paths.

    Raises:
        CorpusError: if a clip is not usable.
        OutputError: if a file cannot be written.
    """
    paths = [folder / f"{clip.label}.wav" for clip in clips]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, clip in zip(paths, clips, strict=True):
            sf.write(path, read_song(clip).mixture, clip.rate, subtype="FLOAT")
    except (OSError, sf.SoundFileError) as error:
        raise OutputError(f"cannot write the mixtures to {folder}: {error}") from error
    return paths
