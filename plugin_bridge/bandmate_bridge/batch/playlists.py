"""Lists of songs as players write them: M3U in any encoding, PLS, XSPF, and plain text."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote
from xml.etree import ElementTree

LISTS = {".txt", ".m3u", ".m3u8", ".pls", ".xspf"}
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PLS = re.compile(r"\s*File\d+\s*=(.*)", re.IGNORECASE)
_URL = re.compile(r"file:(?://[^/]*)?(.+)", re.IGNORECASE)
_NEWLINE = re.compile(r"\r\n|\r|\n")


def read_playlist(path: Path) -> list[str] | None:
    """Return the files that a list names, looked for from its own folder.

    What is not there is returned as it would be looked for first.

    Returns:
        None if the file cannot be read, or is no list.
    """
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    text = _text(raw)
    if text is None:
        return None
    if path.suffix.lower() == ".xspf":
        entries = _xspf(raw)
    else:
        lines = _NEWLINE.split(text)
        entries = _pls(lines) if path.suffix.lower() == ".pls" else _lines(lines, path.parent)
    return [_found(entry, path.parent) for entry in entries]


def _text(raw: bytes) -> str | None:
    """Return a list's text: as its mark says, UTF-8, or what Windows writes; None if it is none."""
    for mark, encoding in BOMS:
        if raw.startswith(mark):
            return raw.decode(encoding, "replace")
    if b"\0" in raw:
        return None
    for encoding in ("utf-8", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def _lines(lines: list[str], folder: Path) -> list[str]:
    """Return the entries of M3U and plain lists; # begins a remark, unless a file has that name."""
    found = [line.strip() for line in lines]
    return [line for line in found if line and (line[0] != "#" or _is_there(folder / line))]


def _pls(lines: list[str]) -> list[str]:
    found = (_PLS.fullmatch(line) for line in lines)
    return [match[1].strip() for match in found if match and match[1].strip()]


def _xspf(raw: bytes) -> list[str]:
    try:
        root = ElementTree.fromstring(raw)
    except ElementTree.ParseError:
        return []
    places = (place.text for place in root.iter("{http://xspf.org/ns/0/}location"))
    return [place.strip() for place in places if place and place.strip()]


def _found(entry: str, folder: Path) -> str:
    """Return the path of an entry that is there; else the one that was looked for first."""
    looked = [str(folder / way) for way in _ways(entry)]
    for place in looked:
        for form in (
            place,
            unicodedata.normalize("NFC", place),
            unicodedata.normalize("NFD", place),
        ):
            if _is_there(Path(form)):
                return form
    return looked[0]


def _ways(entry: str) -> Iterator[str]:
    """Yield the ways in which an entry can be meant, the most literal first."""
    url = _URL.fullmatch(entry)
    if url:
        entry = unquote(url[1])
        if re.match(r"/[A-Za-z]:", entry):
            entry = entry[1:]
    yield entry
    if "%" in entry:
        yield unquote(entry)
    if "\\" in entry:
        yield entry.replace("\\", "/")
    windows = PureWindowsPath(entry)
    if windows.drive:  # of another machine: the same folders may lie beside the list
        for first in range(1, len(windows.parts)):
            yield "/".join(windows.parts[first:])


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or has a zero in it
        return False
