"""Stems of a model of waves through the commands: separate, batch with chains, DAWproject."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

RATE = 44_100


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    noise = 0.1 * np.random.default_rng(0).standard_normal((2 * RATE, 2))
    soundfile.write(path, noise.astype(np.float32), RATE, "FLOAT")
    return path


def test_vocals_alone_and_a_session(
    bandmate: Callable[..., Any], song: Path, waveform_bundle: Path
) -> None:
    options = ("--model", waveform_bundle, "--stems", "Vocals", "--overlap", "0.5")
    ran = bandmate("separate", song, "--out", "out", *options, "--dawproject", "inside")
    assert ran.status == 0, ran.errors
    folder = song.parent / "out" / "song"
    vocals, other = (soundfile.read(folder / f"{name}.wav")[0] for name in ("vocals", "other"))
    np.testing.assert_allclose(vocals + other, soundfile.read(song)[0], atol=1e-6)
    assert not (folder / "drums.wav").exists()
    with zipfile.ZipFile(folder / "session.dawproject") as session:
        assert "audio/vocals.wav" in session.namelist()


def test_an_unknown_stem_is_wrong_usage_by_the_models_own_list(
    bandmate: Callable[..., Any], song: Path, waveform_bundle: Path
) -> None:
    ran = bandmate("separate", song, "--out", "out", "--model", waveform_bundle, "--stems", "vocal")
    assert ran.status == 2
    assert "did you mean vocals?" in ran.errors[-1]
    assert "drums, vocals" in ran.errors[-1]


def test_a_batch_with_a_chain_for_vocals_and_a_mix_without_them(
    bandmate: Callable[..., Any], song: Path, waveform_bundle: Path
) -> None:
    pytest.importorskip("pedalboard")
    chains = song.parent / "chains.toml"
    chains.write_text('[[vocals]]\neffect = "Gain"\ngain_db = -6\n')
    model = ("--model", waveform_bundle, "--device", "cpu", "--threads", "1")
    check = bandmate("chains", "check", chains, "--model", waveform_bundle)
    assert check.status == 0, check.errors
    options = ("--chains", chains, "--minus", "drums", "--jobs", "1", *model)
    ran = bandmate("batch", song, "--out", "out", *options)
    assert ran.status == 0, ran.errors
    report = json.loads((song.parent / "out" / "report.json").read_bytes())
    assert report["counts"]["done"] == 1
    wet = next((song.parent / "out").rglob("vocals-wet.wav"))
    dry = next((song.parent / "out").rglob("vocals.wav"))
    expected = soundfile.read(dry)[0] * 10 ** (-6 / 20)
    np.testing.assert_allclose(soundfile.read(wet)[0], expected, atol=1e-5)
    chains.write_text('[[bass]]\neffect = "Gain"\ngain_db = -6\n')
    wrong = bandmate("batch", song, "--out", "other", *options)
    assert wrong.status != 0
    assert "unknown 'bass'" in wrong.errors[-1]


def test_a_part_is_refused_in_one_line(
    bandmate: Callable[..., Any], song: Path, waveform_bundle: Path
) -> None:
    ran = bandmate("add", "bass", "--to", f"drums={song}", "--out", "p", "--model", waveform_bundle)
    message = "fake-waves only separates, it makes no parts: name another model, such as mini"
    assert (ran.status, ran.errors) == (2, [f"bandmate: error: {message}"])


def test_doctor_and_models_know_it(bandmate: Callable[..., Any], waveform_bundle: Path) -> None:
    ran = bandmate("doctor", "--model", waveform_bundle, "--device", "cpu", "--json")
    assert ran.status == 0, ran.errors
    assert ran.json["used"]["model"] == "fake-waves"
    assert bandmate("models", "verify", waveform_bundle).status == 0
