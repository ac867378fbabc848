"""The forward process against the reference, and v against its inverse."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch

from bandmate_server.model.schedule import cumulative_alphas
from bandmate_server.spec import MINI
from bandmate_training.learning.diffusion import (
    alphas_cumprod,
    clean_from_velocity,
    signal_and_noise,
    velocity,
)

Reference = Callable[[str], dict[str, npt.NDArray[np.float32]]]


def test_schedule_is_the_references(reference_arrays: Reference) -> None:
    expected = reference_arrays("schedule")
    abar = alphas_cumprod(MINI.schedule)
    np.testing.assert_allclose(abar.numpy(), expected["alphas_cumprod"], rtol=1e-6)
    alpha, sigma = signal_and_noise(abar, torch.arange(1000))
    np.testing.assert_allclose(alpha.flatten(), expected["sqrt_alphas_cumprod"], rtol=1e-6)
    np.testing.assert_allclose(
        sigma.flatten(), expected["sqrt_one_minus_alphas_cumprod"], rtol=1e-5
    )


def test_schedule_is_the_engines() -> None:
    found = alphas_cumprod(MINI.schedule).numpy()
    np.testing.assert_allclose(found, cumulative_alphas(MINI.schedule), rtol=1e-6)


@pytest.mark.parametrize("level", [0, 10, 500, 999])
def test_clean_latents_come_back_from_their_velocity(level: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x0, noise = torch.randn(2, 2, 4, 8, 16, 16, generator=generator)
    alpha, sigma = signal_and_noise(alphas_cumprod(MINI.schedule), torch.tensor([level, level]))
    x, v = alpha * x0 + sigma * noise, velocity(x0, noise, alpha, sigma)
    torch.testing.assert_close(clean_from_velocity(x, v, alpha, sigma), x0, atol=1e-5, rtol=1e-5)
