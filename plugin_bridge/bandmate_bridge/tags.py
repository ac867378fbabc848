"""Tags of a song (title, artist, ...) and their way into its stems."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import soundfile

Tags = dict[str, list[str]]  # Vorbis names in lower case -> values

# ID3's frames under the names that FLAC and Ogg use.
FRAMES = {
    "title": "TIT2",
    "artist": "TPE1",
    "album": "TALB",
    "albumartist": "TPE2",
    "composer": "TCOM",
    "lyricist": "TEXT",
    "conductor": "TPE3",
    "date": "TDRC",
    "genre": "TCON",
    "tracknumber": "TRCK",
    "discnumber": "TPOS",
    "copyright": "TCOP",
    "isrc": "TSRC",
    "bpm": "TBPM",
    "initialkey": "TKEY",
    "language": "TLAN",
    "grouping": "TIT1",
    "organization": "TPUB",
}
NAMES = {frame: name for name, frame in FRAMES.items()}
NOT_OURS = {"software", "encoder", "encoded_by", "encoding"}  # says how the input was made

logger = logging.getLogger(__name__)


def read_tags(path: Path) -> Tags:
    """Return a file's tags: RIFF's and AIFF's own, and above them ID3 or Vorbis comments."""
    import mutagen

    try:
        with soundfile.SoundFile(path) as file:
            tags = {key: [value] for key, value in file.copy_metadata().items() if value}
    except (OSError, soundfile.SoundFileError):
        tags = {}
    try:
        opened = mutagen.File(path)
    except (mutagen.MutagenError, OSError) as error:
        logger.debug("no tags in %s: %s", path, error)
        opened = None
    if opened is not None and opened.tags is not None:
        tags |= _of_id3(opened.tags) if hasattr(opened.tags, "getall") else _of_vorbis(opened.tags)
    return {key: values for key, values in tags.items() if key not in NOT_OURS}


def write_tags(path: Path, tags: Tags) -> bool:
    """Put tags into a finished WAV (as ID3) or FLAC file; false if its kind takes none (RF64)."""
    import mutagen
    from mutagen import flac, wave

    if not tags:
        return True
    try:
        if path.suffix == ".flac":
            opened: Any = flac.FLAC(path)
            for key, values in tags.items():
                opened[key] = values
        else:
            opened = wave.WAVE(path)
            if opened.tags is None:
                opened.add_tags()
            for key, values in tags.items():
                opened.tags.add(_frame(key, values))
        opened.save()
    except mutagen.MutagenError as error:
        logger.debug("no tags into %s: %s", path, error)
        return False
    return True


def _of_vorbis(found: Any) -> Tags:
    return {key.lower(): list(values) for key, values in dict(found).items()}


def _of_id3(found: Any) -> Tags:
    tags: Tags = {}
    for frame in found.values():
        if frame.FrameID in NAMES:
            tags[NAMES[frame.FrameID]] = [str(text) for text in frame.text]
        elif frame.FrameID == "COMM":
            tags.setdefault("comment", [str(text) for text in frame.text])
        elif frame.FrameID == "TXXX":
            tags[frame.desc.lower()] = [str(text) for text in frame.text]
    return tags


def _frame(key: str, values: list[str]) -> Any:
    from mutagen import id3

    if key in FRAMES:
        return getattr(id3, FRAMES[key])(encoding=3, text=values)
    if key == "comment":
        return id3.COMM(encoding=3, lang="XXX", desc="", text=values)
    return id3.TXXX(encoding=3, desc=key, text=values)
