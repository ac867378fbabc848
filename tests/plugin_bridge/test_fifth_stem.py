"""A model with a fifth pitched stem: all that is asked of the usual four is asked of it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bandmate_bridge.cli import main
from bandmate_server.spec import MINI, STEMS, AnySpec

RATE = 16_000
STRINGS = (*STEMS, "strings")
QUICK = ("--device", "cpu", "--threads", "1", "--steps", "1", "--guidance", "1", "--json")


@pytest.fixture
def five(
    make_bundle: Callable[[Path, AnySpec], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A bundle, in a folder with two stems."""
    time = np.arange(2 * RATE) / RATE
    for name, hertz in {"bass": 80.0, "strings": 500.0}.items():
        soundfile.write(tmp_path / f"{name}.wav", 0.3 * np.sin(2 * np.pi * hertz * time), RATE)
    monkeypatch.chdir(tmp_path)
    return str(make_bundle(tmp_path / "five", replace(MINI, name="five", stems=STRINGS)))


@pytest.mark.parametrize(
    ("command", "made"),
    [
        (["add", "strings", "--to", "bass.wav"], ["strings"]),
        (["add", "piano", "--to", "strings.wav"], ["piano"]),
        (["add", "guitar", "--to", "backing=strings.wav"], ["guitar"]),
        (["fill", "strings", "--in", "strings.wav", "bass.wav", "--start", "1"], ["strings"]),
        (["vary", "strings.wav", "--strength", "0.5", "--to", "bass.wav"], ["strings"]),
        (["generate", "--seconds", "1"], [*STRINGS]),
    ],
)
def test_parts_of_a_fifth_stem(
    five: str, capsys: pytest.CaptureFixture[str], command: list[str], made: list[str]
) -> None:
    assert main([*command, "--model", five, "--out", "new", *QUICK]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert list(result["stems"]) == made
    assert all(np.isfinite(soundfile.read(file)[0]).all() for file in result["stems"].values())


def test_a_fifth_stem_is_separated(five: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["separate", "bass.wav", "--stems", "strings,bass", "--steps", "0"]
    assert main([*command, "--model", five, "--out", "stems", "--json"]) == 0
    assert sorted(path.name for path in Path("stems/bass").glob("*.wav")) == [
        "bass.wav", "other.wav", "strings.wav",
    ]  # fmt: skip
