"""Loudness, true peak, and the usual levels of stems."""

import itertools
import math

import numpy as np
import pytest

from bandmate_server.audio.loudness import (
    STEM_DB,
    ceiling_gain,
    decibels,
    measure_lufs,
    power_sum_db,
    true_peak,
    usual_lu,
)
from bandmate_server.spec import STEMS


@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize(("channels", "lufs"), [(1, -3.01), (2, 0.0)])
def test_full_scale_tone_has_the_standards_loudness(rate: int, channels: int, lufs: float) -> None:
    tone = np.sin(2 * np.pi * 997.0 * np.arange(5 * rate) / rate).astype(np.float32)
    audio = np.repeat(tone[:, None], channels, axis=1)
    assert measure_lufs(audio, rate) == pytest.approx(lufs, abs=0.15)


def test_rests_do_not_make_music_quieter_but_silence_is_silent() -> None:
    tone = np.sin(0.3 * np.arange(64_000)).astype(np.float32)[:, None]
    with_rest = np.concatenate([tone, np.zeros_like(tone)])
    assert measure_lufs(with_rest, 16_000) == pytest.approx(measure_lufs(tone, 16_000), abs=0.4)
    assert measure_lufs(np.zeros((16_000, 1), np.float32), 16_000) == -math.inf


@pytest.mark.parametrize("samples", [1, 100, 6_400])
def test_audio_shorter_than_a_block_can_be_measured(samples: int) -> None:
    assert math.isfinite(measure_lufs(np.full((samples, 2), 0.9, np.float32), 16_000))


def test_true_peak_lies_between_the_samples() -> None:
    wave = np.sin(0.5 * np.pi * np.arange(4_000) + 0.25 * np.pi).astype(np.float32)
    assert np.abs(wave).max() == pytest.approx(math.sqrt(0.5), abs=1e-3)
    assert true_peak(wave[100:-100] * np.hanning(3_800).astype(np.float32), 16_000) == (
        pytest.approx(1.0, abs=0.02)
    )


@pytest.mark.parametrize("peak", [0.01, 0.89, 1.0, 20.0])
def test_ceiling_only_lowers(peak: float) -> None:
    gain = ceiling_gain(peak)
    assert gain <= 1.0
    assert decibels(gain * peak) <= -1.0
    assert gain == 1.0 or decibels(gain * peak) > -1.2
    assert ceiling_gain(0.0) == 1.0


def test_usual_levels_are_there_for_every_arrangement_and_roughly_add_up() -> None:
    assert power_sum_db(STEM_DB.values()) == pytest.approx(0.0, abs=0.1)
    for count in (1, 2, 3):
        for given in itertools.combinations(STEMS, count):
            for stem in set(STEMS) - set(given):
                fitted = STEM_DB[stem] - power_sum_db([STEM_DB[name] for name in given])
                assert usual_lu(stem, given) == pytest.approx(fitted, abs=1.5)


def test_a_stem_that_no_corpus_has_measured_has_a_level() -> None:
    assert usual_lu("strings", ["bass"]) == pytest.approx(0.2)
    assert usual_lu("bass", ["strings", "drums"]) == pytest.approx(-1.96, abs=0.02)
