"""The cache of latents: what is held, and for how long."""

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.model.latent_cache import LatentCache


def wave(value: float) -> FloatArray:
    return np.full(4, value, np.float32)


def test_a_wave_is_encoded_once() -> None:
    cache = LatentCache()
    seen: list[float] = []

    def encode(wave: FloatArray) -> FloatArray:
        seen.append(float(wave[0]))
        return wave * 2

    for value in (1.0, 2.0, 1.0, 1.0):
        np.testing.assert_array_equal(cache.find(wave(value), encode), wave(2 * value))
    assert seen == [1.0, 2.0]
    assert (cache.hits, cache.misses, len(cache)) == (2, 2, 2)


def test_latents_not_used_for_longest_go_first() -> None:
    cache = LatentCache(most=32)  # two of them
    for value in (1.0, 2.0, 1.0, 3.0, 1.0):
        cache.find(wave(value), np.copy)
    assert (cache.hits, cache.bytes, len(cache)) == (2, 32, 2)
    cache.find(wave(2.0), np.copy)
    assert cache.misses == 4
    cache.clear()
    assert (cache.bytes, len(cache)) == (0, 0)


def test_a_latent_larger_than_the_cache_is_returned_and_not_held() -> None:
    cache = LatentCache(most=8)
    np.testing.assert_array_equal(cache.find(wave(1.0), np.copy), wave(1.0))
    assert (cache.bytes, len(cache)) == (0, 0)
