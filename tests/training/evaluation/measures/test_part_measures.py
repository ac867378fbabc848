"""Raw figures of parts, against known answers."""

from __future__ import annotations

import io
import math

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from bandmate_server.spec import MEL
from bandmate_training.evaluation.measures.clarity import clarity
from bandmate_training.evaluation.measures.kernel import kernel_distance
from bandmate_training.evaluation.measures.transcription import BasicPitch, figures_of, find_network
from bandmate_training.evaluation.spectrograms import HEIGHT, WIDTH, decibels, draw_spectrograms

FloatArray = npt.NDArray[np.float32]
SECONDS = 4


def harmonics(key: float, seconds: float = SECONDS) -> FloatArray:
    t = np.arange(round(seconds * MEL.sample_rate)) / MEL.sample_rate
    pitch = 440 * 2 ** ((key - 69) / 12)
    partials = [np.sin(2 * np.pi * pitch * n * t) / n for n in range(1, 6)]
    swell = np.minimum(1, 50 * np.minimum(t, t[::-1]))  # a sudden edge is an onset at all pitches
    wave: FloatArray = (0.1 * swell * np.sum(partials, axis=0)).astype(np.float32)
    return wave


def noise(seed: int = 0) -> FloatArray:
    wave = np.random.default_rng(seed).standard_normal(SECONDS * MEL.sample_rate)
    return (0.1 * wave).astype(np.float32)


@pytest.mark.parametrize("keys", [(45,), (52, 57, 61), (40, 47, 52, 56, 59, 64)])
def test_chords_are_clear_and_noise_is_not(keys: tuple[int, ...]) -> None:
    chord: FloatArray = np.sum([harmonics(k) for k in keys], axis=0, dtype=np.float32)
    assert clarity(chord) > 0.9
    assert clarity(noise()) < 0.03
    assert clarity(noise()) < clarity(chord + noise()) < clarity(chord)


def test_silence_has_no_clarity_and_loudness_does_not_matter() -> None:
    assert math.isnan(clarity(np.zeros(MEL.sample_rate, np.float32)))
    wave = harmonics(50) + 0.3 * noise()
    assert clarity(wave) == pytest.approx(clarity(np.float32(0.1) * wave), abs=1e-3)


def test_sets_of_one_kind_are_no_distance_apart() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, 300, 8))
    assert abs(kernel_distance(one, other)) < 3
    near, far = (kernel_distance(one + shift, other) for shift in (0.3, 1.0))
    assert 3 < near < far


def test_the_kernel_distance_is_the_textbook_sum() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((5, 3)), rng.standard_normal((6, 3)) + 1
    pairs = [float(np.sum((x - y) ** 2)) for k, x in enumerate(b) for y in b[k + 1 :]]
    width = float(np.median(pairs))

    def kernel(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
        return math.exp(-float(np.sum((x - y) ** 2)) / (2 * width))

    own = np.mean([kernel(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j])
    other = np.mean([kernel(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j])
    cross = np.mean([kernel(x, y) for x in a for y in b])
    assert kernel_distance(a, b) == pytest.approx(1000 * (own + other - 2 * cross))


def test_sets_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="got shapes"):
        kernel_distance(np.zeros((3, 2)), np.zeros((3, 4)))


def test_note_figures_count_starts_lengths_and_voices() -> None:
    sounding, starting = np.zeros((2, 100, 88), np.float32)
    sounding[10:30, 40] = sounding[10:30, 44] = sounding[50:60, 47] = 0.9
    starting[10, 40] = starting[10, 44] = starting[50, 47] = 0.8
    found = figures_of(sounding, starting, 0.01)
    assert (found.rate, found.length) == pytest.approx((3.0, 0.5 / 3))
    assert found.at_once == pytest.approx(50 / 30)
    none = figures_of(np.zeros((10, 88), np.float32), np.zeros((10, 88), np.float32), 0.01)
    assert none.rate == 0 and math.isnan(none.length) and none.at_once == 0


@pytest.mark.skipif(find_network() is None, reason="Basic Pitch is not installed")
def test_basic_pitch_finds_the_notes_of_a_scale() -> None:
    rest = np.zeros(MEL.sample_rate // 10, np.float32)
    keys = (60, 62, 64, 65, 67)
    wave = np.concatenate([part for key in keys for part in (harmonics(key, 0.5), rest)])
    network = BasicPitch()
    sounding, _ = network.activations(wave)
    assert len(sounding) == -(-len(wave) * 22_050 // (MEL.sample_rate * 256))
    strongest = sounding.max(0).argsort()[-5:] + 21
    assert sorted(strongest) == list(keys)
    figures = network.figures(wave)
    assert figures.rate == pytest.approx(5 / 3, rel=0.35)
    assert 1 <= figures.at_once < 2  # overtones count now and then


def test_spectrograms_are_large_enough_to_see_notes() -> None:
    waves = [("a chord", harmonics(60)), ("silence", np.zeros_like(harmonics(60)))]
    with Image.open(io.BytesIO(draw_spectrograms(waves))) as picture:
        assert picture.size == (WIDTH, 2 * HEIGHT)
    levels = decibels(harmonics(69))
    assert np.argmax(levels.mean(0)) == round(440 * 2048 / MEL.sample_rate)
    assert decibels(np.zeros(8000, np.float32)).max() < -40
