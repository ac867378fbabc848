"""`bandmate capture` and `play` on a real JACK server."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bandmate_bridge.commands.play import Player
from bandmate_bridge.sound.child import choose, explained
from bandmate_bridge.sound.level_meter import meter_line
from bandmate_bridge.sound.mixer import Mixer, stems_in
from bandmate_server.errors import AudioError

RATE = 48_000
PATIENCE = 60.0
daw = pytest.mark.daw


def write_stems(folder: Path, rate: int = RATE, seconds: float = 2.0) -> dict[str, Any]:
    """Write two stems of noise and return them (frames, 2)."""
    folder.mkdir()
    rng = np.random.default_rng(5)
    stems = {}
    for name in ("bass", "drums"):
        stems[name] = (0.1 * rng.standard_normal((round(seconds * rate), 2))).astype(np.float32)
        soundfile.write(folder / f"{name}.wav", stems[name], rate, "FLOAT")
    return stems


def paused(start: Any, *options: str) -> Any:
    """Start a player that waits for a key before it plays its first sample."""
    player = start("play", "stems", *options)
    player.stdin.write(" ")
    player.stdin.flush()
    return player


def recorded_from(player: Any, jack: Any, start: Any, wait: Any, folder: Path) -> Any:
    """Record what a paused player plays once it is let go; return the samples."""
    outs = wait("player's ports", lambda: jack.ports(":out_"))
    recorder = start("capture", "--out", "heard.wav", "--json")
    ins = wait("recorder's ports", lambda: jack.ports(":in_"))
    wait("recording", lambda: (folder / "heard.wav.part").exists())
    for number, (source, target) in enumerate(zip(outs, ins, strict=True), start=1):
        jack.disconnect(f"system:capture_{number}", target)
        jack.connect(source, target)
    player.stdin.write(" ")
    player.stdin.flush()
    assert player.wait(PATIENCE) == 0, player.stderr.read()
    recorder.send_signal(signal.SIGINT)
    out, errors = recorder.communicate(timeout=PATIENCE)
    assert recorder.returncode == 0, errors
    facts = json.loads(out)
    assert facts["lost"] == 0
    sound, rate = soundfile.read(folder / "heard.wav", dtype="float32")
    assert (len(sound), rate) == (facts["frames"], RATE)
    return sound


@daw
@pytest.mark.parametrize("solo", [None, "drums"])
def test_what_is_played_is_recorded_sample_for_sample(
    jack: Any, start: Any, wait: Any, tmp_path: Path, solo: str | None
) -> None:
    stems = write_stems(tmp_path / "stems")
    want = stems[solo] if solo else stems["bass"] + stems["drums"]
    options = ["--solo", solo] if solo else []
    heard = recorded_from(paused(start, *options), jack, start, wait, tmp_path)
    first = int(np.flatnonzero(heard.any(axis=1))[0])
    np.testing.assert_array_equal(heard[first : first + len(want)], want)


@daw
def test_stems_of_another_rate_are_resampled_for_the_device(
    jack: Any, start: Any, wait: Any, tmp_path: Path
) -> None:
    write_stems(tmp_path / "stems", rate=44_100, seconds=0.5)
    player = start("play", "stems", "--json")
    out, errors = player.communicate(timeout=PATIENCE)
    assert player.returncode == 0, errors
    assert "resampled" in errors
    assert json.loads(out)["frames"] == 22_050


@daw
def test_a_key_ends_it(jack: Any, start: Any, tmp_path: Path) -> None:
    write_stems(tmp_path / "stems", seconds=60)
    player = start("play", "stems")
    _, errors = player.communicate("x", timeout=PATIENCE)
    assert player.returncode == 0, errors


@daw
def test_capture_stops_after_the_seconds_asked_for(jack: Any, start: Any, tmp_path: Path) -> None:
    recorder = start("capture", "--out", "a.wav", "--seconds", "0.5", "--channels", "1")
    _, errors = recorder.communicate(timeout=PATIENCE)
    assert recorder.returncode == 0, errors
    assert soundfile.info(tmp_path / "a.wav").frames == RATE // 2
    again = start("capture", "--out", "a.wav")
    _, errors = again.communicate(timeout=PATIENCE)
    assert again.returncode == 1
    assert "--force" in errors


@daw
def test_devices_are_listed(jack: Any, start: Any) -> None:
    out, errors = start("capture", "--list").communicate(timeout=PATIENCE)
    assert "JACK" in out, errors


@daw
def test_a_wrong_name_and_rate_are_said(jack: Any, start: Any) -> None:
    _, errors = start("capture", "--out", "a.wav", "--rate", "44100").communicate(timeout=PATIENCE)
    assert "does not run at 44100 Hz" in errors
    _, errors = start("capture", "--out", "a.wav", "--device", "x!").communicate(timeout=PATIENCE)
    assert "--list" in errors


@daw
def test_our_ports_are_named_after_us(jack: Any, start: Any, wait: Any, tmp_path: Path) -> None:
    write_stems(tmp_path / "stems")
    player = paused(start)
    outs = wait("player's ports", lambda: jack.ports(":out_"))
    assert outs == ["bandmate:out_0", "bandmate:out_1"]
    player.stdin.write("x")
    player.stdin.flush()
    assert player.wait(PATIENCE) == 0
    recorder = start("capture", "--out", "a.wav")
    assert wait("recorder's ports", lambda: jack.ports(":in_"))[0] == "bandmate:in_0"
    recorder.send_signal(signal.SIGINT)
    recorder.communicate(timeout=PATIENCE)


@daw
def test_a_recording_shows_its_level_on_a_terminal_and_nowhere_else(
    jack: Any, start: Any, wait: Any, tmp_path: Path
) -> None:
    plain = start("capture", "--out", "plain.wav", "--seconds", "0.5")
    _, errors = plain.communicate(timeout=PATIENCE)
    assert plain.returncode == 0
    assert "dBFS" not in errors
    assert "silence" not in errors
    ours, theirs = os.openpty()
    recorder = subprocess.run(
        [
            sys.executable,
            "-m",
            "bandmate_bridge.cli",
            "capture",
            "--out",
            "a.wav",
            "--seconds",
            "1",
        ],
        cwd=tmp_path,
        env=jack.variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        timeout=PATIENCE,
        check=False,
    )
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert recorder.returncode == 0, shown
    assert shown.count("silence") >= 3
    assert shown.endswith("\033[K")


def test_the_meter_says_level_clipping_and_time_always_as_wide() -> None:
    lines = [
        meter_line(-math.inf, 0.0, clipped=False),
        meter_line(-60.0, 5.9, clipped=False),
        meter_line(-30.0, 61.0, clipped=False),
        meter_line(0.0, 599.0, clipped=True),
    ]
    assert len({len(line) for line in lines}) == 1
    assert [line.count("#") for line in lines] == [0, 0, 15, 30]
    assert "silence" in lines[0]
    assert "-30.0 dBFS" in lines[2]
    assert lines[2].endswith("1:01")
    assert "CLIPPED" in lines[3]


@daw
def test_a_server_that_dies_ends_the_recording_and_what_was_heard_is_kept(
    jack: Any, start: Any, wait: Any, tmp_path: Path
) -> None:
    recorder = start("capture", "--out", "a.wav")
    wait("recording", lambda: (tmp_path / "a.wav.part").is_file() and jack.ports(":in_"))
    wait("sound", lambda: (tmp_path / "a.wav.part").stat().st_size > 100_000)
    jack.kill()
    _, errors = recorder.communicate(timeout=PATIENCE)
    assert recorder.returncode == 1
    assert "gone silent" in errors
    assert soundfile.info(tmp_path / "a.wav").frames > 0
    assert not (tmp_path / "a.wav.part").exists()


@daw
def test_a_server_that_dies_ends_the_playing(
    jack: Any, start: Any, wait: Any, tmp_path: Path
) -> None:
    write_stems(tmp_path / "stems", seconds=120)
    player = start("play", "stems")
    ports = wait("ports", lambda: jack.ports(":out_"))
    wait("connections", lambda: all(map(jack.is_connected, ports)))
    time.sleep(0.5)  # a few of JACK's periods: by then the stream has begun
    jack.kill()
    _, errors = player.communicate(timeout=PATIENCE)
    assert player.returncode == 1
    assert "gone" in errors


@daw
@pytest.mark.usefixtures("portaudio")
def test_no_device_is_a_sentence_with_a_way_out(start: Any, tmp_path: Path) -> None:
    listing, _ = start("capture", "--list", "--json").communicate(timeout=PATIENCE)
    if json.loads(listing)["devices"]:
        pytest.skip("this machine has sound devices")
    write_stems(tmp_path / "stems", seconds=0.1)
    for command, what in ((("capture", "--out", "a.wav"), "record"), (("play", "stems"), "play")):
        process = start(*command)
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 1
        assert "device -1" not in errors
        assert f"no sound device to {what}" in errors
        assert "JACK" in errors


@pytest.mark.parametrize(
    ("fault", "way_out"),
    [("raise ImportError", "bandmate[audio]"), ("raise OSError('no lib')", "libportaudio2")],
)
def test_a_missing_library_is_a_sentence_with_a_way_out(
    start: Any, tmp_path: Path, fault: str, way_out: str
) -> None:
    (tmp_path / "sounddevice.py").write_text(fault)
    path = ":".join([str(tmp_path), *(entry for entry in sys.path if entry)])
    process: subprocess.Popen[str] = start("capture", "--out", "a.wav", PYTHONPATH=path)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert len(errors.splitlines()) == 1
    assert way_out in errors


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Error querying device -1", "Start a JACK server"),
        ("Error opening Stream: Invalid sample rate [PaErrorCode -9997]", "leave out --rate"),
        ("Error opening Stream: Invalid number of channels [PaErrorCode -9998]", "--channels 1"),
        ("No input device matching 'x'", "--list"),
        ("Unanticipated host error", "Unanticipated host error"),
    ],
)
def test_what_portaudio_says_becomes_a_sentence(text: str, words: str) -> None:
    assert words in explained(text, "record", 44_100, 2)


def test_jack_is_taken_where_there_is_no_default() -> None:
    devices = [
        {"number": 0, "name": "null", "api": "ALSA", "inputs": 2, "outputs": 2},
        {"number": 1, "name": "system", "api": "JACK Audio", "inputs": 2, "outputs": 0},
    ]
    assert choose(devices, -1, "inputs") == 1
    assert choose(devices, -1, "outputs") == 0
    assert choose(devices, 3, "inputs") == 3
    assert choose([], -1, "inputs") == -1


def test_solo_and_mute_choose_what_is_mixed(tmp_path: Path) -> None:
    stems = write_stems(tmp_path / "stems", seconds=0.1)
    with Mixer(stems_in(tmp_path / "stems")) as mixer:
        player = Player(mixer)

        def heard(keys: str) -> Any:
            for key in keys:
                assert player.press(key)
            mixer.seek(0)
            return mixer.read(mixer.frames)

        both = stems["bass"] + stems["drums"]
        np.testing.assert_array_equal(heard(""), both)
        np.testing.assert_array_equal(heard("1"), stems["bass"])
        np.testing.assert_array_equal(heard("1w"), stems["bass"])
        np.testing.assert_array_equal(heard("0"), both)
        assert not heard("qw").any()
        assert not player.press("z")
        assert "[" not in player.line()


def test_jumps_stay_within_the_song(tmp_path: Path) -> None:
    write_stems(tmp_path / "stems", seconds=7)
    with Mixer(stems_in(tmp_path / "stems")) as mixer:
        player = Player(mixer)
        for keys, seconds in ((".", 5), (".", 7), (",", 2), (",", 0)):
            player.press(keys)
            assert mixer.position == seconds * RATE


def test_a_folder_without_stems_names_the_takes_in_it(tmp_path: Path) -> None:
    (tmp_path / "take-1").mkdir()
    with pytest.raises(AudioError, match="take-1"):
        stems_in(tmp_path)
