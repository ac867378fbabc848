"""The log-mel front end against the reference and itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch

from bandmate_server.model.mel import filter_bank
from bandmate_server.spec import MEL, MINI
from bandmate_training.networks.mel import LogMel

Reference = Callable[[str], dict[str, npt.NDArray[np.float32]]]
Array = npt.NDArray[np.float32]


def log_mel(wave: Array) -> Array:
    return np.asarray(LogMel(MEL)(torch.from_numpy(wave)).numpy())


def test_filter_bank_is_the_references(reference_arrays: Reference) -> None:
    np.testing.assert_allclose(filter_bank(MEL), reference_arrays("mel")["mel_basis"], atol=1e-8)


@pytest.mark.parametrize(
    ("name", "highest", "mean"),
    [("chirp", 1e-2, 2e-4), ("noise", 1e-4, 1e-4), ("short", 1e-4, 1e-4)],
)
def test_log_mel_is_the_references(
    reference_arrays: Reference, name: str, highest: float, mean: float
) -> None:
    data = reference_arrays("mel")
    wave = data[f"wave_{name}"].astype(np.float32) / 32768
    found = log_mel(np.pad(wave, (0, MINI.window_samples - len(wave))))
    error = np.abs(found - data[f"mel_{name}"].astype(np.float32))
    assert error.max() <= highest
    assert error.mean() <= mean


def test_log_mel_of_one_second_is_the_references(reference_arrays: Reference) -> None:
    data = reference_arrays("mel")
    error = np.abs(
        log_mel(data["wave_1s"].astype(np.float32)) - data["mel_1s_raw"][:100].astype(np.float32)
    )
    assert error.max() <= 1e-2
    assert error.mean() <= 2e-4


def test_silence_is_the_floor() -> None:
    np.testing.assert_allclose(log_mel(np.zeros(5120, np.float32)), np.log(1e-5), rtol=1e-6)


def test_silence_has_a_gradient_of_zero() -> None:
    wave = torch.zeros(1, 4 * MEL.hop * 8, requires_grad=True)
    LogMel(MEL)(wave).sum().backward()
    assert wave.grad is not None
    assert (wave.grad == 0).all()


def test_leading_axes_are_kept_and_every_wave_is_on_its_own() -> None:
    generator = torch.Generator().manual_seed(0)
    waves = 0.1 * torch.randn(2, 3, 5120, generator=generator)
    mel = LogMel(MEL)
    found = mel(waves)
    assert found.shape == (2, 3, 32, 64)
    torch.testing.assert_close(found[1, 2], mel(waves[1, 2]), atol=1e-4, rtol=1e-4)


def test_spectra_of_sources_sum_to_that_of_their_mixture() -> None:
    generator = torch.Generator().manual_seed(0)
    waves = 0.1 * torch.randn(5, 5120, generator=generator)
    mel = LogMel(MEL)
    torch.testing.assert_close(mel.stft(waves).sum(0), mel.stft(waves.sum(0)), atol=1e-4, rtol=1e-4)
