"""What is selected in the real Audacity comes back as tracks, in place and to the sample."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bandmate_bridge.daw.audacity import install, setting, uninstall, with_setting
from bandmate_bridge.daw.audacity_pipe import AudacityPipe
from bandmate_bridge.daw.daw import Setup
from bandmate_server.errors import DawError

RATE = 48_000
STEMS = ("bass", "drums", "guitar", "piano", "other")

pytestmark = [pytest.mark.daw, pytest.mark.slow]


def test_a_selection_comes_back_as_stems_in_place_that_null_with_it(audacity: Any) -> None:
    song = audacity.load("song", 10)
    first, last = round(1.2345678 * RATE), round(3.3333333 * RATE)
    audacity.select([0], 1.2345678, 3.3333333)
    made = audacity.do("separate")
    assert made["ok"], made
    tracks = audacity.tracks()
    assert [track["name"] for track in tracks] == ["song", *(f"song - {stem}" for stem in STEMS)]
    assert [track["mute"] for track in tracks] == [1, 0, 0, 0, 0, 0]
    assert [track["selected"] for track in tracks] == [1, 0, 0, 0, 0, 0]
    assert {track["channels"] for track in tracks} == {2}
    mixed = audacity.mixed([1, 2, 3, 4, 5], (first - 1_000) / RATE, (last + 1_000) / RATE, 2)
    assert len(mixed) == 1_000 + last - first, "an export ends where the tracks do"
    assert np.abs(mixed[1_000:] - song[first:last]).max() < 1e-6
    assert not mixed[:1_000].any()
    alone = [audacity.mixed([index], first / RATE, last / RATE, 2) for index in (1, 2)]
    assert all(stem.any() for stem in alone)
    assert not np.array_equal(*alone)


def test_a_selection_past_the_end_is_what_is_there(audacity: Any) -> None:
    song = audacity.load("song", 2)
    audacity.select([0], 1.5, 9.0)
    assert audacity.do("separate")["ok"]
    mixed = audacity.mixed([1, 2, 3, 4, 5], 1.5, 9.0, 2)
    assert np.abs(mixed - song[round(1.5 * RATE) :]).max() < 1e-6
    audacity.select([0], 5.0, 9.0)
    with AudacityPipe() as pipe:
        pipe.ask("SetTrack", Mute=0)
    assert "holds no audio" in audacity.do("separate")["error"]


def test_undo_takes_the_stems_back_and_unmutes_the_source(audacity: Any) -> None:
    audacity.load("song", 4)
    audacity.select([0], 1.0, 2.0)
    assert audacity.do("separate")["ok"]
    with AudacityPipe() as pipe:
        for _ in STEMS:
            pipe.ask("Undo")
        (track,) = pipe.facts("Tracks")
        assert (track["name"], track["mute"]) == ("song", 0)
        for _ in STEMS:
            pipe.ask("Redo")
        again = pipe.facts("Tracks")
    assert [track["name"] for track in again[1:]] == [f"song - {stem}" for stem in STEMS]
    assert {track["start"] for track in again[1:]} == {1}
    assert again[0]["mute"] == 1


def test_a_whole_mono_track_under_a_label_track_is_separated_as_it_sounds(audacity: Any) -> None:
    with AudacityPipe() as pipe:
        pipe.ask("NewLabelTrack")
    sound = audacity.load("voice", 3, 44_100, 1)
    audacity.select([1], 0, 0)
    with AudacityPipe() as pipe:
        pipe.ask("SetTrack", Gain=-6.0206)
        pipe.ask("SelTrackStartToEnd")
        heard = audacity_gain = pipe.facts("Tracks")[1]["gain"]
        pipe.ask("SelectTime", Start=0, End=0)
    assert 0.4 < audacity_gain < 0.6
    made = audacity.do("separate", "--stems", "drums")
    assert made["tracks"] == ["voice - drums", "voice - other"], made
    assert [track["channels"] for track in audacity.tracks()[1:]] == [1, 1, 1]
    mixed = audacity.mixed([2, 3], 0, 3, 1)
    rate = soundfile.info(audacity.folder / "mixed.wav").samplerate
    assert rate == made["rate"]
    if rate == 44_100:  # Else Audacity has resampled it.
        assert np.abs(mixed - sound * heard).max() < 1e-5


def test_a_part_is_added_to_the_tracks_whose_names_say_what_they_are(audacity: Any) -> None:
    audacity.load("bass", 4)
    audacity.load("Drums 1", 4)
    audacity.select([0, 1], 0.5, 2.5)
    made = audacity.do("add", "guitar", "--drafts", "1", "--takes", "2")
    names = ["Mix - guitar (take 1)", "Mix - guitar (take 2)"]
    assert made["tracks"] == names, made
    tracks = audacity.tracks()
    assert [track["name"] for track in tracks] == ["bass", "Drums 1", *names]
    assert [track["mute"] for track in tracks] == [0] * 4
    assert [(track["start"], track["end"]) for track in tracks[2:]] == [(0.5, 2.5)] * 2


def test_what_cannot_be_done_is_said_and_changes_nothing(audacity: Any) -> None:
    audacity.load("one", 2)
    audacity.load("two", 2)
    before = [track["name"] for track in audacity.tracks()]
    with AudacityPipe() as pipe:
        pipe.ask("SelectNone")
    assert "nothing is selected" in audacity.do("separate")["error"]
    audacity.select([0, 1], 0, 1)
    assert "2 tracks are selected (one, two)" in audacity.do("separate")["error"]
    audacity.select([1], 0, 1)
    assert "in Audacity, instead of --start" in audacity.do("separate", "--start", "1")["error"]
    assert "unknown stem" in audacity.do("separate", "--stems", "tuba")["error"]
    with AudacityPipe() as pipe:
        pipe.ask("SetTrack", Mute=1)
    assert "two is silent: unmute it" in audacity.do("separate")["error"]
    assert [track["name"] for track in audacity.tracks()] == before


def test_ctrl_c_leaves_audacity_as_it_was(audacity: Any) -> None:
    path = audacity.folder / "long.wav"
    noise = np.random.default_rng(0).integers(-9_000, 9_000, 8_000 * 60, np.int16)
    with soundfile.SoundFile(path, "w", 8_000, 1, "PCM_16") as file:
        for _ in range(40):
            file.write(noise)
    with AudacityPipe() as pipe:
        pipe.ask("Import2", 60.0, Filename=str(path))
    command = [sys.executable, "-m", "bandmate_bridge.cli", "daw", "run", "audacity", "separate"]
    program = subprocess.Popen(
        [*command, "--model", "fake", "--device", "cpu", "--threads", "1"],
        env=audacity.variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 120
    while not list(audacity.folder.glob("bandmate-*/stems/.*")):
        assert time.monotonic() < deadline
        assert program.poll() is None
        time.sleep(0.05)
    program.send_signal(signal.SIGINT)
    words = program.communicate(timeout=120)[1]
    assert program.returncode == 130, words
    assert [track["mute"] for track in audacity.tracks()] == [0]
    assert not list(audacity.folder.glob("bandmate-*"))


def test_a_newcomer_is_told_what_to_do(audacity: Any) -> None:
    assert "Audacity is not running: start it" in audacity.refusals["closed"]
    assert "bandmate daw install audacity" in audacity.refusals["off"]
    assert "Edit > Preferences > Modules" in audacity.refusals["off"]
    assert "Audacity is running" in audacity.refusals["install"]


def test_settings_are_changed_in_one_place_only() -> None:
    text = "A=1\n[Module]\nother=1\n[Version]\nMajor=3\n"
    new = with_setting(text, "Module", "mod-script-pipe", "1")
    assert new == "A=1\n[Module]\nother=1\nmod-script-pipe=1\n[Version]\nMajor=3\n"
    assert setting(new, "Module", "mod-script-pipe") == "1"
    assert with_setting(new, "Module", "mod-script-pipe", "0").replace("pipe=0", "pipe=1") == new
    assert with_setting("A=1\n", "Module", "x", "1") == "A=1\n[Module]\nx=1\n"


def test_the_module_is_switched_on_and_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bandmate_bridge.daw.audacity.audacity_runs", lambda: False)
    file = tmp_path / "audacity.cfg"
    file.write_text("[Module]\nmod-script-pipe=4\n[ModulePath]\nmod-script-pipe=/x.so\n")
    assert install(Setup(tmp_path)).files == [file]
    assert file.read_text() == "[Module]\nmod-script-pipe=1\n[ModulePath]\nmod-script-pipe=/x.so\n"
    assert install(Setup(tmp_path)).files == []
    assert uninstall(tmp_path).files == [file]
    assert "mod-script-pipe=0" in file.read_text()
    file.unlink()
    with pytest.raises(DawError, match="cannot change"):
        install(Setup(tmp_path))
