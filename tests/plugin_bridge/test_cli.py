"""What `bandmate` prints and returns when all is well, and how it takes its options."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

NAMES = ["bass", "drums", "guitar", "piano", "other"]


def null_error(song: Path, folder: Path, start: int = 0, frames: int = -1) -> float:
    mix, _ = soundfile.read(song, start=start, frames=frames, dtype="float32", always_2d=True)
    stems = [
        soundfile.read(folder / f"{name}.wav", dtype="float64", always_2d=True)[0]
        for name in NAMES
        if (folder / f"{name}.wav").exists()
    ]
    assert all(stem.shape == mix.shape for stem in stems)
    return float(np.abs(sum(stems) - mix).max())


def test_stems_land_beside_a_manifest_and_sum_to_the_song(
    separate: Callable[..., Any], song: Path, tmp_path: Path
) -> None:
    ran = separate(song)
    assert ran.status == 0, ran.errors
    folder = tmp_path / "stems" / "song"
    files = sorted([*(f"{name}.wav" for name in NAMES), "manifest.json"])
    assert sorted(path.name for path in folder.iterdir()) == files
    assert sorted(path.name for path in (tmp_path / "stems").iterdir()) == ["song"]
    assert null_error(song, folder) <= 1e-6
    assert "song.wav" in ran.out
    assert len(ran.out.splitlines()) == 1
    assert ran.errors == []


def test_a_region_has_its_frames_and_sums_to_it(
    separate: Callable[..., Any], song: Path, tmp_path: Path
) -> None:
    assert separate(song, "--start", "0:00.25", "--end", "1.0001").status == 0
    start, stop = round(0.25 * 44_100), round(1.0001 * 44_100)
    assert null_error(song, tmp_path / "stems" / "song", start, stop - start) <= 1e-6


def test_stems_asked_for_come_with_the_rest_in_other(
    separate: Callable[..., Any], song: Path, tmp_path: Path
) -> None:
    assert separate(song, "--stems", "drums, bass").status == 0
    folder = tmp_path / "stems" / "song"
    assert {path.stem for path in folder.glob("*.wav")} == {"bass", "drums", "other"}
    assert null_error(song, folder) <= 1e-6


def test_json_is_one_object_with_files_and_manifest(
    separate: Callable[..., Any], song: Path, tmp_path: Path
) -> None:
    ran = separate(song, "--json")
    assert len(ran.out.splitlines()) == 1
    report = ran.json
    assert report["ok"] is True
    assert report["failed"] == []
    (result,) = report["results"]
    assert list(result["stems"]) == NAMES
    assert (tmp_path / result["stems"]["bass"]).is_file()
    manifest = json.loads((tmp_path / result["folder"] / "manifest.json").read_text("utf-8"))
    assert result["manifest"] == manifest
    assert manifest["task"] == "separate"
    assert manifest["model"]["name"] == "fake"


def test_quiet_says_nothing(separate: Callable[..., Any], song: Path) -> None:
    ran = separate(song, "--quiet")
    assert (ran.status, ran.out, ran.errors) == (0, "", [])


def test_flac_of_24_bits_when_asked(
    separate: Callable[..., Any], song: Path, tmp_path: Path
) -> None:
    assert separate(song, "--format", "flac").status == 0
    info = soundfile.info(tmp_path / "stems" / "song" / "piano.flac")
    assert (info.subtype, info.frames, info.samplerate) == ("PCM_24", 66_150, 44_100)


def test_takes_land_in_folders_of_their_own_with_seeds_of_their_own(
    separate: Callable[..., Any], song: Path, tmp_path: Path
) -> None:
    ran = separate(song, "--takes", "2", "--seed", "7", "--steps", "1", "--json")
    assert ran.status == 0, ran.errors
    assert [result["take"] for result in ran.json["results"]] == [1, 2]
    for take in (1, 2):
        manifest = tmp_path / "stems" / f"take-{take}" / "song" / "manifest.json"
        assert json.loads(manifest.read_text("utf-8"))["settings"]["seed"] == 6 + take


def test_takes_that_would_be_the_same_are_warned_of(
    separate: Callable[..., Any], song: Path
) -> None:
    ran = separate(song, "--takes", "2", "--quiet")
    assert ran.status == 0
    assert len(ran.errors) == 1
    assert "--steps" in ran.errors[0]


@pytest.mark.parametrize(
    "name",
    [
        "two words.wav",
        'it\'s "quoted" & `so`.wav',
        "песня 歌 ñ.wav",
        "line\nbreak.wav",
        "-dash.wav",
        "%s {x}.wav",
    ],
)
def test_names_of_all_kinds(
    separate: Callable[..., Any], song: Path, tmp_path: Path, name: str
) -> None:
    song.rename(tmp_path / name)
    ran = separate(tmp_path / name, "--json", out='out of, "this"\'é')
    assert ran.status == 0, ran.errors
    assert ran.json["results"][0]["input"] == str(tmp_path / name)
    folder = tmp_path / 'out of, "this"\'é' / name.removesuffix(".wav")
    assert null_error(tmp_path / name, folder) <= 1e-6


def test_one_input_that_fails_stops_no_other(
    separate: Callable[..., Any], song: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.wav").write_text("no audio")
    ran = separate(tmp_path / "bad.wav", song, tmp_path / "gone.wav", "--json")
    assert ran.status == 1
    assert [result["input"] for result in ran.json["results"]] == [str(song)]
    assert len(ran.errors) == 2
    assert "bad.wav" in ran.errors[0]
    assert "gone.wav" in ran.errors[1]
    assert sorted(path.name for path in (tmp_path / "stems").iterdir()) == ["song"]


def test_inputs_of_one_name_are_refused_before_anything_is_done(
    separate: Callable[..., Any], song: Path, tmp_path: Path
) -> None:
    ran = separate(song, tmp_path / "elsewhere" / "Song.flac")
    ran.failed_with(2, "song.wav", "Song.flac")
    assert not (tmp_path / "stems").exists()


def test_progress_shows_the_time_left_on_a_terminal(
    start_long: Callable[..., subprocess.Popen[str]],
) -> None:
    ours, theirs = pty.openpty()
    job = start_long(stderr=theirs, stdout=subprocess.DEVNULL)
    os.close(theirs)
    shown = b""
    try:
        while b"left" not in shown:
            shown += os.read(ours, 4096)
    except OSError:
        pass  # The command ended, and with it the terminal.
    finally:
        job.send_signal(signal.SIGTERM)
        job.wait(60)
        os.close(ours)
    assert b"long.wav" in shown
    assert b"left" in shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_behind(
    start_long: Callable[..., subprocess.Popen[str]], tmp_path: Path, number: signal.Signals
) -> None:
    job = start_long("--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("stems/**/.*/bass.wav")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert job.poll() is None, "finished before it could be stopped"
    job.send_signal(number)
    out, errors = job.communicate(timeout=60)
    assert job.returncode == 130
    assert errors.splitlines() == ["bandmate: cancelled"]
    assert json.loads(out)["cancelled"] is True
    assert not (tmp_path / "stems").exists()


def test_cancelling_keeps_the_result_that_was_there(
    start_long: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    old = tmp_path / "stems" / "long"
    old.mkdir(parents=True)
    (old / "bass.wav").write_text("old")
    job = start_long("--force", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not list(tmp_path.glob("stems/**/.*/bass.wav")) and job.poll() is None:
        time.sleep(0.02)
    job.send_signal(signal.SIGINT)
    job.communicate(timeout=60)
    assert job.returncode == 130
    assert [path.name for path in (tmp_path / "stems").iterdir()] == ["long"]
    assert (old / "bass.wav").read_text() == "old"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["--help"], ["separate", "doctor", "models"]),
        (["separate", "--help"], ["examples:", "--start", "--json"]),
        (["doctor", "--help"], ["examples:", "--device"]),
        (["models", "--help"], ["examples:", "verify"]),
        (["models", "add", "--help"], ["--force"]),
        (["--version"], ["bandmate"]),
    ],
)
def test_help_explains(bandmate: Callable[..., Any], command: list[str], words: list[str]) -> None:
    ran = bandmate(*command)
    assert ran.status == 0
    for word in words:
        assert word in ran.out


def test_doctor_tells_what_is_used_and_why_anything_is_not(bandmate: Callable[..., Any]) -> None:
    ran = bandmate("doctor", "--model", "fake", "--device", "cpu", "--threads", "1", "--json")
    assert ran.status == 0, ran.errors
    report = ran.json
    assert report["used"]["model"] == "fake"
    assert report["used"]["provider"] == "CPUExecutionProvider"
    assert report["speed"]["realtime_factor"] > 0
    assert 0 < report["speed"]["onnxruntime_share"] <= 1
    assert report["devices"]["reasons"]["CUDAExecutionProvider"]
    assert {model["name"]: model["ok"] for model in report["models"]}["fake"]


def test_doctor_in_words(bandmate: Callable[..., Any]) -> None:
    ran = bandmate("doctor", "--model", "fake", "--device", "cpu", "--threads", "1")
    assert ran.status == 0, ran.errors
    words = ("devices", "cpu: used", "cuda: ", "coreml: ", "directml: ", "models", "used: fake")
    for word in (*words, "  separate: mini", "recommended for memory", "RTF"):
        assert word in ran.out


def test_doctor_fails_when_the_model_asked_for_does_not_work(bandmate: Callable[..., Any]) -> None:
    ran = bandmate("doctor", "--model", "nosuch", "--json")
    assert ran.status == 1
    assert ran.json["ok"] is False
    assert len(ran.errors) == 1
    assert "nosuch" in ran.errors[0]


def test_wanting_cuda_where_there_is_none_warns_and_goes_on(
    bandmate: Callable[..., Any], song: Path
) -> None:
    options = ["--model", "fake", "--device", "cuda", "--threads", "1", "--json"]
    ran = bandmate("separate", song, "--out", "stems", *options)
    if ran.json["model"]["provider"] == "CUDAExecutionProvider":
        pytest.skip("this machine has CUDA")
    assert ran.status == 0
    assert len(ran.errors) == 1
    assert ran.errors[0].startswith("bandmate: warning: cuda was asked for but ")


def test_models_list_names_what_is_there(bandmate: Callable[..., Any]) -> None:
    ran = bandmate("models", "list")
    assert ran.status == 0
    assert any(line.startswith("fake ") for line in ran.out.splitlines())
    assert "fake" in [
        model["name"] for model in bandmate("models", "list", "--json").json["models"]
    ]


def test_models_verify_opens_every_graph(bandmate: Callable[..., Any]) -> None:
    ran = bandmate("models", "verify", "fake")
    assert ran.status == 0, ran.errors
    assert "graphs agree" in ran.out


def test_models_add_copies_once_and_again_with_force(
    bandmate: Callable[..., Any], fake_bundle: Path, environment: dict[str, str]
) -> None:
    first = bandmate("models", "add", fake_bundle)
    assert first.status == 0, first.errors
    copies = list(Path(environment["HOME"]).rglob("bundle.json"))
    assert len(copies) == 1
    bandmate("models", "add", fake_bundle).failed_with(1, "fake", "--force")
    assert bandmate("models", "add", fake_bundle, "--force").status == 0


def test_a_reader_that_goes_away_is_no_traceback(environment: dict[str, str]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "bandmate_bridge.cli", "models", "list"],
        env=environment,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert done.returncode == 1
    assert done.stderr == ""
