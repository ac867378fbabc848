"""Mask targets and losses against computations in the STFT domain."""

from __future__ import annotations

import pytest
import torch

from bandmate_server.spec import BandSpec
from bandmate_training.learning.mask_targets import BandSums, distortion, mask_loss
from bandmate_training.networks.separator import Spectrum

SOURCES = 5
GRID = BandSpec()


def spectra(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    levels = torch.tensor([1.0, 0.5, 0.2, 0.05, 0.0])[:, None]
    waves = 0.1 * levels * torch.randn(2, SOURCES, 4000, generator=generator)
    return Spectrum(GRID).stft(waves)


def test_band_weights_sum_to_one_at_every_bin() -> None:
    weights = BandSums(GRID).weights
    assert weights.shape == (2 * (GRID.fft_size // 2 + 1), GRID.bands)
    torch.testing.assert_close(weights.sum(1), torch.ones(len(weights)))
    assert (weights >= 0).all()


def test_band_sums_keep_all_of_the_energy() -> None:
    x = spectra()
    bands = BandSums(GRID)(x)
    energy = x.abs().square()
    torch.testing.assert_close(bands.source.sum(-1), energy.sum(-1))
    torch.testing.assert_close(bands.mixture.sum(-1), x.sum(1).abs().square().sum(-1))
    torch.testing.assert_close(bands.cross.sum(1), bands.mixture, rtol=1e-4, atol=1e-5)


def _direct(masks: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The errors' energies (B, S + 1) of masks (B, S + 1, N, M), spread over bins and applied."""
    spread = masks @ BandSums(GRID).weights[::2].T
    return (spread * x.sum(1, keepdim=True) - x).abs().square().sum(dim=(2, 3))


def _decibels(errors: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    floor = 1e-3 * x.sum(1).abs().square().sum(dim=(1, 2))[:, None] + 1e-9
    return 10 * torch.log10((errors + floor) / (x.abs().square().sum(dim=(2, 3)) + floor))


def test_distortion_is_the_error_in_the_stft_domain() -> None:
    x = spectra()
    generator = torch.Generator().manual_seed(3)
    masks = torch.rand(2, SOURCES, x.shape[2], GRID.bands, generator=generator)
    found = distortion(masks, BandSums(GRID)(x))
    torch.testing.assert_close(found, _decibels(_direct(masks, x), x), rtol=1e-4, atol=1e-3)


def test_a_silent_source_is_asked_to_be_30_db_down_and_no_more() -> None:
    x = spectra()
    bands = BandSums(GRID)(x)
    found = distortion(torch.zeros(2, SOURCES, x.shape[2], GRID.bands), bands)
    assert found[:, -1].abs().max() < 1e-3
    leaked = distortion(torch.full_like(bands.source, 10 ** (-30 / 20)), bands)
    torch.testing.assert_close(leaked[:, -1], torch.full((2,), 3.0), atol=0.05, rtol=0)


def test_share_loss_is_least_at_the_true_shares() -> None:
    bands = BandSums(GRID)(spectra())
    power = bands.source + 1e-12
    true = (power / power.sum(1, keepdim=True)).log().requires_grad_()
    loss = mask_loss(true, bands)
    (gradient,) = torch.autograd.grad(loss, true)
    assert gradient.abs().max() < 1e-6
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        other = true.detach() + 0.3 * torch.randn(true.shape, generator=generator)
        assert mask_loss(other, bands) > loss


def test_share_loss_weighs_loud_cells_more_and_ignores_the_level() -> None:
    x = spectra()
    logits = torch.zeros(2, SOURCES, x.shape[2], GRID.bands)
    loss = mask_loss(logits, BandSums(GRID)(x))
    assert loss == pytest.approx(float(mask_loss(logits, BandSums(GRID)(8 * x))), rel=1e-4)


def test_losses_of_silence_are_finite() -> None:
    x = torch.zeros(1, SOURCES, 8, GRID.fft_size // 2 + 1, dtype=torch.complex64)
    bands = BandSums(GRID)(x)
    masks = torch.full((1, SOURCES, 8, GRID.bands), 0.2)
    assert torch.isfinite(mask_loss(masks.log(), bands))
    assert torch.isfinite(distortion(masks, bands)).all()
