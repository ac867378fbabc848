"""The plug-in in the real Ardour, without its windows: play, bounce, save, open again."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile

pytestmark = [pytest.mark.daw, pytest.mark.slow]

SCRIPTS = Path(__file__).parent / "ardour"
SCANNER = Path("/usr/lib/ardour7/ardour-vst3-scanner")
PATIENCE = 240.0  # seconds
SUPERCLOCK = 282_240_000 // 48_000  # ticks a sample
AT, LENGTH, END = 10_000, 72_000, 90_000
STEMS = ("bass", "drums", "guitar", "piano", "vocals", "other")


class Ardour:
    """Sessions in a user's folder, with our plug-ins where Ardour looks for them."""

    def __init__(self, place: Any, plugins: Path, kind: str, name: str) -> None:
        if shutil.which("ardour7-lua") is None or not SCANNER.exists():
            pytest.skip("not installed: ardour 7 (apt-get install ardour)")
        self.session = place.folder / "session"
        self.environment = {
            **place.environment,
            "FOLDER": str(self.session),
            "KIND": kind,
            "NAME": name,
            "LV2_PATH": str(plugins / "lv2"),
        }
        for bundle in (plugins / "vst3").iterdir():
            copy = shutil.copytree(bundle, place.folder / ".vst3" / bundle.name)
            subprocess.run(
                [SCANNER, "-f", copy],
                env={**self.environment, "LD_LIBRARY_PATH": str(SCANNER.parent)},
                check=True,
                capture_output=True,
            )

    def run(self, script: str, todo: str = "") -> None:
        done = subprocess.run(
            ["ardour7-lua", SCRIPTS / script],
            env={**self.environment, "TODO": todo},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert not todo or "done" in done.stdout.splitlines(), done.stdout + done.stderr

    def create(self, sound: Any, track: str = "song") -> None:
        """Make a session with a sound on one of its tracks, `song` and `bass`."""
        self.run("create.lua")
        soundfile.write(self.audio / "track.wav", sound, 48_000, "FLOAT")
        path = self.session / "song.ardour"
        tree = ElementTree.parse(path)
        root = tree.getroot()
        sources = root.find("Sources")
        playlist = root.find(f"Playlists/Playlist[@name='{track}']")
        assert sources is not None
        assert playlist is not None
        for channel in range(2):
            about = {"name": "track.wav", "type": "audio", "flags": "", "origin": ""}
            about |= {"id": f"90000{channel}", "channel": str(channel)}
            ElementTree.SubElement(sources, "Source", about)
        length = f"a{len(sound) * SUPERCLOCK}@a{AT * SUPERCLOCK}"
        about = {"name": "track", "id": "900100", "type": "audio"}
        about |= {"channels": "2"}
        about |= {"start": "a0", "length": length, "sync-position": "a0", "muted": "0"}
        about |= {"opaque": "1", "scale-amplitude": "1", "stretch": "1", "shift": "1"}
        about |= {"fade-in-active": "0", "fade-out-active": "0"}
        for kind in ("source", "master-source"):
            about |= {f"{kind}-{channel}": f"90000{channel}" for channel in range(2)}
        ElementTree.SubElement(playlist, "Region", about)
        tree.write(path)

    @property
    def audio(self) -> Path:
        return Path(self.session / "interchange" / "session" / "audiofiles")

    def bounced(self, name: str) -> Any:
        """Return what was bounced (frames, channels)."""
        sides = [self.audio / f"{name}%{side}.wav" for side in "LR"]
        if not sides[0].exists():  # more than two are numbered, from the code of "a" on
            sides = sorted(
                self.audio.glob(f"{name}%*.wav"), key=lambda path: int(path.stem.partition("%")[2])
            )
        return np.stack([soundfile.read(side, dtype="float32")[0] for side in sides], axis=1)


@pytest.mark.parametrize(
    ("kind", "name"), [("VST3", "bandmate Stems"), ("LV2", "urn:bandmate:stems")]
)
def test_stems_sound_in_place_and_stay_with_the_session(
    plugins: Path, place: Any, server: Any, noise: Any, kind: str, name: str
) -> None:
    ardour, sound = Ardour(place, plugins, kind, name), noise(LENGTH)
    ardour.create(sound)
    drums = f"on:Solo drums;bounce:{END} drums;off:Solo drums"
    ardour.run("plugin.lua", f"capture:{END};bounce:{END} all;{drums}")
    expected = np.pad(sound, ((AT, END - AT - LENGTH), (0, 0)))
    assert np.abs(ardour.bounced("all") - expected).max() < 1e-6
    assert not np.array_equal(ardour.bounced("all"), expected), "these are the stems"
    (path,) = (place.data / "stems").glob("*/drums.wav")
    stem, _ = soundfile.read(path, dtype="float32", always_2d=True)
    begin = captured_from(ardour)
    assert begin <= AT
    if begin < 0:  # Ardour rolls a little before the beginning
        stem, begin = stem[-begin:], 0
    assert np.array_equal(ardour.bounced("drums")[begin:], stem[: END - begin])

    server.stop()
    ardour.run("plugin.lua", f"on:Solo drums;bounce:{END} again;status:6")
    assert np.array_equal(ardour.bounced("again"), ardour.bounced("drums"))


def test_every_stem_leaves_by_its_own_output(
    plugins: Path, place: Any, server: Any, noise: Any
) -> None:
    ardour, sound = Ardour(place, plugins, "VST3", "bandmate Stems Multi"), noise(LENGTH)
    ardour.create(sound)
    ardour.run("plugin.lua", f"capture:{END};stems:{END} parts")
    out = ardour.bounced("parts")[AT : AT + LENGTH]
    assert out.shape == (LENGTH, 2 + 2 * len(STEMS))
    assert np.array_equal(out[:, :2], sound)
    assert np.abs(out[:, 2:].reshape(LENGTH, -1, 2).sum(axis=1) - sound).max() < 1e-6
    assert [out[:, 2 + 2 * index].any() for index in range(len(STEMS))] == [
        stem != "vocals" for stem in STEMS
    ]


def test_a_side_chain_is_captured_by_its_name(
    plugins: Path, place: Any, server: Any, noise: Any
) -> None:
    ardour, sound = Ardour(place, plugins, "VST3", "bandmate Part"), noise(LENGTH)
    ardour.create(sound, track="bass")
    ardour.run("plugin.lua", f"sidechain:bass;capture:{END}")
    (job,) = server.jobs()
    assert job["arguments"]["stems"] == ["guitar"]
    assert set(job["arguments"]["session"]) == {"bass"}
    (path,) = (place.data / "captures").glob("*/bass.wav")
    captured, _ = soundfile.read(path, dtype="float32", always_2d=True)
    first = np.flatnonzero(np.all(captured == sound[0], axis=1))[0]
    assert np.array_equal(captured[first : first + LENGTH], sound)


def captured_from(ardour: Ardour) -> int:
    """Return where the passage begins that the session has saved."""
    files = [ardour.session / "song.ardour", *ardour.session.glob("plugins/**/*.ttl")]
    for path in files:
        _, found, rest = path.read_bytes().partition(b"passage ")
        if found:
            return int(rest.split()[0])
    return _from_chunk(ardour.session / "song.ardour")


def _from_chunk(path: Path) -> int:
    for chunk in ElementTree.parse(path).getroot().iter("chunk"):
        _, found, rest = base64.b64decode(chunk.text or "").partition(b"passage ")
        if found:
            return int(rest.split()[0])
    raise AssertionError("the session holds no passage")
