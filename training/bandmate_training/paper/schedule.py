"""Every number that the published diffusion derives from its noise levels."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from bandmate_server.spec import ScheduleSpec

Float64Array = npt.NDArray[np.float64]


def betas(spec: ScheduleSpec) -> Float64Array:
    """Return the variance that every step adds (steps,), linear in its square root."""
    ends = math.sqrt(spec.beta_start), math.sqrt(spec.beta_end)
    squares: Float64Array = np.linspace(*ends, spec.steps) ** 2
    return squares


def buffers(spec: ScheduleSpec) -> dict[str, npt.NDArray[np.float32]]:
    """Return name -> values (steps,) as published checkpoints store them, in their order.

    Source: Ho et al. 2020 (DDPM), eq. 5 to 12; computed in float64, rounded once. The weights
    of the variational bound (`lvlb_weights`) are computed from the rounded ones.
    """
    beta = betas(spec)
    alpha = 1.0 - beta
    abar = np.cumprod(alpha)
    before = np.append(1.0, abar[:-1])
    variance = beta * (1.0 - before) / (1.0 - abar)
    found = {
        "betas": beta,
        "alphas_cumprod": abar,
        "alphas_cumprod_prev": before,
        "sqrt_alphas_cumprod": np.sqrt(abar),
        "sqrt_one_minus_alphas_cumprod": np.sqrt(1.0 - abar),
        "log_one_minus_alphas_cumprod": np.log(1.0 - abar),
        "sqrt_recip_alphas_cumprod": np.sqrt(1.0 / abar),
        "sqrt_recipm1_alphas_cumprod": np.sqrt(1.0 / abar - 1.0),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": np.log(np.maximum(variance, 1e-20)),
        "posterior_mean_coef1": beta * np.sqrt(before) / (1.0 - abar),
        "posterior_mean_coef2": (1.0 - before) * np.sqrt(alpha) / (1.0 - abar),
    }
    stored = {name: value.astype(np.float32) for name, value in found.items()}
    return stored | {"lvlb_weights": _bound_weights(stored, alpha.astype(np.float32))}


def _bound_weights(
    stored: dict[str, npt.NDArray[np.float32]], alpha: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return what the squared error weighs in the variational bound; level 0 as level 1."""
    beta, variance = stored["betas"], stored["posterior_variance"]
    rest = np.float32(1) - stored["alphas_cumprod"]
    weights = np.empty_like(beta)
    weights[1:] = beta[1:] ** 2 / (2 * variance[1:] * alpha[1:] * rest[1:])
    weights[0] = weights[1]
    return weights
