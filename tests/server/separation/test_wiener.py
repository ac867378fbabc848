"""Masks of two channels tell stems apart by where they stand."""

import numpy as np
import pytest

from bandmate_server import SeparateSettings, separate
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.stft import ComplexArray, sine_window, stft
from bandmate_server.model.bands import band_bins
from bandmate_server.model.model import Model
from bandmate_server.separation.wiener import wiener_filter
from bandmate_server.spec import BandSpec

GRID = BandSpec()
SAMPLES = 100 * GRID.hop


def noises(count: int) -> FloatArray:
    """Return waves (count, SAMPLES) that come and go, each at times of its own."""
    rng = np.random.default_rng(3)
    swell = np.repeat(rng.random((count, 25)) ** 3, SAMPLES // 25, axis=1)
    return np.asarray(0.1 * swell * rng.standard_normal((count, SAMPLES)), np.float32)


def placed(sources: FloatArray, angles: list[float]) -> FloatArray:
    """Return sources (S, N) as they stand in two channels (S, 2, N); 0 is left, 1 is right."""
    turns = 0.5 * np.pi * np.array(angles)
    gains = np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)
    return gains[:, :, None] * sources[:, None]


def spectra(waves: FloatArray) -> ComplexArray:
    """Return (..., frames, bins) of waves (..., N)."""
    window = sine_window(GRID.fft_size)
    return stft(waves.reshape(-1, SAMPLES), window, GRID.hop)[:, :-1].reshape(
        *waves.shape[:-1], -1, GRID.fft_size // 2 + 1
    )


def true_shares(stems: FloatArray) -> FloatArray:
    """Return the shares (2, S, frames, bands) of the stems' (S, 2, N) powers."""
    powers = np.add.reduceat(np.abs(spectra(stems)) ** 2, band_bins(GRID)[:-1], axis=-1) + 1e-9
    return np.asarray((powers / powers.sum(axis=0)).swapaxes(0, 1), np.float32)


def filtered(matrices: FloatArray, mixture: FloatArray) -> ComplexArray:
    """Return what matrices make of a mixture (2, N): spectra (S, 2, frames, bins)."""
    bins = np.repeat(matrices, np.diff(band_bins(GRID)), axis=-1)
    found: ComplexArray = np.einsum("nijsb,jnb->sinb", bins, spectra(mixture))
    return found


def error(found: ComplexArray, stems: FloatArray) -> float:
    """Return the mean error of spectra in dB of the stems."""
    true = spectra(stems)
    wrong, power = (np.square(np.abs(x)).sum(axis=(1, 2, 3)) for x in (found - true, true))
    return float(10 * np.log10(wrong / power).mean())


def by_shares(masks: FloatArray, mixture: FloatArray) -> ComplexArray:
    """Return what plain masks make of a mixture (2, N): spectra (S, 2, frames, bins)."""
    bins = np.repeat(masks.swapaxes(0, 1), np.diff(band_bins(GRID)), axis=-1)
    return np.asarray(bins * spectra(mixture))


def test_two_stems_in_two_places_come_apart_where_masks_must_share() -> None:
    stems = placed(noises(2), [0.2, 0.7])
    mixture, masks = stems.sum(axis=0), true_shares(stems)
    plain = error(by_shares(masks, mixture), stems)
    found = error(filtered(wiener_filter(masks, mixture, GRID), mixture), stems)
    assert found < plain - 4


def test_stems_in_one_place_are_shared_as_by_masks() -> None:
    stems = placed(noises(3), [0.4, 0.4, 0.4])
    mixture, masks = stems.sum(axis=0), true_shares(stems)
    found = filtered(wiener_filter(masks, mixture, GRID), mixture)
    masked = by_shares(masks, mixture)
    np.testing.assert_allclose(found, masked, atol=1e-3 * np.abs(masked).max())


@pytest.mark.parametrize("angles", [[0.2, 0.7, 0.5], [0.5, 0.5, 0.5], [0.0, 0.0, 0.0]])
def test_matrices_sum_to_the_identity(angles: list[float]) -> None:
    stems = placed(noises(3), angles)
    matrices = wiener_filter(true_shares(stems), stems.sum(axis=0), GRID)
    assert matrices.shape == (100, 2, 2, 3, GRID.bands)
    whole = np.broadcast_to(np.eye(2)[None, :, :, None], (100, 2, 2, GRID.bands))
    np.testing.assert_allclose(matrices.sum(axis=3), whole, atol=2e-3)


def test_silence_makes_no_numbers_that_are_none() -> None:
    stems = placed(noises(2), [0.2, 0.7])
    stems[..., SAMPLES // 2 :] = 0.0
    matrices = wiener_filter(true_shares(stems), stems.sum(axis=0), GRID)
    assert np.isfinite(matrices).all()
    assert np.abs(matrices).max() < 100


def test_equal_channels_get_what_one_channel_gets(mini: Model) -> None:
    wave = noises(1).T
    alone = separate(mini, wave, sample_rate=GRID.sample_rate, settings=SeparateSettings())
    found = separate(
        mini, np.repeat(wave, 2, axis=1), sample_rate=GRID.sample_rate, settings=SeparateSettings()
    )
    for name, stem in found.items():
        np.testing.assert_allclose(stem, np.repeat(alone[name], 2, axis=1), atol=1e-4)
        np.testing.assert_array_equal(stem[:, 0], stem[:, 1])
