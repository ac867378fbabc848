"""Masks of what is heard at several speeds."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.model.bands import band_centres
from bandmate_server.model.model import Model
from bandmate_server.separation.ensemble import change_speed, ensemble_masks, softmax, undo_speed
from bandmate_server.spec import BandSpec

GRID = BandSpec()
SPEEDS = (0.8, 0.93, 1.07, 1.25)


def centres() -> NDArray[np.float64]:
    """Return the bands' centres, the lowest one above zero."""
    return np.maximum(band_centres(GRID), 1.0)


def noise(rows: int, samples: int) -> FloatArray:
    return (0.1 * np.random.default_rng(1).standard_normal((rows, samples))).astype(np.float32)


@pytest.mark.parametrize("speed", SPEEDS)
def test_a_tone_that_is_played_faster_is_shorter_and_higher(speed: float) -> None:
    time = np.arange(2 * GRID.sample_rate) / GRID.sample_rate
    wave = np.sin(2 * np.pi * 440 * time).astype(np.float32)
    quiet, played = change_speed(np.stack([0.5 * wave, wave]), speed, multiple=5120)
    np.testing.assert_allclose(quiet, 0.5 * played, atol=1e-6)
    assert len(played) % 5120 == 0
    sounding = np.flatnonzero(np.abs(played) > 0.01)[-1]
    assert sounding == pytest.approx(len(wave) / speed, abs=40)
    middle = played[4000:20_000] * np.hanning(16_000)
    hertz = np.abs(np.fft.rfft(middle)).argmax() * GRID.sample_rate / len(middle)
    assert hertz == pytest.approx(440 * speed, abs=1)


@pytest.mark.parametrize("speed", SPEEDS)
def test_a_place_in_time_and_frequency_is_found_again(speed: float) -> None:
    """A ridge at 1 s and 600 Hz lies elsewhere when played; it comes back to where it was."""
    frames = round(3 * GRID.sample_rate / GRID.hop / speed)
    seconds = np.arange(frames) * GRID.hop / GRID.sample_rate
    slopes = np.abs(seconds - 1 / speed)[:, None] + np.abs(np.log(centres() / (600 * speed)))
    logits = -np.stack([[slopes, slopes]]).astype(np.float32)
    back = undo_speed(logits, speed, 100, GRID)
    assert back.shape == (1, 2, 100, GRID.bands)
    frame, band = np.unravel_index(back[0, 1].argmax(), back[0, 1].shape)
    assert frame * GRID.hop / GRID.sample_rate == pytest.approx(1.0, abs=0.03)
    assert centres()[band] == pytest.approx(600, abs=20)


def heard(mini: Model, waves: FloatArray, *speeds: float) -> FloatArray:
    return ensemble_masks(Model(replace(mini.bundle, mask_speeds=speeds), "cpu"), waves)


@pytest.mark.parametrize("samples", [5120, 4 * 5120])
def test_shares_are_the_mean_over_the_speeds_and_sum_to_one(mini: Model, samples: int) -> None:
    waves = noise(1, samples)
    once, slow, fast = (heard(mini, waves, speed) for speed in (1.0, 0.9, 1.1))
    mean = heard(mini, waves, 1.0, 0.9, 1.1)
    np.testing.assert_allclose(mean, (once + slow + fast) / 3, atol=1e-5)
    assert slow.shape == once.shape == (1, 5, samples // GRID.hop, GRID.bands)
    np.testing.assert_allclose(mean.sum(axis=1), 1.0, atol=1e-5)


def test_one_speed_is_what_the_separator_says(mini: Model) -> None:
    waves = noise(1, 5120)
    expected = softmax(mini.mask_logits(waves), axis=1)
    np.testing.assert_array_equal(heard(mini, waves, 1.0), expected)


def test_every_channel_is_heard_by_itself_at_one_speed_less(mini: Model) -> None:
    waves = noise(2, 5120)
    both = heard(mini, waves, 1.0, 0.9, 1.1)
    alone = np.concatenate([heard(mini, wave[None], 1.0, 0.9) for wave in waves])
    np.testing.assert_allclose(both, alone, atol=1e-4)
    assert np.abs(both[0] - both[1]).max() > 0.01


def test_channels_that_are_alike_are_heard_once(mini: Model) -> None:
    wave = noise(1, 5120)
    np.testing.assert_array_equal(
        heard(mini, np.repeat(wave, 2, axis=0), 1.0, 0.9),
        np.repeat(heard(mini, wave, 1.0, 0.9), 2, axis=0),
    )


def test_the_shipped_model_hears_at_several_speeds(mini: Model) -> None:
    assert len(mini.bundle.mask_speeds) > 1
    assert 1.0 in mini.bundle.mask_speeds
