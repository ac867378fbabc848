"""Diffusion sampling as pure functions: schedule, steps, solvers, inpainting.

A denoiser estimates the clean latents x0 at a noise level, whatever it was trained to predict.
Noise level t has x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) n.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.options import Solver

Cond = TypeVar("Cond")  # what one half of the guidance knows
Estimate = Callable[[FloatArray, int], FloatArray]  # (noisy latents, level) -> clean latents


class Noise(Protocol):
    """Where fresh noise comes from; calls with the same arguments return the same values."""

    def __call__(self, draw: int) -> FloatArray:
        """Return standard normal noise of the latents' shape for the given draw."""


@dataclass(frozen=True)
class SolverStep:
    """One step: from noise level `timestep` with abar = `alpha` to the level with `alpha_prev`."""

    timestep: int
    alpha: float
    alpha_prev: float


@dataclass(frozen=True)
class Inpainting:
    """Latents that are given: where `mask` is 1 they replace x at every step.

    latents: clean, of x's shape.
    mask: broadcasts to x's shape, 1 = given.
    noise: fresh noise for the k-th step.
    """

    latents: FloatArray
    mask: FloatArray
    noise: Noise


def reference_steps(alphas: FloatArray, count: int) -> list[SolverStep]:
    """Return the DDIM steps of the published system, first to run first.

    The levels are 1, 1 + c, 1 + 2c, ... with c = 1000 // count: a count that does not
    divide 1000 gives some more steps. The last step ends at abar[0], not at 1.

    Args:
        alphas: abar of every training step.
        count: 1 to 999.
    """
    timesteps = np.arange(1, len(alphas), len(alphas) // count)
    pairs = zip(timesteps, [0, *timesteps[:-1]], strict=True)
    steps = [SolverStep(int(a), float(alphas[a]), float(alphas[b])) for a, b in pairs]
    return steps[::-1]


def trailing_steps(alphas: FloatArray, count: int, highest: int | None = None) -> list[SolverStep]:
    """Return `count` evenly spaced steps from the highest noise level down to none.

    Source: Lin et al. 2024, "Common diffusion noise schedules", trailing spacing.

    Args:
        alphas: abar of every training step.
        count: 1 to 999; at most one step is made for every level.
        highest: the level to start at; None is the last.
    """
    top = len(alphas) if highest is None else highest + 1
    count = min(count, top)
    timesteps = np.round(top - np.arange(count) * top / count).astype(int) - 1
    after = [*(float(alphas[timestep]) for timestep in timesteps[1:]), 1.0]
    return [SolverStep(int(a), float(alphas[a]), b) for a, b in zip(timesteps, after, strict=True)]


def add_noise(clean: FloatArray, noise: FloatArray, alpha: float) -> FloatArray:
    """Return clean latents at the noise level with abar = alpha."""
    return math.sqrt(alpha) * clean + math.sqrt(1.0 - alpha) * noise


def renoise(x: FloatArray, noise: FloatArray, step: SolverStep) -> FloatArray:
    """Return latents at a step's end with the noise put back that they had at its beginning."""
    kept = step.alpha / step.alpha_prev
    return math.sqrt(kept) * x + math.sqrt(1.0 - kept) * noise


def cfg_terms(guidance: float, cond: Cond, uncond: Cond) -> list[tuple[float, Cond]]:
    """Return the weights of the conditional and the unconditional estimate, with what each knows.

    w = 1 leaves only the first, w = 0 only the second: a weight of 0 need not be computed.
    """
    halves = [(guidance, cond), (1.0 - guidance, uncond)]
    return [half for half in halves if half[0] != 0.0]


def ddim_sigma(step: SolverStep, eta: float) -> float:
    """Return the deviation of the fresh noise of a DDIM step."""
    a, b = step.alpha, step.alpha_prev
    return eta * math.sqrt((1.0 - b) / (1.0 - a) * (1.0 - a / b))


def ddim_step(
    x: FloatArray, x0: FloatArray, step: SolverStep, eta: float, noise: FloatArray
) -> FloatArray:
    """Move to the next, less noisy level.

    Args:
        x: noisy latents, any shape.
        x0: the estimate of the clean ones.
        step: from where to where.
        eta: 0 deterministic .. 1 as noisy as the training process.
        noise: standard normal.

    Source: Song et al. 2021 (DDIM), eq. 12 and 16; sigma in float64 as the published system.
    """
    a, b = step.alpha, step.alpha_prev
    sigma = ddim_sigma(step, eta)
    eps = (x - math.sqrt(a) * x0) / math.sqrt(1.0 - a)
    moved = math.sqrt(b) * x0 + math.sqrt(max(1.0 - b - sigma * sigma, 0.0)) * eps
    return np.asarray(moved + sigma * noise if sigma > 0.0 else moved, np.float32)


def dpm_step(
    x: FloatArray, x0: FloatArray, step: SolverStep, earlier: tuple[FloatArray, SolverStep] | None
) -> FloatArray:
    """Move to the next level by the second-order multistep solver.

    Args:
        x: noisy latents, any shape.
        x0: the estimate of the clean ones.
        step: from where to where.
        earlier: estimate and step before this one; None makes this step first order, as are
            the step to no noise at all and the one after nothing but noise, where the
            second-order term has no limit.

    Source: Lu et al. 2022 (DPM-Solver++), algorithm 2 (2M).
    """
    target = x0
    if earlier is not None and step.alpha_prev < 1.0 and earlier[1].alpha > 0.0:
        x0_earlier, step_earlier = earlier
        width = _log_snr(step.alpha_prev) - _log_snr(step.alpha)
        width_earlier = _log_snr(step.alpha) - _log_snr(step_earlier.alpha)
        slope = width / (2.0 * width_earlier)
        target = (1.0 + slope) * x0 - slope * x0_earlier
    sigma, sigma_prev = math.sqrt(1.0 - step.alpha), math.sqrt(1.0 - step.alpha_prev)
    ratio = sigma_prev / sigma
    return ratio * x + (math.sqrt(step.alpha_prev) - ratio * math.sqrt(step.alpha)) * target


class Solve(Protocol):
    """How a solver moves latents x from one step's timestep to the next."""

    def __call__(
        self,
        x: FloatArray,
        x0: FloatArray,
        step: SolverStep,
        earlier: tuple[FloatArray, SolverStep] | None,
        eta: float,
        noise: Callable[[], FloatArray],
    ) -> FloatArray:
        """Return x at the step's end.

        Args:
            x: noisy latents at its beginning, any shape.
            x0: the estimate of the clean ones there.
            step: from where to where.
            earlier: the estimate and the step before; None where there is none.
            eta: share of fresh noise, 0 to 1, for solvers that have any.
            noise: draws standard normal noise of x's shape.
        """


def _ddim(
    x: FloatArray, x0: FloatArray, step: SolverStep,
    earlier: tuple[FloatArray, SolverStep] | None, eta: float, noise: Callable[[], FloatArray],
) -> FloatArray:  # fmt: skip
    return ddim_step(x, x0, step, eta, noise() if eta > 0.0 else np.zeros_like(x))


def _dpm(
    x: FloatArray, x0: FloatArray, step: SolverStep,
    earlier: tuple[FloatArray, SolverStep] | None, eta: float, noise: Callable[[], FloatArray],
) -> FloatArray:  # fmt: skip
    return dpm_step(x, x0, step, earlier)


# A new solver is a function and a row here, and a name in `Solver`.
SOLVERS: dict[str, Solve] = {"ddim": _ddim, "dpm": _dpm}


def sample(
    estimate: Estimate,
    x: FloatArray,
    steps: list[SolverStep],
    solver: Solver,
    eta: float,
    noise: Noise,
    known: Inpainting | None = None,
    resample: int = 1,
) -> FloatArray:
    """Run all steps and return the last x.

    Args:
        estimate: the denoiser; what it raises (cancellation) goes through.
        x: latents at the first step's noise level, any shape.
        steps: first to run first.
        solver: a row of SOLVERS.
        eta: of DDIM; dpm ignores it.
        noise: fresh noise of the k-th step.
        known: latents that replace x's before every step.
        resample: how often every step but the last is done, with noise put back in between.

    Raises:
        ValueError: if there is no such solver.

    Source of resampling: Lugmayr et al. 2022 (RePaint), algorithm 1 with jumps of one step.
    """
    if solver not in SOLVERS:
        raise ValueError(f"the solver is {solver!r}: expected one of {', '.join(SOLVERS)}")
    earlier: tuple[FloatArray, SolverStep] | None = None
    rounds = [step for step in steps[:-1] for _ in range(resample)] + steps[-1:]
    for index, step in enumerate(rounds):
        if index and rounds[index - 1] is step:
            x = renoise(x, noise(len(rounds) + index), step)
            earlier = None
        if known is not None:
            given = add_noise(known.latents, known.noise(index), step.alpha)
            x = known.mask * given + (1.0 - known.mask) * x
        x0 = estimate(x, step.timestep)
        x = SOLVERS[solver](x, x0, step, earlier, eta, partial(noise, index))
        earlier = (x0, step)
    return x


def _log_snr(alpha: float) -> float:
    """Return lambda = log(sqrt(abar) / sqrt(1 - abar))."""
    return 0.5 * (math.log(alpha) - math.log1p(-alpha))
