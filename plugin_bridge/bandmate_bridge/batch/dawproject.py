"""Sessions for DAWs: the stems on named tracks at their positions, as a DAWproject file.

DAWproject is an open format (github.com/bitwig/dawproject, version 1.0): a ZIP with project.xml,
metadata.xml and the audio, or references to it.
"""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from bandmate_bridge.batch.tags import plain_text
from bandmate_server.audio.sources import FileSource
from bandmate_server.files import write_whole
from bandmate_server.results.result import Result
from bandmate_server.version import bandmate_version

SESSION = "session"
EPOCH = (1980, 1, 1, 0, 0, 0)  # ZIP's first moment: no time of day, so that bytes repeat
METADATA = {  # DAWproject's elements in their order, and the tags that they come from
    "Title": "title",
    "Artist": "artist",
    "Album": "album",
    "Composer": "composer",
    "Year": "date",
    "Genre": "genre",
    "Copyright": "copyright",
    "Comment": "comment",
}


@dataclass(frozen=True)
class AudioTrack:
    """A track with one clip.

    name: of the track.
    file: the audio, to be packed from here.
    reference: its path from the session's folder, where it is not packed.
    rate, channels, frames: of the audio.
    muted: whether the track is silent until somebody switches it on.
    """

    name: str
    file: Path
    reference: str
    rate: int
    channels: int
    frames: int
    muted: bool = False


def write_session(result: Result, inside: bool) -> Path:
    """Write the stems of a result as a session in its folder, whole, and return the file.

    Args:
        result: with all stems written.
        inside: whether the audio is packed into the file; else referred to.

    Raises:
        OSError: if it cannot be written.
    """
    facts = [result.manifest[name] for name in ("rate", "channels", "frames")]
    tracks = [AudioTrack(stem, file, file.name, *facts) for stem, file in result.stems.items()]
    with FileSource(next(iter(result.stems.values()))) as first:
        stamp = first.broadcast
    start = result.manifest["region"]["start"] if stamp is None else stamp.time_reference
    path = result.folder / f"{SESSION}.dawproject"
    write_whole(path, partial(write_dawproject, tracks=tracks, start=start, tags={}, inside=inside))
    return path


def write_dawproject(
    place: Path | BinaryIO,
    tracks: list[AudioTrack],
    start: int,
    tags: dict[str, list[str]],
    inside: bool,
) -> None:
    """Write a session.

    Args:
        place: path of the file to write, or the open file.
        tracks: in their order.
        start: frame at which all clips begin.
        tags: of the song.
        inside: whether the audio is packed into the file; else referred to, unless its path
            holds what XML cannot.
    """
    inside = inside or any(plain_text(track.reference) != track.reference for track in tracks)
    sounds = [
        f"audio/{track.name}{track.file.suffix}" if inside else track.reference for track in tracks
    ]
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "metadata.xml", _xml(_metadata(tags)))
        _add(archive, "project.xml", _xml(_project(tracks, sounds, start, inside)))
        if inside:
            for track, sound in zip(tracks, sounds, strict=True):
                _pack(archive, sound, track.file)


def _project(tracks: list[AudioTrack], sounds: list[str], start: int, inside: bool) -> Element:
    root = Element("Project", version="1.0")
    SubElement(root, "Application", name="bandmate", version=bandmate_version())
    structure = SubElement(root, "Structure")
    arrangement = SubElement(root, "Arrangement", id="arrangement")
    lanes = SubElement(arrangement, "Lanes", id="lanes", timeUnit="seconds")
    for number, (track, sound) in enumerate(zip(tracks, sounds, strict=True), 1):
        _add_track(structure, track, number)
        _add_clip(lanes, track, number, sound, start, inside)
    master = SubElement(
        structure, "Track", contentType="audio tracks", id="master-track", loaded="true",
        name="Master",
    )  # fmt: skip
    channels = str(max(track.channels for track in tracks))
    _add_channel(master, "master", channels, "master", None, muted=False)
    return root


def _add_track(structure: Element, track: AudioTrack, number: int) -> None:
    element = SubElement(
        structure, "Track", contentType="audio", id=f"track-{number}", loaded="true",
        name=track.name,
    )  # fmt: skip
    channels = str(track.channels)
    _add_channel(element, f"channel-{number}", channels, "regular", "master", muted=track.muted)


def _add_channel(
    track: Element, name: str, channels: str, role: str, destination: str | None, *, muted: bool
) -> None:
    element = SubElement(track, "Channel", audioChannels=channels, id=name, role=role)
    if destination is not None:
        element.set("destination", destination)
    SubElement(element, "Mute", id=f"{name}-mute", name="Mute", value=str(muted).lower())
    SubElement(
        element, "Volume", id=f"{name}-volume", max="2.0", min="0.0", name="Volume", unit="linear",
        value="1.0",
    )  # fmt: skip


def _add_clip(
    lanes: Element, track: AudioTrack, number: int, sound: str, start: int, inside: bool
) -> None:
    own = SubElement(lanes, "Lanes", id=f"lanes-{number}", track=f"track-{number}")
    clips = SubElement(own, "Clips", id=f"clips-{number}")
    length = repr(track.frames / track.rate)
    clip = SubElement(
        clips, "Clip", contentTimeUnit="seconds", duration=length, name=track.name,
        playStart="0.0", time=repr(start / track.rate),
    )  # fmt: skip
    audio = SubElement(
        clip, "Audio", channels=str(track.channels), duration=length, id=f"audio-{number}",
        sampleRate=str(track.rate),
    )  # fmt: skip
    SubElement(audio, "File", external=str(not inside).lower(), path=sound)


def _metadata(tags: dict[str, list[str]]) -> Element:
    root = Element("MetaData")
    for name, tag in METADATA.items():
        if tags.get(tag):
            SubElement(root, name).text = plain_text(", ".join(tags[tag]))
    return root


def _xml(root: Element) -> bytes:
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return text + b"\n"


def _entry(name: str, compression: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type = compression
    entry.external_attr = 0o644 << 16
    return entry


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(_entry(name, zipfile.ZIP_DEFLATED), content)


def _pack(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    """Store a file as it is: audio does not shrink."""
    entry = _entry(name, zipfile.ZIP_STORED)
    entry.file_size = path.stat().st_size  # decides between ZIP and ZIP64
    with archive.open(entry, "w") as target, path.open("rb") as source:
        shutil.copyfileobj(source, target, 1 << 20)
