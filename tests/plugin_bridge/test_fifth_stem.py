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
HARP = (*STEMS, "harp")
QUICK = ("--device", "cpu", "--threads", "1", "--steps", "1", "--guidance", "1", "--json")


@pytest.fixture
def five(
    make_bundle: Callable[[Path, AnySpec], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A bundle, in a folder with two stems."""
    time = np.arange(2 * RATE) / RATE
    for name, hertz in {"bass": 80.0, "harp": 500.0}.items():
        soundfile.write(tmp_path / f"{name}.wav", 0.3 * np.sin(2 * np.pi * hertz * time), RATE)
    monkeypatch.chdir(tmp_path)
    return str(make_bundle(tmp_path / "five", replace(MINI, name="five", stems=HARP)))


@pytest.mark.parametrize(
    ("command", "made"),
    [
        (["add", "harp", "--to", "bass.wav"], ["harp"]),
        (["add", "piano", "--to", "harp.wav"], ["piano"]),
        (["add", "guitar", "--to", "backing=harp.wav"], ["guitar"]),
        (["fill", "harp", "--in", "harp.wav", "bass.wav", "--start", "1"], ["harp"]),
        (["vary", "harp.wav", "--strength", "0.5", "--to", "bass.wav"], ["harp"]),
        (["generate", "--seconds", "1"], [*HARP]),
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
    command = ["separate", "bass.wav", "--stems", "harp,bass", "--steps", "0"]
    assert main([*command, "--model", five, "--out", "stems", "--json"]) == 0
    assert sorted(path.name for path in Path("stems/bass").glob("*.wav")) == [
        "bass.wav", "harp.wav", "other.wav",
    ]  # fmt: skip
