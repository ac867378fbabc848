"""Figures of merit against hand-made cases."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bandmate_training.evaluation.measures import metrics


def noise(seed: int, shape: tuple[int, ...] = (4000, 1)) -> metrics.FloatArray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_si_sdr_ignores_the_level_and_sdr_does_not() -> None:
    target = noise(0)
    estimate = target + np.float32(0.1) * noise(1)
    assert metrics.si_sdr(estimate, target) == pytest.approx(20, abs=0.5)
    assert metrics.si_sdr(np.float32(0.25) * estimate, target) == pytest.approx(
        metrics.si_sdr(estimate, target), abs=1e-5
    )
    assert metrics.sdr(np.float32(0.25) * estimate, target) < 3


def test_si_sdr_equals_the_closed_form_for_orthogonal_noise() -> None:
    target, other = noise(0), noise(1)
    other -= target * (np.vdot(target, other) / np.vdot(target, target))
    found = metrics.si_sdr(target + other, target)
    expected = 10 * math.log10(metrics.energy(target) / metrics.energy(other))
    assert found == pytest.approx(expected, abs=1e-4)


def test_a_perfect_estimate_gets_the_highest_and_silence_the_lowest_ratio() -> None:
    target = noise(0)
    assert metrics.si_sdr(target, target) == metrics.HIGHEST_DB
    assert metrics.si_sdr(np.zeros_like(target), target) == metrics.LOWEST_DB
    assert metrics.sdr(np.zeros_like(target), target) == pytest.approx(0)


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="expected an estimate of shape"):
        metrics.si_sdr(noise(0), noise(0, (3999, 1)))


@pytest.mark.parametrize(("level", "active"), [(-29.9, True), (-30.1, False), (-200, False)])
def test_a_stem_is_active_above_30_dB_below_the_mixture(level: float, active: bool) -> None:
    mixture = noise(0)
    stem = mixture * np.float32(10 ** (level / 20))
    assert metrics.is_active(stem, mixture) is active
    assert metrics.level_db(stem, mixture) == pytest.approx(max(level, -120), abs=1e-3)


def test_nothing_is_active_in_a_silent_mixture() -> None:
    silence = np.zeros((100, 1), np.float32)
    assert not metrics.is_active(silence, silence)


def test_null_error_is_the_largest_difference_of_any_sample_and_channel() -> None:
    parts = [noise(seed, (100, 2)) for seed in range(3)]
    mixture = parts[0] + parts[1] + parts[2]
    assert metrics.null_error(parts, mixture) < 1e-6
    mixture[17, 1] += 0.25
    assert metrics.null_error(parts, mixture) == pytest.approx(0.25, abs=1e-6)


def test_summary_holds_mean_and_median_and_an_interval_around_the_mean() -> None:
    values = [1.0, 2.0, 3.0, 10.0]
    found = metrics.summarise(values, ["a", "b", "c", "d"])
    assert (found.mean, found.median, found.count) == (4.0, 2.5, 4)
    assert 1.0 <= found.low < found.mean < found.high <= 10.0
    assert found == metrics.summarise(values, ["a", "b", "c", "d"])


def test_interval_is_wider_when_clips_of_a_song_agree() -> None:
    values = list(np.repeat(np.random.default_rng(0).standard_normal(8), 10))
    apart = metrics.summarise(values, [str(index) for index in range(80)])
    together = metrics.summarise(values, [str(index // 10) for index in range(80)])
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(100):
        found = metrics.summarise(list(rng.normal(5, 2, 30)), [str(index) for index in range(30)])
        hits += found.low <= 5 <= found.high
    assert 85 <= hits <= 100


def test_summary_of_nothing_is_not_a_number() -> None:
    assert math.isnan(metrics.summarise([], []).mean)
