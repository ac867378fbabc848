"""Sessions against the format's published description.

No package ships the format's XSD, so its rules for what we write stand here as a table, after
Project.xsd and MetaData.xsd of github.com/bitwig/dawproject (version 1.0): which elements an
element holds and in which order, its attributes, those it must have, and their types.
"""

import re
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np
import pytest
import soundfile

from bandmate_bridge.batch.dawproject import AudioTrack, write_dawproject

TYPES = {
    "string": r".*",
    "id": r"[A-Za-z_][\w.-]*",
    "idref": r"[A-Za-z_][\w.-]*",
    "bool": r"true|false|0|1",
    "int": r"[+-]?\d+",
    "double": r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?",
    "time unit": r"beats|seconds",
    "unit": r"linear|normalized|percent|decibel|hertz|semitones|seconds|beats|bpm",
    "role": r"regular|master|effect|submix|vca",
    "content": r"(audio|automation|notes|video|markers|tracks)( (audio|automation|notes|tracks))*",
}
NAMED = {"name": "string", "color": "string", "comment": "string"}
REFERENCE = NAMED | {"id": "id"}
TIMELINE = REFERENCE | {"timeUnit": "time unit", "track": "idref"}
# element: (children in order, attributes, attributes it must have)
RULES: dict[str, tuple[list[str], dict[str, str], set[str]]] = {
    "Project": (
        ["Application", "Transport", "Structure", "Arrangement", "Scenes"],
        {"version": "string"},
        {"version"},
    ),
    "Application": ([], {"name": "string", "version": "string"}, {"name", "version"}),
    "Structure": (["Track"], {}, set()),
    "Track": (
        ["Channel", "Track"],
        REFERENCE | {"contentType": "content", "loaded": "bool"},
        set(),
    ),
    "Channel": (
        ["Devices", "Mute", "Pan", "Sends", "Volume"],
        REFERENCE
        | {"audioChannels": "int", "destination": "idref", "role": "role", "solo": "bool"},
        set(),
    ),
    "Mute": ([], REFERENCE | {"value": "bool", "parameterID": "int"}, set()),
    "Volume": (
        [],
        REFERENCE | {"max": "double", "min": "double", "unit": "unit", "value": "double"},
        {"unit"},
    ),
    "Arrangement": (["Lanes", "Markers", "TempoAutomation"], REFERENCE, set()),
    "Lanes": (["Lanes", "Clips"], TIMELINE, set()),
    "Clips": (["Clip"], TIMELINE, set()),
    "Clip": (
        ["Audio"],
        NAMED
        | {
            "time": "double",
            "duration": "double",
            "contentTimeUnit": "time unit",
            "playStart": "double",
            "playStop": "double",
            "enable": "bool",
        },
        {"time"},
    ),
    "Audio": (
        ["File"],
        TIMELINE
        | {"algorithm": "string", "channels": "int", "sampleRate": "int", "duration": "double"},
        {"channels", "sampleRate", "duration"},
    ),
    "File": ([], {"path": "string", "external": "bool"}, {"path"}),
}
METADATA = ["Title", "Artist", "Album", "OriginalArtist", "Composer", "Songwriter", "Producer"]
METADATA += ["Arranger", "Year", "Genre", "Copyright", "Website", "Comment"]


def check(element: Element) -> None:
    children, attributes, needed = RULES[element.tag]
    for name, value in element.attrib.items():
        assert name in attributes, f"{element.tag} has no {name}"
        assert re.fullmatch(TYPES[attributes[name]], value), f"{element.tag} {name}={value!r}"
    assert needed <= set(element.attrib), f"{element.tag} needs {needed}"
    places = [children.index(child.tag) for child in element]
    assert places == sorted(places), f"{element.tag}: {[child.tag for child in element]}"
    for child in element:
        check(child)


def check_references(root: Element) -> None:
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    for element in root.iter():
        for name in ("track", "destination"):
            assert element.get(name) in (None, *ids)


@pytest.fixture
def tracks(tmp_path: Path) -> list[AudioTrack]:
    found = []
    for name, frames in (("bass", 48_000), ("drums & <co>", 96_001)):
        path = tmp_path / f"{name.split()[0]}.wav"
        soundfile.write(path, np.zeros((frames, 2)), 48_000)
        found.append(AudioTrack(name, path, path.name, 48_000, 2, frames, muted=name != "bass"))
    return found


def opened(path: Path) -> tuple[Element, Element, list[str]]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        project = ElementTree.fromstring(archive.read("project.xml"))
        metadata = ElementTree.fromstring(archive.read("metadata.xml"))
        return project, metadata, archive.namelist()


@pytest.mark.parametrize("inside", [True, False])
def test_a_session_follows_the_formats_rules(
    tmp_path: Path, tracks: list[AudioTrack], inside: bool
) -> None:
    path = tmp_path / "session.dawproject"
    tags = {"title": ["Late <Bus>"], "artist": ["A", "B"], "date": ["2026"], "mood": ["calm"]}
    write_dawproject(path, tracks, 24_000, tags, inside)
    project, metadata, names = opened(path)
    assert project.tag == "Project"
    check(project)
    check_references(project)
    assert metadata.tag == "MetaData"
    found = [(element.tag, element.text) for element in metadata]
    assert found == [("Title", "Late <Bus>"), ("Artist", "A, B"), ("Year", "2026")]
    assert [METADATA.index(tag) for tag, _ in found] == sorted(METADATA.index(t) for t, _ in found)
    for file, track in zip(project.iter("File"), tracks, strict=True):
        assert file.get("external") == str(not inside).lower()
        if inside:
            with zipfile.ZipFile(path) as archive:
                assert archive.read(str(file.get("path"))) == track.file.read_bytes()
        else:
            assert (path.parent / str(file.get("path"))).samefile(track.file)
    assert len(names) == (4 if inside else 2)


def test_stems_lie_on_named_tracks_at_their_positions(
    tmp_path: Path, tracks: list[AudioTrack]
) -> None:
    path = tmp_path / "session.dawproject"
    write_dawproject(path, tracks, 44_101, {}, inside=True)
    project, _, _ = opened(path)
    named: dict[Any, Any] = {track.get("id"): track for track in project.iter("Track")}
    assert [track.get("name") for track in named.values()] == ["bass", "drums & <co>", "Master"]
    lanes = [lane for lane in project.iter("Lanes") if lane.get("track")]
    for lane, track in zip(lanes, tracks, strict=True):
        assert named[lane.get("track")].get("name") == track.name
        (clip,) = lane.iter("Clip")
        assert round(float(str(clip.get("time"))) * 48_000) == 44_101
        assert round(float(str(clip.get("duration"))) * 48_000) == track.frames
    muted = [mute.get("value") for mute in project.iter("Mute")]
    assert muted == ["false", "true", "false"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda root: root.find(".//Clip").attrib.pop("time"),
        lambda root: root.find(".//Clip").set("time", "soon"),
        lambda root: root.find(".//Channel").append(Element("Mute")),
        lambda root: root.find(".//Lanes[@track]").set("track", "nobody"),
        lambda root: root.find(".//Track").set("volume", "1"),
    ],
)
def test_the_rules_find_what_breaks_them(
    tmp_path: Path, tracks: list[AudioTrack], damage: Any
) -> None:
    path = tmp_path / "session.dawproject"
    write_dawproject(path, tracks, 0, {}, inside=False)
    project, _, _ = opened(path)
    damage(project)
    with pytest.raises(AssertionError):
        check(project)
        check_references(project)


@pytest.mark.parametrize("kind", ["inside", "external"])
def test_separate_writes_a_session_of_its_stems_at_the_regions_place(
    kind: str, separate: Any, song: Path, tmp_path: Path
) -> None:
    ran = separate(song, "--start", "0.5", "--stems", "bass", "--dawproject", kind)
    assert ran.status == 0, ran.errors
    folder = tmp_path / "stems" / "song"
    names = {path.name for path in folder.iterdir()}
    assert names == {"bass.wav", "other.wav", "manifest.json", "session.dawproject"}
    with zipfile.ZipFile(folder / "session.dawproject") as archive:
        project = ElementTree.fromstring(archive.read("project.xml"))
        packed = [name for name in archive.namelist() if name.endswith(".wav")]
        if kind == "inside":
            assert archive.read("audio/bass.wav") == (folder / "bass.wav").read_bytes()
    assert packed == (["audio/bass.wav", "audio/other.wav"] if kind == "inside" else [])
    assert [track.get("name") for track in project.iter("Track")][:2] == ["bass", "other"]
    times = {float(clip.get("time") or "nan") for clip in project.iter("Clip")}
    assert 0.5 in times
