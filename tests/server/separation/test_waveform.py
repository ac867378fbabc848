"""Separation by networks of waves: any rate, any channels, any region, exact sums."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bandmate_server import SeparateSettings, open_model, separate, separate_file
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.sources import ArraySource
from bandmate_server.errors import SettingsError
from bandmate_server.model.model import Model
from bandmate_server.model.opening import AnyModel
from bandmate_server.separation.waveform import (
    SegmentGrid,
    plan_segments,
    read_segments,
    triangle,
)


@pytest.fixture(scope="module")
def waves(waveform_bundle: Path) -> AnyModel:
    return open_model(waveform_bundle, "cpu", threads=1)


def music(rate: int, seconds: float, channels: int) -> FloatArray:
    """Return tones that no resampling touches, another in every channel (n, channels)."""
    time = np.arange(round(seconds * rate)) / rate
    tones = [0.1 * np.sin(2 * np.pi * 220 * (channel + 1) * time) for channel in range(channels)]
    found: FloatArray = np.stack(tones, axis=1).astype(np.float32)
    return found


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_stems_have_the_sources_rate_channels_and_frames(
    waves: AnyModel, rate: int, channels: int
) -> None:
    audio = music(rate, 2.3, channels)
    found = separate(waves, audio, sample_rate=rate)
    assert list(found) == ["drums", "vocals", "other"]
    assert all(stem.shape == audio.shape for stem in found.values())
    np.testing.assert_allclose(sum(found.values()), audio, atol=1e-6)
    inside = slice(rate // 20, -rate // 20)  # the resampler's ripple at the ends of the file
    atol = 1e-6 if rate == 44_100 else 2e-4
    np.testing.assert_allclose(found["drums"][inside], audio[inside] / 6, atol=atol)
    np.testing.assert_allclose(found["vocals"][inside], audio[inside] / 3, atol=atol)


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize(("start", "end"), [(0.0, 0.01), (0.3, 1.0), (2.0, 9.9), (9.95, 10.0)])
def test_a_region_is_cut_out_of_the_whole(
    waves: AnyModel, rate: int, start: float, end: float
) -> None:
    audio = music(rate, 10.0, 2)
    chosen = SeparateSettings(start=start, end=end, stems=("vocals",), overlap=0.5, shifts=2)
    found = separate(waves, audio, sample_rate=rate, settings=chosen)
    span = slice(round(start * rate), round(end * rate))
    assert list(found) == ["vocals", "other"]
    near_an_end = start == 0.0 or end == 10.0
    atol = 1e-6 if rate == 44_100 else 2e-3 if near_an_end else 2e-4
    np.testing.assert_allclose(found["vocals"], audio[span] / 3, atol=atol)
    np.testing.assert_allclose(found["vocals"] + found["other"], audio[span], atol=1e-6)


@pytest.mark.parametrize("shift", [0, 7, 100])
@pytest.mark.parametrize("stride", [50, 75, 100])
@pytest.mark.parametrize("length", [30, 100, 1_030])
def test_segments_see_their_real_neighbours(shift: int, stride: int, length: int) -> None:
    audio = np.arange(1, length + 1, dtype=np.float32)[:, None]
    grid = SegmentGrid(0, 0, length, 100, stride)
    padded = np.pad(audio[:, 0], 200)
    covered = np.zeros(length, bool)
    for start, lead, count, wave in read_segments(ArraySource(audio, 8_000), grid, shift, 8_000):
        assert wave.shape == (100, 1)
        begin = start - lead + 200
        np.testing.assert_array_equal(wave[:, 0], padded[begin : begin + 100])
        covered[max(start, 0) : max(start + count, 0)] = True
    assert covered.all()


def test_a_region_gets_a_quarter_segment_on_either_side(waves: Any) -> None:
    from bandmate_server.audio.windows import Region

    grid = plan_segments(Region(441_000, 44_100), 44_100, 882_000, waves.spec, 0.25)
    assert grid.origin + grid.start == 441_000 - 11_025
    assert grid.origin + grid.stop == 485_100 + 11_025
    assert grid.origin == 441_000 - 11_025 - 44_100


@pytest.mark.parametrize("length", [4, 5])
def test_weights_are_a_triangle(length: int) -> None:
    expected = {4: [0.5, 1, 1, 0.5], 5: [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3]}[length]
    np.testing.assert_allclose(triangle(length), expected, atol=1e-6)


def test_silence_gives_silence(waves: AnyModel) -> None:
    found = separate(waves, np.zeros((20_000, 2), np.float32), sample_rate=44_100)
    assert not any(stem.any() for stem in found.values())


def test_files_and_manifest(waves: AnyModel, tmp_path: Path) -> None:
    song = tmp_path / "song.wav"
    soundfile.write(song, music(48_000, 2.0, 2), 48_000, subtype="PCM_24")
    chosen = SeparateSettings(stems=("vocals",), shifts=2, seed=4)
    result = separate_file(waves, song, tmp_path / "out", settings=chosen)
    assert sorted(path.name for path in result.folder.iterdir()) == [
        "manifest.json",
        "other.wav",
        "vocals.wav",
    ]
    settings = result.manifest["settings"]
    assert settings["method"] == "waveform"
    assert (settings["overlap"], settings["shifts"], settings["seed"]) == (0.25, 2, 4)
    assert settings["segments"] >= 6


@pytest.mark.parametrize(
    "chosen",
    [
        SeparateSettings(steps=4),
        SeparateSettings(render="vocoder"),
        SeparateSettings(guidance=1.0),
        SeparateSettings(solver="dpm"),
        SeparateSettings(eta=0.0),
    ],
)
def test_settings_of_other_kinds_of_models_are_refused(
    waves: AnyModel, chosen: SeparateSettings
) -> None:
    with pytest.raises(SettingsError, match="fake-waves has none, leave it out"):
        separate(waves, music(44_100, 1.0, 1), sample_rate=44_100, settings=chosen)


def test_settings_of_waves_are_refused_by_other_models(model: Model) -> None:
    for chosen in (SeparateSettings(overlap=0.5), SeparateSettings(shifts=1)):
        with pytest.raises(SettingsError, match="fake has none, leave it out"):
            separate(model, music(44_100, 1.0, 1), sample_rate=44_100, settings=chosen)


def test_a_model_asked_for_an_unknown_stem_names_its_own(waves: AnyModel) -> None:
    with pytest.raises(SettingsError, match="this model knows drums, vocals"):
        separate(
            waves,
            music(44_100, 1.0, 1),
            sample_rate=44_100,
            settings=SeparateSettings(stems=("bass",)),
        )
