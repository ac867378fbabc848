"""Tags of a song (title, artist, ...) and their way into its stems."""

from __future__ import annotations

import contextlib
import logging
import unicodedata
from collections.abc import Callable
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
STRINGS = {  # numbers of libsndfile's texts
    1: "title",
    2: "copyright",
    3: "software",
    4: "artist",
    5: "comment",
    6: "date",
    7: "album",
    8: "license",
    9: "tracknumber",
    16: "genre",
}
NOT_OURS = {"software", "encoder", "encoded_by", "encoding"}  # says how the input was made

logger = logging.getLogger(__name__)


def read_tags(path: Path) -> Tags:
    """Return a file's tags: RIFF's and AIFF's own, and above them ID3 or Vorbis comments."""
    import mutagen

    tags = _own_tags(path)
    try:
        opened = mutagen.File(path)
        if opened is not None and opened.tags is not None:
            id3 = hasattr(opened.tags, "getall")
            tags |= _of_id3(opened.tags) if id3 else _of_vorbis(opened.tags)
    except Exception as error:  # noqa: BLE001 - whatever a damaged tag does to the library
        logger.debug("no tags in %s: %s", path, error)
    return {key: values for key, values in tags.items() if key not in NOT_OURS}


def _own_tags(path: Path) -> Tags:
    """Return what libsndfile reads: RIFF's INFO, AIFF's and CAF's texts, in UTF-8 or cp1252."""
    tags: Tags = {}
    try:
        with soundfile.SoundFile(path) as file:
            for number, name in STRINGS.items():
                found = soundfile._snd.sf_get_string(file._file, number)
                text = _text(soundfile._ffi.string(found)) if found else ""
                if text:
                    tags[name] = [text]
    except (OSError, soundfile.SoundFileError):
        return {}
    return tags


def _text(raw: bytes) -> str:
    """Return bytes that do not say their encoding as text: UTF-8, or what Windows wrote."""
    for encoding in ("utf-8", "cp1252"):
        with contextlib.suppress(UnicodeDecodeError):
            return raw.decode(encoding).strip()
    return raw.decode("latin-1").strip()


def write_tags(path: Path, tags: Tags) -> list[str]:
    """Put tags into a finished WAV (as ID3) or FLAC file; return the names of those left out.

    A tag that the format cannot hold as it is goes without what it cannot hold, or not at all.
    """
    import mutagen

    if not tags:
        return []
    try:
        opened, put = _opened(path)
    except (mutagen.MutagenError, OSError) as error:
        logger.debug("no tags into %s: %s", path, error)
        return list(tags)
    left = []
    for key, values in tags.items():
        try:
            put(key, [plain_text(value) for value in values])
        except Exception as error:  # noqa: BLE001 - the song is worth more than any tag
            logger.debug("tag %r not into %s: %s", key, path, error)
            left.append(key)
    try:
        opened.save()
    except Exception as error:  # noqa: BLE001 - likewise
        logger.debug("no tags into %s: %s", path, error)
        return list(tags)
    return left


def plain_text(text: str) -> str:
    """Return a text without what XML and DAWs do not read: control characters, lone surrogates."""
    kept = "".join(c if c in "\n\t" or ord(c) >= 32 else " " for c in text)
    kept = kept.encode("utf-8", "replace").decode("utf-8")
    return "".join(c for c in kept if not 0x7F <= ord(c) < 0xA0 and c not in "\ufffe\uffff")


def _opened(path: Path) -> tuple[Any, Callable[[str, list[str]], None]]:
    """Open a file for tags; return it, and what puts a tag into it."""
    from mutagen import flac, wave

    if path.suffix == ".flac":
        opened: Any = flac.FLAC(path)

        def comment(key: str, values: list[str]) -> None:
            opened[_comment_name(key)] = values

        return opened, comment
    opened = wave.WAVE(path)
    if opened.tags is None:
        opened.add_tags()
    return opened, lambda key, values: opened.tags.add(_frame(key, values))


def _comment_name(key: str) -> str:
    """Return a name that Vorbis comments allow: letters with accents lose them."""
    plain = unicodedata.normalize("NFKD", key.replace("ß", "ss"))
    name = "".join(c for c in plain if " " <= c <= "}" and c != "=").strip()
    if not name:
        raise ValueError(f"{key!r} has no letter that a comment's name may have")
    return name


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
