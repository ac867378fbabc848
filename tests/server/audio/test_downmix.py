"""Many channels to one: nothing that sounds may vanish, and what is in phase stays as it is."""

import numpy as np
import pytest

from bandmate_server.audio.downmix import aligned_mean, polarity
from bandmate_server.audio.level import measure_level

RATE = 44_100  # Hz


def noise(*shape: int, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


@pytest.mark.parametrize("signs", [(1, -1), (1, 1, -1), (1, -1, 1, -1), (1, -1, -1, 1, 1, -1, 1)])
def test_inverted_channels_are_as_loud_as_in_phase(signs: tuple[int, ...]) -> None:
    mono = noise(RATE, 1)
    turned = mono * np.array([signs], np.float32)
    np.testing.assert_allclose(np.abs(aligned_mean(turned)), np.abs(mono[:, 0]), atol=1e-7)
    level = measure_level(iter([turned]), RATE, "it")
    assert level.rms == pytest.approx(measure_level(iter([mono]), RATE, "it").rms, rel=1e-5)


def test_pairs_in_opposite_phase_both_sound() -> None:
    one, two = noise(RATE, seed=1), noise(RATE, seed=2)
    mix = aligned_mean(np.stack([one, -one, two, -two], axis=1))
    for part in (one, two):
        assert abs(float(mix @ part)) > 0.4 * float(part @ part)


@pytest.mark.parametrize("channels", [1, 2, 3, 8])
def test_channels_in_phase_or_unlike_are_averaged(channels: int) -> None:
    common, own = noise(RATE, 1), noise(RATE, channels, seed=3)
    for audio in (np.repeat(common, channels, axis=1), common + own, np.zeros_like(own)):
        np.testing.assert_array_equal(aligned_mean(audio), audio.mean(axis=1))


def test_one_channel_alone_is_enough() -> None:
    audio = np.zeros((RATE, 6), np.float32)
    audio[:, 4] = noise(RATE)
    assert (polarity(audio) == 1.0).all()
    assert np.abs(aligned_mean(audio)).max() > 0.0
