"""`bandmate config`, and the commands that go by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
CPU = ("--device", "cpu", "--threads", "1")


@pytest.fixture
def waves(environment: dict[str, str], waveform_bundle: Path) -> str:
    """Return the name of an installed model that only separates."""
    (Path(environment["BANDMATE_MODELS"]) / "waves").symlink_to(waveform_bundle)
    return "waves"


def test_set_get_list_unset(bandmate: Run, waves: str) -> None:
    assert bandmate("config", "get", "model.separate").out == "mini\n"
    ran = bandmate("config", "set", "model.separate", waves)
    assert (ran.status, ran.out) == (0, "model.separate = waves\n")
    assert bandmate("config", "get", "model.separate").out == "waves\n"
    listed = bandmate("config", "list")
    assert "model.separate = waves: the model that `separate` uses" in listed.out
    assert "model.add = mini (the usual one)" in listed.out
    assert "config.toml" in listed.out
    report = bandmate("config", "list", "--json").json
    assert report["chosen"] == {"model.separate": "waves"}
    assert report["values"]["model.generate"] == "mini"
    assert bandmate("config", "unset", "model.separate").out == (
        "model.separate = mini (the usual one)\n"
    )


def test_what_makes_no_sense_is_not_chosen(bandmate: Run, waves: str) -> None:
    bandmate("config", "set", "model.separate", "nosuch").failed_with(1, "nosuch", "fake")
    bandmate("config", "set", "model.add", waves).failed_with(1, "only separates")
    bandmate("config", "set", "model.sing", "fake").failed_with(1, "model.separate")
    bandmate("config", "get", "sing").failed_with(1, "unknown key 'sing'")
    assert bandmate("config", "list", "--json").json["chosen"] == {}


def test_commands_go_by_it_and_a_named_model_wins(
    bandmate: Run, waves: str, song: Path, tmp_path: Path
) -> None:
    bandmate("config", "set", "model.separate", waves)
    bandmate("config", "set", "model.add", "fake")
    ran = bandmate("separate", song, "--out", "a", "--stems", "vocals", *CPU, "--json")
    assert ran.json["model"]["name"] == "fake-waves", ran.errors
    ran = bandmate("separate", song, "--out", "b", "--model", "fake", *CPU, "--json")
    assert ran.json["model"]["name"] == "fake", ran.errors
    ran = bandmate("add", "bass", "--to", f"drums={song}", "--out", "c", *CPU, "--json")
    assert ran.json["model"]["name"] == "fake", ran.errors
    songs = ("batch", song, "--jobs", "1", *CPU)
    assert bandmate(*songs, "--out", "d").status == 0
    assert (
        json.loads((tmp_path / "d" / "report.json").read_bytes())["model"]["name"] == "fake-waves"
    )
    assert bandmate(*songs, "--out", "e", "--task", "add", "--stems", "bass").status == 0
    assert json.loads((tmp_path / "e" / "report.json").read_bytes())["model"]["name"] == "fake"


def test_a_damaged_file_stops_what_goes_by_it_and_nothing_else(
    bandmate: Run, song: Path, environment: dict[str, str]
) -> None:
    file = Path(environment["HOME"]) / ".config" / "bandmate" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("[model]\nseparate = 5\n")
    bandmate("separate", song, "--out", "a", *CPU).failed_with(1, str(file), "model.separate is 5")
    assert bandmate("separate", song, "--out", "a", "--model", "fake", *CPU).status == 0
    assert bandmate("models", "list").status == 0
    ran = bandmate("doctor")
    assert ran.status == 1
    assert "model.separate is 5" in ran.errors[-1]
    assert "recommended for memory" in ran.out
