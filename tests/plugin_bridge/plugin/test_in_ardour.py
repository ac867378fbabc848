"""The plug-in in the real Ardour, without its windows: play, bounce, save, open again."""

from __future__ import annotations

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
NAMES = {"LV2": "urn:bandmate:stems", "VST3": "bandmate Stems"}


class Ardour:
    """Sessions in a user's folder, with our plug-ins where Ardour looks for them."""

    def __init__(self, place: Any, plugins: Path, kind: str) -> None:
        self.session = place.folder / "session"
        self.environment = {
            **place.environment,
            "FOLDER": str(self.session),
            "KIND": kind,
            "NAME": NAMES[kind],
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

    def create(self, sound: Any) -> None:
        """Make a session with a sound on its track."""
        self.run("create.lua")
        soundfile.write(self.audio / "track.wav", sound, 48_000, "FLOAT")
        path = self.session / "song.ardour"
        tree = ElementTree.parse(path)
        root = tree.getroot()
        sources = root.find("Sources")
        playlist = root.find("Playlists/Playlist")
        assert sources is not None
        assert playlist is not None
        for channel in range(2):
            about = {"name": "track.wav", "type": "audio", "flags": "", "origin": ""}
            about |= {"id": f"90000{channel}", "channel": str(channel)}
            ElementTree.SubElement(sources, "Source", about)
        length = f"a{len(sound) * SUPERCLOCK}@a{AT * SUPERCLOCK}"
        about = {"name": "track", "id": "900010", "type": "audio", "channels": "2"}
        about |= {"start": "a0", "length": length, "sync-position": "a0", "muted": "0"}
        about |= {"opaque": "1", "scale-amplitude": "1", "stretch": "1", "shift": "1"}
        about |= {"fade-in-active": "0", "fade-out-active": "0"}
        about |= {f"{kind}source-{n}": f"90000{n}" for n in range(2) for kind in ("", "master-")}
        ElementTree.SubElement(playlist, "Region", about)
        tree.write(path)

    @property
    def audio(self) -> Path:
        folder: Path = self.session / "interchange" / "session" / "audiofiles"
        return folder

    def bounced(self, name: str) -> Any:
        """Return what was bounced (frames, channels)."""
        sides = [self.audio / f"{name}%{side}.wav" for side in "LR"]
        return np.stack([soundfile.read(side, dtype="float32")[0] for side in sides], axis=1)


@pytest.mark.parametrize("kind", ["VST3", "LV2"])
def test_stems_sound_in_place_and_stay_with_the_session(
    plugins: Path, place: Any, server: Any, noise: Any, kind: str
) -> None:
    if shutil.which("ardour7-lua") is None or not SCANNER.exists():
        pytest.skip("not installed: ardour 7 (apt-get install ardour)")
    ardour, sound = Ardour(place, plugins, kind), noise(LENGTH)
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


def captured_from(ardour: Ardour) -> int:
    """Return where the passage begins that the session has saved."""
    files = [ardour.session / "song.ardour", *ardour.session.glob("plugins/**/*.ttl")]
    for path in files:
        _, found, rest = path.read_bytes().partition(b"passage ")
        if found:
            return int(rest.split()[0])
    return _from_chunk(ardour.session / "song.ardour")


def _from_chunk(path: Path) -> int:
    import base64

    for chunk in ElementTree.parse(path).getroot().iter("chunk"):
        _, found, rest = base64.b64decode(chunk.text or "").partition(b"passage ")
        if found:
            return int(rest.split()[0])
    raise AssertionError("the session holds no passage")
