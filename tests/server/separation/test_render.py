"""Masks on the original audio: exact sums, exact positions, at any rate."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.sources import ArraySource
from bandmate_server.audio.windows import Region
from bandmate_server.model.bands import band_bins, band_centres
from bandmate_server.separation.render import (
    FrameStream,
    band_weights,
    fft_size,
    render_masks,
    strongest_bands,
)
from bandmate_server.spec import MEL, BandSpec, MelSpec

RATES = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000]


def noise(frames: int, channels: int) -> FloatArray:
    values = np.random.default_rng(0).standard_normal((frames, channels))
    return (0.1 * values).astype(np.float32)


def render(
    audio: FloatArray,
    rate: int,
    masks: FloatArray,
    region: Region | None = None,
    origin: int = 0,
    threads: int = 2,
) -> tuple[FloatArray, FloatArray]:
    """Return the region's audio (n, channels) and its stems (S, n, channels).

    Masks (n, S, bands) are those of all channels, (n, R, R, S, bands) matrices.
    """
    track = FrameStream(iter([masks if masks.ndim == 5 else masks[:, None, None]]), 0)
    chosen = region or Region(0, len(audio))
    blocks = list(render_masks(ArraySource(audio, rate), chosen, track, origin, MEL, threads))
    return (
        np.concatenate([block for block, _ in blocks]),
        np.concatenate([stems for _, stems in blocks], axis=1),
    )


@pytest.mark.parametrize("rate", RATES)
def test_window_is_about_64_ms_and_quick_to_transform(rate: int) -> None:
    size = fft_size(rate)
    assert size % 4 == 0
    assert 0.064 <= size / rate < 0.068
    for factor in (2, 3, 5):
        while size % factor == 0:
            size //= factor
    assert size == 1


@pytest.mark.parametrize("grid", [MEL, BandSpec()])
@pytest.mark.parametrize("rate", RATES)
def test_band_weights_of_every_bin_sum_to_one(rate: int, grid: MelSpec | BandSpec) -> None:
    weights = band_weights(grid, rate, fft_size(rate))
    assert weights.min() >= 0.0
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, atol=1e-6)


@pytest.mark.parametrize("grid", [MEL, BandSpec()])
@pytest.mark.parametrize("rate", RATES)
def test_the_strongest_bands_of_every_bin_have_all_its_weight(
    rate: int, grid: MelSpec | BandSpec
) -> None:
    weights = band_weights(grid, rate, fft_size(rate))
    bands, chosen = strongest_bands(weights)
    again = np.zeros_like(weights)
    np.put_along_axis(again, bands, chosen, axis=0)
    np.testing.assert_array_equal(again, weights)


@pytest.mark.parametrize("grid", [MEL, BandSpec()])
def test_bin_at_a_band_centre_follows_that_band(grid: MelSpec | BandSpec) -> None:
    size = 16_000
    weights = band_weights(grid, 16_000, size)  # bins of 1 Hz
    centres = band_centres(grid)
    for band in (0, 10, 40, 60):
        assert weights[band, round(centres[band])] > 0.95


def test_bands_of_masks_are_single_bins_below_and_ever_wider_above() -> None:
    widths = np.diff(band_bins(BandSpec()))
    assert len(widths) == 128
    assert (widths[:64] == 1).all()
    assert (np.diff(widths) >= -1).all()  # but for rounding
    assert widths[-1] > 10
    assert widths.sum() == 513


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("frames", [1, 37, 5_000, 30_011])
def test_mask_of_ones_gives_the_input_back(rate: int, frames: int) -> None:
    audio = noise(frames, 2)
    masks = np.ones((1 + frames * 100 // rate, 1, MEL.bands), np.float32)
    original, stems = render(audio, rate, masks)
    np.testing.assert_array_equal(original, audio)
    np.testing.assert_allclose(stems[0], audio, atol=1e-6)


def test_matrices_lead_from_all_channels_to_all() -> None:
    audio = noise(20_000, 2)
    matrices = np.random.default_rng(2).random((70, 2, 2, 3, MEL.bands), np.float32)
    _, stems = render(audio, 16_000, matrices)
    for out in range(2):
        _, left = render(audio[:, :1], 16_000, matrices[:, out, 0])
        _, right = render(audio[:, 1:], 16_000, matrices[:, out, 1])
        np.testing.assert_allclose(stems[..., out : out + 1], left + right, atol=1e-6)


def test_threads_do_not_change_the_result() -> None:
    audio = noise(100_000, 2)
    masks = np.random.default_rng(1).random((230, 3, MEL.bands), np.float32)
    one, three = (render(audio, 44_100, masks, threads=threads)[1] for threads in (1, 3))
    np.testing.assert_array_equal(one, three)


def test_region_in_the_middle_is_filtered_as_in_the_whole() -> None:
    rate, audio = 44_100, noise(60_000, 1)
    masks = np.random.default_rng(1).random((140, 2, MEL.bands), np.float32)
    _, whole = render(audio, rate, masks)
    _, part = render(audio, rate, masks, Region(20_000, 17_001))
    # Frames lie elsewhere, so cells differ, but not by much.
    difference = part[0] - whole[0, 20_000:37_001]
    assert np.sqrt(np.mean(difference**2)) < 0.1 * np.sqrt(np.mean(whole[0] ** 2))


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_mask_opens_at_the_time_of_its_mel_frame(rate: int) -> None:
    audio = np.ones((2 * rate, 1), np.float32) * np.sin(np.arange(2 * rate))[:, None]
    masks = np.zeros((200, 1, MEL.bands), np.float32)
    masks[100:] = 1.0
    _, stems = render(audio.astype(np.float32), rate, masks)
    window = rate // 50
    power = np.convolve(stems[0, :, 0] ** 2, np.ones(window) / window, "same")
    opens = int(np.argmax(power > 0.125)) / rate  # half the amplitude, a quarter of the power
    assert abs(opens - 0.995) < 0.01  # between the last closed frame and the first open one


def test_tone_goes_to_the_stem_that_owns_its_band() -> None:
    rate = 48_000
    tone = np.sin(2 * np.pi * 440.0 * np.arange(rate) / rate)[:, None].astype(np.float32)
    masks = np.zeros((101, 2, MEL.bands), np.float32)
    split = int(np.searchsorted(band_centres(MEL), 1_000.0))
    masks[:, 0, :split], masks[:, 1, split:] = 1.0, 1.0
    _, stems = render(tone, rate, masks)
    inner = slice(rate // 10, -rate // 10)
    np.testing.assert_allclose(stems[0, inner], tone[inner], atol=1e-3)
    assert np.abs(stems[1, inner]).max() < 1e-3


def test_track_interpolates_and_holds_its_ends() -> None:
    def pieces() -> Iterator[FloatArray]:
        for start in range(0, 12, 3):
            yield np.arange(start, start + 3, dtype=np.float32)[:, None]

    track = FrameStream(pieces(), 10)
    np.testing.assert_allclose(track.at(np.array([4.0, 10.25]))[:, 0], [0.0, 0.25])
    np.testing.assert_allclose(track.at(np.array([12.5, 17.75]))[:, 0], [2.5, 7.75])
    np.testing.assert_allclose(track.at(np.array([20.5, 40.0]))[:, 0], [10.5, 11.0])


def test_track_forgets_what_is_past() -> None:
    taken = []

    def pieces() -> Iterator[FloatArray]:
        for start in range(0, 1000, 10):
            taken.append(start)
            yield np.zeros((10, 1), np.float32)

    track = FrameStream(pieces(), 0)
    for earlier, later in pairwise(range(0, 500, 5)):
        track.at(np.array([earlier, later], np.float64))
    assert len(track) < 30
    assert taken[-1] < 520
