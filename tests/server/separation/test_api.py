"""Separation end to end on a fake model: exact frames, exact sums, any input."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bandmate_server import SeparateSettings, separate, separate_file
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.diffusion import mels
from bandmate_server.diffusion.noise import latent_noise
from bandmate_server.errors import (
    AudioError,
    BandmateError,
    Cancelled,
    OutputError,
    RegionError,
    SettingsError,
)
from bandmate_server.model.model import Model
from bandmate_server.options import BitDepth, Format

NAMES = ["bass", "drums", "guitar", "piano", "other"]
DIFFUSION = SeparateSettings(steps=2)
VOCODER = SeparateSettings(steps=1, render="vocoder")


def music(seconds: float, rate: int, channels: int, seed: int = 0) -> FloatArray:
    """Return decaying chords over a little noise, at a peak below full scale."""
    rng = np.random.default_rng(seed)
    time = np.arange(max(round(seconds * rate), 1)) / rate
    chord = sum(np.sin(2 * np.pi * f * time) for f in (55.0, 220.0, 277.2, 659.3, 2637.0))
    wave = 0.1 * chord * np.exp(-4.0 * (time % 0.5)) + 0.01 * rng.standard_normal(len(time))
    return np.stack([wave * (0.6 + 0.05 * c) for c in range(channels)], axis=1).astype(np.float32)


def assert_sums_to(stems: dict[str, FloatArray], audio: FloatArray, atol: float = 1e-6) -> None:
    total = np.sum(np.stack(list(stems.values())), axis=0, dtype=np.float32)
    np.testing.assert_allclose(total, audio, rtol=0, atol=atol)


def read_stems(folder: Path, kind: str = "wav") -> dict[str, FloatArray]:
    files = {path.stem: path for path in sorted(folder.glob(f"*.{kind}"))}
    return {
        name: soundfile.read(file, dtype="float32", always_2d=True)[0]
        for name, file in files.items()
    }


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize("chosen", [SeparateSettings(), DIFFUSION, VOCODER])
def test_stems_and_other_sum_to_the_input(
    model: Model, rate: int, channels: int, chosen: SeparateSettings
) -> None:
    audio = music(0.7, rate, channels)
    stems = separate(model, audio, sample_rate=rate, settings=chosen)
    assert list(stems) == NAMES
    assert all(s.shape == audio.shape and s.dtype == np.float32 for s in stems.values())
    assert_sums_to(stems, audio)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rate=st.integers(8_000, 192_000), frames=st.integers(1, 60_000), channels=st.integers(1, 8))
def test_any_rate_and_length_gives_exact_frames(
    model: Model, rate: int, frames: int, channels: int
) -> None:
    audio = music(frames / rate, rate, channels)[:frames]
    stems = separate(model, audio, sample_rate=rate)
    assert {s.shape for s in stems.values()} == {audio.shape}
    assert_sums_to(stems, audio)


@pytest.mark.parametrize("chosen", [SeparateSettings(), DIFFUSION, VOCODER])
def test_paper_model_and_mini_model_both_run(
    model: Model, paper_model: Model, chosen: SeparateSettings
) -> None:
    audio = music(1.0, 44_100, 2)
    for each in (model, paper_model):
        stems = separate(each, audio, sample_rate=44_100, settings=chosen)
        assert_sums_to(stems, audio)
        for name in each.spec.stems:
            assert np.abs(stems[name]).max() > 1e-5, f"{name} is silent"


def test_mono_array_without_channel_axis_stays_so(model: Model) -> None:
    audio = music(0.5, 44_100, 1)[:, 0]
    stems = separate(model, audio, sample_rate=44_100)
    assert stems["bass"].shape == audio.shape
    assert_sums_to(stems, audio)


@pytest.mark.parametrize("chosen", [SeparateSettings(), DIFFUSION, VOCODER])
def test_silence_in_gives_silence_out(model: Model, chosen: SeparateSettings) -> None:
    stems = separate(model, np.zeros((30_000, 2), np.float32), sample_rate=44_100, settings=chosen)
    assert not any(stem.any() for stem in stems.values())


@pytest.mark.parametrize(
    "make",
    [
        lambda time: np.full_like(time, 0.7),
        lambda time: np.clip(9.0 * np.sin(900.0 * time), -1.0, 1.0),
        lambda time: 1e-5 * np.sin(900.0 * time),
        lambda time: 30.0 * np.sin(900.0 * time),
        lambda time: (time == time[100]).astype(float),
    ],
    ids=["dc", "clipped", "very quiet", "far above full scale", "one click"],
)
def test_odd_signals_come_apart_and_sum_up(
    model: Model, make: Callable[[FloatArray], FloatArray]
) -> None:
    time = np.arange(50_000, dtype=np.float32) / np.float32(44_100)
    audio = make(time)[:, None].astype(np.float32)
    stems = separate(model, audio, sample_rate=44_100)
    assert all(np.isfinite(stem).all() for stem in stems.values())
    assert_sums_to(stems, audio, atol=1e-6 * max(1.0, float(np.abs(audio).max())))


def test_long_audio_in_several_windows_sums_up_without_seams(model: Model) -> None:
    rate, seconds = 16_000, 40
    time = np.arange(rate * seconds) / rate
    audio = (0.3 * np.sin(2 * np.pi * 300.0 * time))[:, None].astype(np.float32)
    stems = separate(model, audio, sample_rate=rate)
    assert_sums_to(stems, audio)
    loudness = np.abs(stems["bass"][rate:-rate, 0]).reshape(-1, rate // 10).max(axis=1)
    assert loudness.min() > 0.98 * loudness.max()


def test_region_is_that_part_of_the_audio(model: Model) -> None:
    audio = music(30.0, 16_000, 2)
    chosen = SeparateSettings(start=11.0, end=14.5)
    stems = separate(model, audio, sample_rate=16_000, settings=chosen)
    assert_sums_to(stems, audio[176_000:232_000])


def test_region_hears_the_music_around_it(model: Model) -> None:
    rate = 16_000
    audio = music(20.0, rate, 1)
    alone = separate(model, audio[9 * rate : 10 * rate], sample_rate=rate)
    inside = separate(
        model, audio, sample_rate=rate, settings=SeparateSettings(start=9.0, end=10.0)
    )
    whole = separate(model, audio, sample_rate=rate)
    piece = whole["bass"][9 * rate : 10 * rate]
    assert np.abs(inside["bass"] - piece).max() < np.abs(alone["bass"] - piece).max()


@pytest.mark.parametrize("wanted", [("bass",), ("piano", "bass"), ("drums", "other")])
def test_stems_not_asked_for_go_into_other(model: Model, wanted: tuple[str, ...]) -> None:
    audio = music(0.5, 44_100, 2)
    everything = separate(model, audio, sample_rate=44_100)
    stems = separate(model, audio, sample_rate=44_100, settings=SeparateSettings(stems=wanted))
    assert list(stems) == [name for name in NAMES if name in wanted or name == "other"]
    for name in set(wanted) - {"other"}:
        np.testing.assert_allclose(stems[name], everything[name], atol=1e-7)
    assert_sums_to(stems, audio)


@pytest.mark.parametrize("chosen", [SeparateSettings(), DIFFUSION, VOCODER])
def test_loudness_of_the_input_only_scales_the_stems(
    model: Model, chosen: SeparateSettings
) -> None:
    audio = music(1.0, 44_100, 2)
    loud = separate(model, audio, sample_rate=44_100, settings=chosen)
    quiet = separate(model, audio * np.float32(0.01), sample_rate=44_100, settings=chosen)
    for name in NAMES:
        np.testing.assert_allclose(quiet[name] * 100.0, loud[name], atol=1e-3)


def test_seed_decides_the_samples(model: Model) -> None:
    # The fake denoiser ignores x, so only fresh noise in the last steps tells seeds apart.
    audio = music(1.0, 16_000, 1)
    noise = [latent_noise(seed, 0, 0, 8, (4, 8, 16)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(noise[0], noise[1])
    assert (noise[0] != noise[2]).any()
    again = [
        separate(model, audio, sample_rate=16_000, settings=DIFFUSION)["bass"] for _ in range(2)
    ]
    np.testing.assert_array_equal(again[0], again[1])


def test_noise_belongs_to_the_place_not_to_the_window() -> None:
    cell = (4, 8, 16)
    whole = latent_noise(7, 3, 0, 1_000, cell)
    part = latent_noise(7, 3, 250, 300, cell)
    np.testing.assert_array_equal(part, whole[:, :, 250:550])
    assert abs(float(whole.std()) - 1.0) < 0.01
    other = latent_noise(7, 4, 0, 1_000, cell)
    assert abs(float(np.mean(whole * other))) < 0.01


def test_chunks_of_windows_agree_with_one_chunk(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = music(45.0, 8_000, 1)
    whole = separate(model, audio, sample_rate=8_000, settings=DIFFUSION)
    monkeypatch.setattr(mels, "CHUNK_WINDOWS", 2)
    parts = separate(model, audio, sample_rate=8_000, settings=DIFFUSION)
    assert_sums_to(parts, audio)
    np.testing.assert_allclose(parts["bass"], whole["bass"], atol=2e-2)


@pytest.mark.parametrize(
    ("kind", "bits"),
    [("wav", "16"), ("wav", "24"), ("wav", "32f"), ("flac", "16"), ("flac", "24"), ("wav", None)],
)
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_files_have_the_input_s_frames_rate_and_channels(
    model: Model, tmp_path: Path, kind: Format, bits: BitDepth | None, channels: int
) -> None:
    audio = music(0.6, 44_100, channels)
    soundfile.write(tmp_path / "my song.wav", audio, 44_100, "PCM_16")
    heard, _ = soundfile.read(tmp_path / "my song.wav", dtype="float32", always_2d=True)
    chosen = SeparateSettings(format=kind, bit_depth=bits)
    result = separate_file(model, tmp_path / "my song.wav", tmp_path / "out", settings=chosen)
    assert result.folder == tmp_path / "out" / "my song"
    assert list(result.stems) == NAMES
    stems = read_stems(result.folder, kind)
    assert set(stems) == set(NAMES)
    assert {s.shape for s in stems.values()} == {audio.shape}
    assert all(soundfile.info(file).samplerate == 44_100 for file in result.stems.values())
    # 16-bit input lies on the grid of every format, so the sum is exact there as well.
    assert_sums_to(stems, heard)


def test_file_and_array_give_the_same_samples(model: Model, tmp_path: Path) -> None:
    audio = music(25.0, 22_050, 2)
    soundfile.write(tmp_path / "a.wav", audio, 22_050, "FLOAT")
    chosen = SeparateSettings(start=3.0, end=17.0)
    stems = separate(model, audio, sample_rate=22_050, settings=chosen)
    files = read_stems(separate_file(model, tmp_path / "a.wav", tmp_path, settings=chosen).folder)
    for name in NAMES:
        np.testing.assert_array_equal(files[name], stems[name])


def test_manifest_says_how_the_result_was_made(model: Model, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", music(2.0, 44_100, 2), 44_100)
    chosen = replace(DIFFUSION, start=0.5, end=1.5, seed=11, guidance=2.0)
    result = separate_file(model, tmp_path / "a.wav", tmp_path / "out", settings=chosen)
    manifest = json.loads((result.folder / "manifest.json").read_text())
    assert manifest == result.manifest
    assert manifest["region"] == {"start": 22_050, "frames": 44_100, "seconds": 1.0}
    assert (manifest["rate"], manifest["channels"], manifest["frames"]) == (44_100, 2, 44_100)
    assert manifest["model"]["hash"] == model.bundle.hash
    assert manifest["provider"] == "CPUExecutionProvider"
    assert len(manifest["inputs"][0]["sha256"]) == 64
    used = manifest["settings"]
    assert {
        "seed": 11,
        "guidance": 2.0,
        "steps": 2,
        "solver": "ddim",
        "eta": 0.0,
    }.items() <= used.items()
    assert set(manifest["outputs"]) == set(NAMES)
    assert manifest["timings"]["onnxruntime"] <= manifest["timings"]["total"]
    assert manifest["warnings"] == []


def test_stem_that_does_not_fit_an_integer_format_is_a_warning(
    model: Model, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "a.wav", 30.0 * music(0.5, 44_100, 1), 44_100, "FLOAT")
    chosen = SeparateSettings(bit_depth="24")
    result = separate_file(model, tmp_path / "a.wav", tmp_path, settings=chosen)
    assert any("clipped" in warning for warning in result.manifest["warnings"])


@pytest.mark.parametrize("name", ["a b.wav", "quo'te\".wav", "Прёлюдия 曲.wav", "dots.in.name.wav"])
def test_results_are_named_after_the_input(model: Model, tmp_path: Path, name: str) -> None:
    soundfile.write(tmp_path / name, music(0.1, 8_000, 1), 8_000)
    result = separate_file(model, tmp_path / name, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name.removesuffix(".wav")]
    assert len(read_stems(result.folder)) == 5


def test_progress_rises_to_one_through_all_stages(model: Model, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", music(20.0, 8_000, 1), 8_000)
    heard: list[tuple[str, float]] = []
    separate_file(model, tmp_path / "a.wav", tmp_path, progress=lambda *what: heard.append(what))
    fractions = [fraction for _, fraction in heard]
    assert list(dict.fromkeys(stage for stage, _ in heard)) == ["read", "separate", "write"]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


@pytest.mark.parametrize("calls", [1, 3, 6, 12])
@pytest.mark.parametrize("how", ["cancel", "interrupt"])
def test_stopped_work_leaves_nothing(model: Model, tmp_path: Path, calls: int, how: str) -> None:
    soundfile.write(tmp_path / "a.wav", music(20.0, 8_000, 1), 8_000)
    left = [calls]

    def stop() -> bool:
        left[0] -= 1
        if left[0] <= 0 and how == "interrupt":
            raise KeyboardInterrupt
        return left[0] <= 0

    with pytest.raises(Cancelled if how == "cancel" else KeyboardInterrupt):
        separate_file(model, tmp_path / "a.wav", tmp_path / "out", cancel=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_existing_result_needs_force(model: Model, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", music(0.2, 8_000, 1), 8_000)
    separate_file(model, tmp_path / "a.wav", tmp_path / "out")
    with pytest.raises(OutputError, match="is there already"):
        separate_file(model, tmp_path / "a.wav", tmp_path / "out")
    chosen = SeparateSettings(stems=("bass",))
    separate_file(model, tmp_path / "a.wav", tmp_path / "out", settings=chosen, force=True)
    assert set(read_stems(tmp_path / "out" / "a")) == {"bass", "other"}


def test_input_is_never_overwritten(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "bass" / "bass.wav"
    path.parent.mkdir()
    soundfile.write(path, music(0.2, 8_000, 1), 8_000)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="would be overwritten"):
        separate_file(model, path, tmp_path, force=True)
    assert path.read_bytes() == before


def _with_nan(audio: FloatArray) -> FloatArray:
    audio[5_000, 0] = np.nan
    return audio


@pytest.mark.parametrize(
    ("settings_", "error"),
    [
        (SeparateSettings(start=2.0, end=1.0), RegionError),
        (SeparateSettings(start=0.5, end=0.5), RegionError),
        (SeparateSettings(start=5.0), RegionError),
        (SeparateSettings(end=5.0), RegionError),
        (SeparateSettings(stems=("voice",)), SettingsError),
        (SeparateSettings(stems=()), SettingsError),
        (SeparateSettings(stems=("other",)), SettingsError),
        (SeparateSettings(steps=0, render="vocoder"), SettingsError),
    ],
)
def test_settings_that_do_not_fit_are_one_line_and_leave_nothing(
    model: Model, tmp_path: Path, settings_: SeparateSettings, error: type[BandmateError]
) -> None:
    soundfile.write(tmp_path / "a.wav", music(1.0, 8_000, 1), 8_000)
    with pytest.raises(error) as caught:
        separate_file(model, tmp_path / "a.wav", tmp_path / "out", settings=settings_)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_samples_that_are_not_finite_leave_nothing(model: Model, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", _with_nan(music(1.0, 8_000, 1)), 8_000, "FLOAT")
    with pytest.raises(AudioError, match=r"a\.wav has samples that are not finite"):
        separate_file(model, tmp_path / "a.wav", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_truncated_flac_leaves_nothing(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, music(2.0, 44_100, 2), 44_100)
    path.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(AudioError, match=r"a\.flac"):
        separate_file(model, path, tmp_path / "out")
    assert [found.name for found in tmp_path.iterdir()] == ["a.flac"]


def test_model_without_a_separator_refuses_zero_steps(paper_model: Model) -> None:
    with pytest.raises(SettingsError, match="no separator"):
        separate(
            paper_model, music(0.1, 8_000, 1), sample_rate=8_000, settings=SeparateSettings(steps=0)
        )


@pytest.mark.parametrize(
    "wrong",
    [
        {"render": "magic"},
        {"solver": "euler"},
        {"format": "mp3"},
        {"bit_depth": "8"},
        {"format": "flac", "bit_depth": "32f"},
        {"steps": -1},
        {"steps": 1000},
        {"seed": -1},
        {"eta": 1.5},
        {"guidance": float("nan")},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        SeparateSettings(**wrong)  # type: ignore[arg-type]


def test_mini_model_separates_within_the_promises(mini: Model) -> None:
    audio = music(12.0, 44_100, 2)
    assert_sums_to(separate(mini, audio, sample_rate=44_100), audio)


PEAK = """
import re, sys
from pathlib import Path
from bandmate_server import open_model, separate_file
model = open_model(sys.argv[1], "cpu")
separate_file(model, sys.argv[2], sys.argv[3])
# Not ru_maxrss: that begins with what the process that started this one has held.
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_memory_does_not_grow_with_length(fake_bundle: Path, tmp_path: Path) -> None:
    peaks = []
    for minutes in (2, 15):
        path = tmp_path / f"{minutes}.wav"
        with soundfile.SoundFile(path, "w", 48_000, 2, "PCM_16") as file:
            for second in range(60 * minutes):
                file.write(music(1.0, 48_000, 2, seed=second))
        done = subprocess.run(
            [sys.executable, "-c", PEAK, fake_bundle, path, tmp_path / "out"],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONPATH": ":".join(sys.path)},
        )
        peaks.append(int(done.stdout))
    assert peaks[1] < peaks[0] + 100  # MB
    assert peaks[1] < 1_500
