"""`bandmate add`, `fill`, `vary`, `generate` at the command line."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bandmate_bridge.arguments.parts import PART_COMMANDS, given_file
from bandmate_bridge.cli import main
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.spec import STEMS

FAKE = (
    "--model", "fake", "--device", "cpu", "--threads", "1",
    "--guidance", "1.5",  # fakes bear no more
    "--steps", "2",
)  # fmt: skip


@pytest.fixture
def session(tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three stems of two seconds, in which the commands run."""
    for name, hertz in {"bass": 80.0, "drums": 900.0, "piano": 500.0}.items():
        time_ = np.arange(32_000) / 16_000
        wave = 0.3 * np.sin(2 * np.pi * hertz * time_) * np.exp(-3.0 * (time_ % 0.5))
        soundfile.write(tmp_path / f"{name}.wav", wave, 16_000, "PCM_16")
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def sound(path: Path) -> FloatArray:
    audio, _ = soundfile.read(path, dtype="float32")
    assert isinstance(audio, np.ndarray)
    return audio


def test_add_writes_the_stems_and_says_so(
    session: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["add", "guitar", "--to", "bass.wav", "drums.wav", "--out", "new", *FAKE]) == 0
    assert sorted(path.name for path in (session / "new").iterdir()) == [
        "guitar.wav", "manifest.json",
    ]  # fmt: skip
    assert sound(session / "new/guitar.wav").shape == (32_000,)
    out, err = capsys.readouterr()
    assert re.fullmatch(r"2\.00 s added in \d+\.\d+ s into new: guitar\.wav\n", out)
    assert err == ""


def test_takes_and_json(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["add", "guitar,piano", "--to", "backing=drums.wav", "bass.wav", "--takes", "2"]
    assert main([*arguments, "--seed", "4", "--out", "new", "--json", *FAKE]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["command"], report["ok"], report["model"]["name"]) == ("add", True, "fake")
    assert [take["manifest"]["settings"]["seed"] for take in report["results"]] == [4, 5]
    for take in report["results"]:
        assert list(take["stems"]) == ["guitar", "piano"]
        assert all(Path(path).is_file() for path in take["stems"].values())
        assert json.loads((Path(take["folder"]) / "manifest.json").read_text()) == take["manifest"]


def test_fill_vary_and_generate(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stems = ["bass.wav", "drums.wav"]
    ranged = ["--start", "0:00.5", "--end", "1.5"]
    assert main(["fill", "bass", "--in", *stems, *ranged, "--out", "fixed", *FAKE]) == 0
    was, now = sound(session / "bass.wav"), sound(session / "fixed/bass.wav")
    np.testing.assert_array_equal(now[:8_000], was[:8_000])
    np.testing.assert_array_equal(now[24_000:], was[24_000:])
    assert (now != was).any()
    command = ["vary", "bass.wav", "--strength", "0.4", "--to", "drums.wav", "--out", "other"]
    assert main([*command, *ranged, *FAKE]) == 0
    assert sound(session / "other/bass.wav").shape == (16_000,)
    made = ["generate", "--seconds", "1", "--stems", "drums,bass", "--channels", "2"]
    assert main([*made, "--rate", "8000", "--out", "idea", "--quiet", *FAKE]) == 0
    assert sound(session / "idea/drums.wav").shape == (8_000, 2)
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines()] == [
        "filled", "varied",
    ]  # fmt: skip


ADD = ["add", "guitar", "--to", "bass.wav"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["add", "guitar"], "--to"),
        (["add", "--to", "bass.wav"], "STEM"),
        (["add", "gitar", "--to", "bass.wav"], "did you mean guitar?"),
        (["add", "guitar", "--to", "banjo=bass.wav"], "unknown stem 'banjo'"),
        (
            ["add", "guitar", "--to", "loop.wav"],
            "the name of 'loop.wav' does not say which stem it is",
        ),
        (["add", "guitar", "--to", "bass="], "names no file"),
        (["add", "bass", "--to", "bass.wav"], "bass is both given and wanted"),
        (["add", "guitar", "guitar", "--to", "bass.wav"], "guitar is named twice"),
        (["add", "guitar", "--to", "bass.wav", "bass=drums.wav"], "bass is given twice"),
        ([*ADD, "--guidance", "much"], "--guidance"),
        ([*ADD, "--guidance", "nan"], "guidance is nan: expected 0.0 to 100.0"),
        ([*ADD, "--steps", "0"], "steps is 0: expected 1"),
        ([*ADD, "--takes", "0"], "--takes"),
        ([*ADD, "--takes", "101"], "takes is 101"),
        ([*ADD, "--start", "1", "--end", "0.5"], "the region is empty"),
        ([*ADD, "--format", "flac", "--bit-depth", "32f"], "flac holds 16 or 24 bits"),
        (
            ["fill", "bass", "--in", "drums.wav", "--end", "1"],
            "bass is not among what is given (drums)",
        ),
        (["fill", "bass", "--in", "bass.wav"], "fill needs the range to replace: a start, an end"),
        (["vary", "bass.wav"], "--strength"),
        (["vary", "bass.wav", "--strength", "1.5"], "strength is 1.5: expected 0.0 to 1.0"),
        (["vary", "bass.wav", "--strength", "nan"], "strength is nan"),
        (["vary", "backing=bass.wav", "--strength", "0.5"], "a backing has no takes"),
        (["generate"], "--seconds"),
        (["generate", "--seconds", "0.1"], "length in seconds is 0.1: expected 0.5"),
        (["generate", "--seconds", "9999"], "length in seconds is 9999"),
        (["generate", "--seconds", "1", "--rate", "100"], "rate is 100: expected 8000"),
        (["generate", "--seconds", "1", "--channels", "9"], "channels is 9"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(
    session: Path, capsys: pytest.CaptureFixture[str], command: list[str], words: str
) -> None:
    assert main([*command, "--out", "new", "--model", "fake", "--device", "cpu"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert words in err
    assert not (session / "new").exists()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["add", "guitar", "--to", "bass=gone.wav"], "gone.wav does not exist"),
        (["add", "guitar", "--to", "bass=notes.txt"], "not audio that can be read"),
        (["add", "guitar", "--to", "bass=quiet.wav"], "quiet.wav: silent in and around the region"),
        ([*ADD, "--start", "5"], "goes past the end: the audio is 2.000 s long"),
        ([*ADD, "--end", "2.5"], "goes past the end"),
        (["fill", "bass", "--in", "bass.wav", "--start", "1", "--end", "3"], "past the end"),
        ([*ADD, "--model", "none"], "unknown model 'none'"),
    ],
)
def test_failures_are_one_line_and_status_1(
    session: Path, capsys: pytest.CaptureFixture[str], command: list[str], words: str
) -> None:
    (session / "notes.txt").write_text("la la la")
    soundfile.write(session / "quiet.wav", np.zeros(16_000), 16_000)
    model = [] if "--model" in command else ["--model", "fake"]
    assert main([*command, "--out", "new", "--device", "cpu", "--json", *model]) == 1
    out, err = capsys.readouterr()
    assert words in json.loads(out)["error"]
    assert json.loads(out)["ok"] is False
    assert len(err.splitlines()) == 1
    assert words in err
    assert not (session / "new").exists()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("bass=x.wav", "bass"),
        ("Backing = a=b.wav", "backing"),
        ("songs/03_Lead Guitar.flac", "guitar"),
        ("My Song - DRUMS (take 2).wav", "drums"),
    ],
)
def test_a_file_s_name_says_its_stem(text: str, name: str) -> None:
    assert given_file(text, STEMS)[0] == name


@pytest.mark.parametrize("name", PART_COMMANDS)
def test_every_example_in_the_help_is_a_command(
    name: str, session: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    examples = re.findall(r"^  (bandmate .*)$", text, re.MULTILINE)
    assert len(examples) >= 2
    for file in set(re.findall(r"[\w]+\.(?:wav|flac)", " ".join(examples))):
        noise = 0.1 * np.random.default_rng(0).standard_normal(8_000 * 90)
        soundfile.write(session / file, noise, 8_000)
    for index, example in enumerate(examples):
        arguments = shlex.split(example)[1:]
        arguments[arguments.index("--out") + 1] = f"example-{index}"
        assert main([*arguments, "--quiet", "--model", "fake", "--steps", "1"]) == 0, example


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_leaves_nothing_half_written(session: Path, environment: dict[str, str]) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(8_000 * 600)
    soundfile.write(session / "bass.wav", noise, 8_000)
    command: list[Any] = [sys.executable, "-m", "bandmate_bridge.cli", *ADD, "--out", "new"]
    process = subprocess.Popen(
        [*command, *FAKE[:-1], "900"],
        cwd=session,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 120
    while not [path for path in session.iterdir() if "partial" in path.name]:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "bandmate: cancelled"
    assert not (session / "new").exists()
    assert not [path for path in session.iterdir() if "partial" in path.name]
