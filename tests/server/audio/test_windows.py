"""Regions and the windows over them."""

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.sources import ArraySource
from bandmate_server.audio.windows import (
    FrameReader,
    Layout,
    Region,
    cross_fade,
    fade_weights,
    find_region,
    model_waves,
    plan_windows,
)
from bandmate_server.errors import RegionError
from bandmate_server.spec import MINI

WINDOW = MINI.window_latents


def test_whole_audio_is_the_region_by_default() -> None:
    assert find_region(None, None, 44_100, 1_234) == Region(0, 1_234)


def test_region_is_in_frames_of_the_file() -> None:
    assert find_region(0.5, 1.25, 48_000, 96_000) == Region(24_000, 36_000)


def test_end_may_be_rounded_up_by_a_millisecond() -> None:
    assert find_region(None, 3.0, 44_100, 132_299).stop == 132_299


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (2.0, 1.0, "reversed"),
        (1.0, 1.0, "empty"),
        (0.5, 99.0, "past the end"),
        (10.0, None, "past the end"),
        (99.0, None, "past the end"),
        (-1.0, None, "start is -1"),
        (None, math.nan, "end is nan"),
        (None, math.inf, "end is inf"),
        (1.0, 1.0 + 1e-6, "empty"),
    ],
)
def test_region_that_does_not_fit_is_refused(
    start: float | None, end: float | None, words: str
) -> None:
    with pytest.raises(RegionError, match=words):
        find_region(start, end, 44_100, 441_000)


@settings(max_examples=300, deadline=None)
@given(
    rate=st.sampled_from([8_000, 11_025, 16_000, 44_100, 48_000, 192_000]),
    frames=st.integers(1, 4_000_000),
    places=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_windows_cover_the_region_and_lie_in_the_audio(
    rate: int, frames: int, places: tuple[float, float]
) -> None:
    start = min(int(min(places) * frames), frames - 1)
    stop = max(int(max(places) * frames), start + 1)
    region = Region(start, stop - start)
    layout = plan_windows(region, rate, frames, MINI)
    per_latent = MINI.latent_hop * rate / MINI.mel.sample_rate
    first, last = layout.starts[0], layout.stop
    assert 0 <= layout.origin <= start
    assert layout.origin + first * per_latent <= start
    assert layout.origin + last * per_latent >= stop
    assert layout.window % MINI.latent_multiple == 0
    # Zeros only where the file ends within the last latent frame, or is shorter than a window.
    beyond = layout.origin + last * per_latent - frames
    if len(layout.starts) > 1:
        assert beyond <= per_latent
    else:
        assert beyond <= MINI.latent_multiple * per_latent
    for earlier, later in pairwise(layout.starts):
        assert WINDOW // 8 <= later - earlier <= WINDOW - layout.overlap


@pytest.mark.parametrize(
    ("seconds", "start", "stop", "count"),
    [
        (10.24, 0, 10.24, 1),
        (60, 20, 25, 1),
        (60, 20, 30.24, 2),
        (60, 0, 60, 8),
        (3_600, 0, 3_600, 469),
    ],
)
def test_there_are_no_more_windows_than_needed(
    seconds: float, start: float, stop: float, count: int
) -> None:
    rate = 48_000
    region = Region(round(start * rate), round((stop - start) * rate))
    layout = plan_windows(region, rate, round(seconds * rate), MINI)
    assert len(layout.starts) == count


def test_short_region_is_heard_with_the_music_around_it() -> None:
    rate = 16_000
    layout = plan_windows(Region(20 * rate, rate // 100), rate, 60 * rate, MINI)
    begin = layout.origin + layout.starts[0] * MINI.latent_hop
    assert len(layout.starts) == 1
    assert layout.window == WINDOW
    assert abs((begin + WINDOW * MINI.latent_hop / 2) - 20 * rate) < MINI.latent_hop * 2


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_model_hears_the_right_place_of_the_file(rate: int) -> None:
    seconds = 40
    time = np.arange(seconds * rate) / rate
    audio = np.stack([np.sin(2 * np.pi * 50 * time) * time / seconds, 0 * time], axis=1)
    region = Region(12 * rate, 15 * rate)
    layout = plan_windows(region, rate, len(audio), MINI)
    waves = list(model_waves(ArraySource(audio.astype(np.float32), rate), layout, 2.0, MINI))
    assert [start for start, _ in waves] == list(layout.starts)
    for start, (wave,) in waves:
        at = layout.origin / rate + start * 0.04 + np.arange(len(wave)) / MINI.mel.sample_rate
        expected = np.sin(2 * np.pi * 50 * at) * at / seconds  # mean of two channels, times 2
        inside = (at > layout.origin / rate + 0.1) & (at < seconds - 0.1)
        np.testing.assert_allclose(wave[inside], expected[inside], atol=2e-4)


@pytest.mark.parametrize(("channels", "rows"), [(1, 1), (2, 2), (3, 1), (8, 1)])
def test_two_channels_may_be_heard_one_by_one(channels: int, rows: int) -> None:
    sides = np.linspace(0.1, 0.5, channels, dtype=np.float32)
    audio = sides * np.random.default_rng(0).standard_normal((30_000, 1)).astype(np.float32)
    layout = Layout(0, 24, 8, (0, 16))
    source = ArraySource(audio, 16_000)
    mean = list(model_waves(source, layout, 2.0, MINI))
    for (_, apart), (_, (wave,)) in zip(
        model_waves(source, layout, 2.0, MINI, apart=True), mean, strict=True
    ):
        assert apart.shape == (rows, 24 * MINI.latent_hop)
        expected = sides[:, None] / sides.mean() * wave if rows > 1 else wave[None]
        np.testing.assert_allclose(apart, expected, atol=1e-5)


def test_model_hears_zeros_only_after_the_end() -> None:
    audio = np.ones((5_000, 1), np.float32)
    layout = Layout(0, 8, 64, (0,))
    ((_, (wave,)),) = model_waves(ArraySource(audio, 16_000), layout, 1.0, MINI)
    assert wave.shape == (5_120,)
    assert wave[:5_000].all()
    assert not wave[5_000:].any()


def test_fade_weights_of_neighbours_complement_each_other() -> None:
    weights = fade_weights(16, 4)
    np.testing.assert_allclose(weights[:4] + weights[-4:], 1.0)
    assert (weights[4:-4] == 1.0).all()


@given(starts=st.lists(st.integers(1, 12), max_size=8), ramp=st.integers(0, 8))
def test_cross_fade_of_agreeing_pieces_is_their_stream(starts: list[int], ramp: int) -> None:
    places = np.cumsum([0, *starts])
    stream = np.random.default_rng(0).standard_normal((int(places[-1]) + 12, 3)).astype(np.float32)
    pieces = [(int(place), stream[place : place + 12]) for place in places]
    found = np.concatenate(list(cross_fade(pieces, ramp)))
    np.testing.assert_allclose(found, stream, atol=1e-5)


def test_cross_fade_goes_smoothly_from_one_piece_to_the_next() -> None:
    pieces = [(0, np.zeros((8, 1), np.float32)), (4, np.ones((8, 1), np.float32))]
    found = np.concatenate(list(cross_fade(pieces, 4)))[:, 0]
    np.testing.assert_allclose(found, [0] * 4 + [0.125, 0.375, 0.625, 0.875] + [1] * 4)


def test_tape_gives_any_portions_and_zeros_after_the_end() -> None:
    def pieces() -> Iterator[FloatArray]:
        for start in range(0, 10, 5):
            yield np.arange(start, start + 5, dtype=np.float32)[:, None]

    tape = FrameReader(pieces(), 1)
    assert tape.take(0).shape == (0, 1)
    assert tape.take(3)[:, 0].tolist() == [0, 1, 2]
    assert tape.take(6)[:, 0].tolist() == [3, 4, 5, 6, 7, 8]
    assert tape.take(3)[:, 0].tolist() == [9, 0, 0]
