"""Reading any audio exactly, refusing what is none, and the model's own copy."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.level import REFERENCE_DB, measure_level
from bandmate_server.audio.resampler import Resampler
from bandmate_server.audio.sources import ArraySource, FileSource, read_blocks, read_padded
from bandmate_server.errors import AudioError, SettingsError

MODEL_RATE = 16_000


def noise(frames: int, channels: int) -> FloatArray:
    values = np.random.default_rng(0).standard_normal((frames, channels))
    return (0.1 * values).astype(np.float32)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize(
    ("kind", "subtype", "atol"),
    [
        ("wav", "PCM_16", 2**-15),
        ("wav", "PCM_24", 2**-23),
        ("wav", "FLOAT", 0.0),
        ("flac", "PCM_16", 2**-15),
        ("flac", "PCM_24", 2**-23),
    ],
)
def test_file_gives_its_frames_in_any_blocks(
    tmp_path: Path, rate: int, channels: int, kind: str, subtype: str, atol: float
) -> None:
    path, audio = tmp_path / f"clip.{kind}", noise(3_001, channels)
    soundfile.write(path, audio, rate, subtype)
    with FileSource(path) as source:
        assert (source.rate, source.channels, source.frames) == (rate, channels, 3_001)
        parts = [source.read(0, 17), source.read(17, 1_000), source.read(1_017, 1_984)]
        again = source.read(500, 10)
    found = np.concatenate(parts)
    np.testing.assert_allclose(found, audio, atol=atol, rtol=0)
    np.testing.assert_array_equal(again, found[500:510])


@pytest.mark.parametrize(
    "name", ["with space.wav", "quo\"te's.wav", "übung 曲 🎵.wav", "-dash.wav"]
)
def test_file_names_of_all_kinds_can_be_read(tmp_path: Path, name: str) -> None:
    soundfile.write(tmp_path / name, noise(100, 1), 44_100)
    with FileSource(tmp_path / name) as source:
        assert source.frames == 100


def test_block_around_the_ends_is_filled_with_zeros() -> None:
    audio = noise(100, 2)
    block = read_padded(ArraySource(audio, 44_100), -10, 130)
    np.testing.assert_array_equal(block[10:110], audio)
    assert not block[:10].any()
    assert not block[110:].any()
    assert not read_padded(ArraySource(audio, 44_100), 200, 7).any()


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"gone\.wav does not exist"):
        FileSource(tmp_path / "gone.wav")


def test_folder_is_not_audio(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="is a folder"):
        FileSource(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"just some text " * 99, "not audio"),
        (b"RIFF\x00\x00\x00\x00WAVE", "not audio"),
    ],
)
def test_file_without_audio_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=rf"bad\.wav.*{reason}"):
        FileSource(path)


def test_file_of_zero_frames_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 2)), 44_100)
    with pytest.raises(AudioError, match=r"none\.wav holds no audio"):
        FileSource(tmp_path / "none.wav")


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_truncated_wav_is_refused(tmp_path: Path, subtype: str) -> None:
    path = tmp_path / "half.wav"
    soundfile.write(path, noise(10_000, 2), 44_100, subtype)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(AudioError, match=r"half\.wav is cut off"):
        FileSource(path)


def test_truncated_flac_is_refused_when_its_end_is_read(tmp_path: Path) -> None:
    path = tmp_path / "half.flac"
    soundfile.write(path, noise(50_000, 2), 44_100)
    path.write_bytes(path.read_bytes()[:60_000])
    with pytest.raises(AudioError, match=r"half\.flac"), FileSource(path) as source:
        for _ in read_blocks(source, 0, source.frames):
            pass


def test_wav_written_to_a_pipe_is_let_through(tmp_path: Path) -> None:
    path = tmp_path / "pipe.wav"
    soundfile.write(path, noise(1_000, 1), 44_100, "PCM_16")
    content = bytearray(path.read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    with FileSource(path) as source:
        assert source.frames == 1_000


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "secret.wav"
    soundfile.write(path, noise(100, 1), 44_100)
    path.chmod(0)
    with pytest.raises(AudioError, match=r"cannot read .*secret\.wav"):
        FileSource(path)


@pytest.mark.parametrize("rate", [7_999, 192_001])
def test_rates_out_of_range_are_refused(rate: int) -> None:
    with pytest.raises(SettingsError, match="expected 8000 to 192000"):
        ArraySource(noise(100, 1), rate)


def test_too_many_channels_are_refused() -> None:
    with pytest.raises(AudioError, match="9 channels: expected 1 to 8"):
        ArraySource(noise(100, 9), 44_100)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_samples_that_are_not_finite_are_refused(value: float) -> None:
    audio = noise(1_000, 2)
    audio[777, 1] = value
    with pytest.raises(AudioError, match=r"a\.wav has samples that are not finite"):
        measure_level(iter([audio[:500], audio[500:]]), 44_100, "a.wav")


@pytest.mark.parametrize("rest", [0, 3])
def test_level_is_that_of_the_music_not_of_the_rests(rest: int) -> None:
    rate = 44_100
    tone = 0.1 * np.sin(np.arange(rate) * 0.1)[:, None].astype(np.float32)
    silence = np.zeros((rest * rate, 1), np.float32)
    level = measure_level(iter([tone, silence]), rate, "x")
    assert level.rms == pytest.approx(0.1 / math.sqrt(2), rel=1e-2)
    assert 20 * math.log10(level.rms * level.gain) == pytest.approx(REFERENCE_DB, abs=0.01)


def test_silence_is_not_amplified() -> None:
    level = measure_level(iter([np.zeros((100, 2), np.float32)]), 8_000, "x")
    assert (level.peak, level.rms, level.gain) == (0.0, 0.0, 1.0)


def resample(audio: FloatArray, rate_in: int, rate_out: int, block: int) -> FloatArray:
    resampler = Resampler(rate_in, rate_out, audio.shape[1])
    parts = [resampler.push(audio[at : at + block]) for at in range(0, len(audio), block)]
    return np.concatenate([*parts, resampler.push(audio[:0], last=True)])


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 37_800, 44_100, 47_999, 96_000, 192_000])
@pytest.mark.parametrize("direction", ["to the model", "from the model"])
def test_resampled_sine_stays_in_place(rate: int, direction: str) -> None:
    rate_in, rate_out = (rate, MODEL_RATE) if direction == "to the model" else (MODEL_RATE, rate)
    at_in, at_out = (np.arange(r) / r for r in (rate_in, rate_out))
    audio = np.sin(2 * np.pi * 997.0 * at_in)[:, None].astype(np.float32)
    found = resample(audio, rate_in, rate_out, 1_009)[:, 0]
    assert abs(len(found) - rate_out) <= 1
    inner = slice(rate_out // 10, -rate_out // 10)
    expected = np.sin(2 * np.pi * 997.0 * at_out[: len(found)])
    # A shift by a hundredth of a sample at 192 kHz would show as 3e-4.
    np.testing.assert_allclose(found[inner], expected[: len(found)][inner], atol=2e-5)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_resampled_impulse_stays_in_place_and_symmetric(rate: int) -> None:
    audio = np.zeros((rate, 1), np.float32)
    audio[rate // 2] = 1.0
    found = resample(audio, rate, MODEL_RATE, 4_096)[:, 0]
    assert np.argmax(found) == MODEL_RATE // 2
    centre = MODEL_RATE // 2
    np.testing.assert_allclose(
        found[centre + 1 : centre + 200], found[centre - 1 : centre - 200 : -1], atol=1e-5
    )
