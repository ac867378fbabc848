"""The real `bandmate batch` and `bandmate chains`: reports, kills, resumes, bad plug-ins."""

import json
import os
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

from bandmate_bridge.batch import lock

RATE = 8_000
MODEL = ("--model", "fake", "--device", "cpu", "--threads", "1")


def write_songs(folder: Path, count: int, frames: int = RATE) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        noise = np.random.default_rng(number).standard_normal((frames, 1))
        soundfile.write(folder / f"{number:02}.wav", 0.1 * noise, RATE, "FLOAT")


def batch(*arguments: str | Path, out: str | Path = "out") -> list[str]:
    return ["batch", *map(str, arguments), "--out", str(out), *MODEL]


def test_a_batch_reports_each_song_and_one_that_fails_stops_no_other(
    bandmate: Callable[..., Any], tmp_path: Path
) -> None:
    write_songs(tmp_path / "songs", 3)
    (tmp_path / "songs" / "01.wav").write_text("no audio")
    ran = bandmate(*batch("songs", "missing.wav", "--jobs", "2"))
    assert ran.status == 1
    assert len(ran.errors) == 2
    assert any("01.wav" in line for line in ran.errors)
    assert any("missing.wav does not exist" in line for line in ran.errors)
    rows = [line.split() for line in ran.out.splitlines()]
    assert rows[0] == ["state", "songs", "audio"]
    assert rows[1] == ["done", "2", "0:00:02"]
    assert rows[2][:2] == ["failed", "2"]
    assert "2 workers" in ran.out
    report = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert report["counts"] == {"done": 2, "skipped": 0, "failed": 2, "cancelled": 0}
    states = {Path(file["input"]).name: file["state"] for file in report["files"]}
    assert states["01.wav"] == "failed"
    assert states["02.wav"] == "done"
    (tmp_path / "songs" / "01.wav").unlink()
    again = bandmate(*batch("songs", "--resume", "--json"))
    assert again.status == 0
    assert again.json["counts"]["skipped"] == 2


def test_takes_have_folders_and_seeds_of_their_own(
    bandmate: Callable[..., Any], tmp_path: Path
) -> None:
    write_songs(tmp_path / "songs", 1)
    ran = bandmate(*batch("songs", "--takes", "2", "--seed", "5", "--steps", "1", "--quiet"))
    assert (ran.status, ran.out, ran.errors) == (0, "", [])
    for take in (1, 2):
        manifest = tmp_path / "out" / f"take-{take}" / "00" / "manifest.json"
        assert json.loads(manifest.read_text("utf-8"))["settings"]["seed"] == 4 + take


def test_stems_are_added_and_mixed_with_the_song(
    bandmate: Callable[..., Any], tmp_path: Path
) -> None:
    write_songs(tmp_path / "songs", 1, frames=2 * RATE)
    add = ["--task", "add", "--stems", "piano", "--mixdown", "--start", "0.5", "--steps", "1"]
    ran = bandmate(*batch("songs", *add, "--quiet"))
    assert ran.status == 0, ran.errors
    folder = tmp_path / "out" / "00"
    piano, _ = soundfile.read(folder / "piano.wav", dtype="float64")
    mix, _ = soundfile.read(folder / "mix.wav", dtype="float64")
    song, _ = soundfile.read(tmp_path / "songs" / "00.wav", start=RATE // 2, dtype="float64")
    np.testing.assert_allclose(mix, song + piano, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["empty"], ["no audio files", "empty"]),
        (["songs", "--template", "{stem}.wav"], ["{name}"]),
        (["songs", "--stems", "bass", "--minus", "piano"], ["piano", "bass"]),
        (["songs", "--task", "add"], ["--stems"]),
        (["songs", "--start", "-1"], ["-1"]),
    ],
)
def test_wrong_usage_is_one_line(
    bandmate_here: Callable[..., Any], tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    write_songs(tmp_path / "songs", 1)
    (tmp_path / "empty").mkdir()
    bandmate_here(*batch(*arguments)).failed_with(2, *words)
    assert not (tmp_path / "out").exists()


def test_a_wrong_chains_file_stops_the_batch_before_it_starts(
    bandmate: Callable[..., Any], tmp_path: Path
) -> None:
    write_songs(tmp_path / "songs", 1)
    (tmp_path / "my.toml").write_text('[[bass]]\neffect = "Revreb"')
    bandmate(*batch("songs", "--chains", "my.toml")).failed_with(1, "bass, step 1", "'Reverb'")
    bandmate("chains", "check", "my.toml").failed_with(1, "bass, step 1", "'Reverb'")


def test_two_batches_do_not_share_a_folder(
    bandmate_here: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0.3)
    write_songs(tmp_path / "songs", 1)
    with lock.folder_lock(tmp_path / "out"):
        bandmate_here(*batch("songs")).failed_with(1, "another batch", "out")


def test_an_instrument_is_called_one_at_once(
    bandmate: Callable[..., Any], vst3: Callable[[str], Path], tmp_path: Path
) -> None:
    plugin = vst3("Synth")
    words = "plug-in Synth.vst3: it is an instrument: a chain takes effects"
    began = time.monotonic()
    bandmate("chains", "show", plugin, "--timeout", "20").failed_with(1, words)
    (tmp_path / "chains.toml").write_text(f'[[drums]]\nplugin = "{plugin}"')
    bandmate("chains", "check", "chains.toml").failed_with(1, words)
    assert time.monotonic() - began < 20


def test_chains_init_check_and_show(
    bandmate: Callable[..., Any], vst3: Callable[[str], Path]
) -> None:
    assert bandmate("chains", "init").out == "wrote chains.toml\n"
    bandmate("chains", "init").failed_with(1, "chains.toml", "--force")
    assert "guitar: Distortion -> Reverb" in bandmate("chains", "check", "chains.toml").out
    assert bandmate("chains", "show", "--json").json["effects"]["Reverb"]
    assert "room_size: 0 to 1 (default 0.5)" in bandmate("chains", "show", "Reverb").out
    bandmate("chains", "show", "Revreb").failed_with(1, "'Reverb'")
    shown = bandmate("chains", "show", vst3("Bench"), "--json").json
    assert shown["latency_samples"] == 64
    ranges = {parameter["name"]: parameter["range"] for parameter in shown["parameters"]}
    assert ranges["gain_db"] == "-60 to 20 dB"


@pytest.mark.slow
def test_ill_behaved_plugins_fail_their_songs_only(
    bandmate: Callable[..., Any], vst3: Callable[[str], Path], tmp_path: Path
) -> None:
    # Each plug-in goes wrong after so much sound: the two long songs reach it, the others do not.
    write_songs(tmp_path / "songs", 2)
    write_songs(tmp_path / "more", 4, frames=10 * RATE)
    for number in (2, 3):
        (tmp_path / "more" / f"{number:02}.wav").rename(tmp_path / "songs" / f"{number:02}.wav")
    for name, word in (
        ("Crashes", "crashed while processing"),
        ("Hangs", "no answer within 20 s"),
        ("EmitsNaN", "not finite"),
    ):
        text = f'timeout_seconds = 20\n[[drums]]\nplugin = "{vst3(name)}"'
        (tmp_path / "my.toml").write_text(text)
        ran = bandmate(*batch("songs", "--chains", "my.toml", "--jobs", "2", out=name))
        assert ran.status == 1
        assert len(ran.errors) == 2, ran.errors
        for line in ran.errors:
            assert f"plug-in {name}.vst3" in line
            assert word in line
        done = sorted(path.parent.name for path in (tmp_path / name).rglob("manifest.json"))
        assert done == ["00", "01"]


def start(environment: dict[str, str], folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bandmate_bridge.cli", *arguments],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def manifests(out: Path) -> dict[Path, tuple[int, int]]:
    """Return the complete songs' manifests, each with its inode and time of writing."""
    found = {}
    for path in out.glob("[!.]*/manifest.json"):
        state = path.stat()
        found[path] = (state.st_ino, state.st_mtime_ns)
    return found


def wait_for(what: Callable[[], bool], job: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 900
    while not what():
        assert job.poll() is None, "finished before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
def test_a_batch_killed_three_times_and_resumed_gives_the_same_bytes_and_does_nothing_twice(
    environment: dict[str, str], tmp_path: Path
) -> None:
    write_songs(tmp_path / "songs", 40, frames=5_000)
    (tmp_path / "my.toml").write_text('[[drums]]\neffect = "Reverb"')
    options = ["--chains", "my.toml", "--jobs", "2", "--resume"]
    whole = start(environment, tmp_path, *batch("songs", *options, out="whole"))
    whole.communicate(timeout=900)
    assert whole.returncode == 0
    rng = np.random.default_rng(int.from_bytes(os.urandom(4)))
    out = tmp_path / "out"
    seen: dict[Path, tuple[int, int]] = {}
    for _ in range(3):
        job = start(environment, tmp_path, *batch("songs", *options))
        more = len(seen) + int(rng.integers(1, 9))
        wait_for(lambda more=more: len(manifests(out)) >= more, job)  # type: ignore[misc]
        time.sleep(float(rng.uniform(0.0, 0.1)))
        job.kill()
        job.communicate()
        with lock.folder_lock(out):  # Workers end with their parent.
            now = manifests(out)
        assert {path: now[path] for path in seen} == seen
        seen = now
    assert len(seen) < 40, "nothing was left to do"
    last = start(environment, tmp_path, *batch("songs", *options, "--json"))
    report = json.loads(last.communicate(timeout=900)[0])
    assert report["counts"] == {"done": 40 - len(seen), "skipped": len(seen), "failed": 0,
                                "cancelled": 0}  # fmt: skip
    now = manifests(out)
    assert {path: now[path] for path in seen} == seen
    expected = {
        path.relative_to(tmp_path / "whole"): path.read_bytes()
        for path in (tmp_path / "whole").rglob("*.wav")
    }
    found = {path.relative_to(out): path.read_bytes() for path in out.rglob("*.wav")}
    assert len(expected) == 40 * 7
    assert found == expected
    assert not list(out.glob("*.partial"))


@pytest.mark.slow
def test_ctrl_c_ends_a_batch_with_a_report_and_nothing_half_written(
    environment: dict[str, str], tmp_path: Path
) -> None:
    write_songs(tmp_path / "songs", 40, frames=60 * RATE)
    job = start(environment, tmp_path, *batch("songs", "--jobs", "2"))
    out = tmp_path / "out"
    wait_for(lambda: len(manifests(out)) >= 1, job)
    job.send_signal(signal.SIGINT)
    _, errors = job.communicate(timeout=120)
    assert job.returncode == 130
    assert errors.splitlines() == ["bandmate: cancelled"]
    assert not list(out.glob("*.partial"))
    counts = json.loads((out / "report.json").read_text("utf-8"))["counts"]
    assert counts["done"] == len(manifests(out))
    assert counts["cancelled"] == 40 - counts["done"]


@pytest.mark.slow
def test_a_worker_that_dies_fails_its_song_and_is_replaced(
    environment: dict[str, str], tmp_path: Path
) -> None:
    write_songs(tmp_path / "songs", 2)
    write_songs(tmp_path / "long", 1, frames=60 * 60 * RATE)
    (tmp_path / "long" / "00.wav").rename(tmp_path / "songs" / "-long.wav")
    job = start(environment, tmp_path, *batch("songs", "--jobs", "1", "--json"))
    wait_for(lambda: bool(list((tmp_path / "out").glob(".*.partial/.*/bass.wav"))), job)
    children = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
    (worker,) = [
        int(pid)
        for pid in children
        if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    os.kill(worker, signal.SIGKILL)
    out, errors = job.communicate(timeout=300)
    assert json.loads(out)["counts"] == {"done": 2, "skipped": 0, "failed": 1, "cancelled": 0}
    assert "-long.wav" in errors
    assert "SIGKILL" in errors
