"""The sampler against the published system's numbers and against the analytic solution."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import pytest

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.diffusion.sampler import (
    SOLVERS,
    Estimate,
    Inpainting,
    SolverStep,
    add_noise,
    ddim_step,
    dpm_step,
    reference_steps,
    sample,
    trailing_steps,
)
from bandmate_server.model.schedule import cumulative_alphas
from bandmate_server.options import Solver
from bandmate_server.spec import MINI, NOTES, ModelSpec, ScheduleSpec

ALPHAS = cumulative_alphas(ScheduleSpec())
CASES = {
    "w0_eta0": (0.0, 0.0, 20, None),
    "w1_eta0": (1.0, 0.0, 20, None),
    "w2_eta0": (2.0, 0.0, 20, None),
    "w2_eta1": (2.0, 1.0, 20, None),
    "w1_eta1_S50": (1.0, 1.0, 50, None),
    "w0.5_eta0.5": (0.5, 0.5, 20, None),
    "inp_w0_eta1": (0.0, 1.0, 20, [1]),
    "inp_w0_eta0": (0.0, 0.0, 20, [0, 3]),
    "inp_w2_eta1": (2.0, 1.0, 20, [2]),
}


def reference_estimate(condition: FloatArray, guidance: float) -> Estimate:
    """Return the analytic denoiser of reference/README.md, section 5, as an x0 estimate."""

    def eps(x: FloatArray, t: int, c: FloatArray) -> Any:
        return 0.8 * math.sqrt(t / 1000) * x + 0.2 * np.tanh(x) + 0.3 * c * math.sin(0.01 * t)

    def estimate(x: FloatArray, timestep: int) -> FloatArray:
        without = eps(x, timestep, np.zeros_like(condition))
        e = without + guidance * (eps(x, timestep, condition) - without)
        alpha = float(ALPHAS[timestep])
        return np.asarray((x - math.sqrt(1 - alpha) * e) / math.sqrt(alpha), np.float32)

    return estimate


def gaussian_estimate(x: FloatArray, timestep: int) -> FloatArray:
    """Return the exact posterior mean for clean latents drawn from N(0, 0.5^2)."""
    alpha = float(ALPHAS[timestep])
    return np.asarray(math.sqrt(alpha) * 0.25 / (alpha * 0.25 + 1 - alpha) * x, np.float32)


def no_noise(draw: int) -> FloatArray:
    raise AssertionError("deterministic sampling must not draw noise")


def test_schedule_is_the_published_one(reference: Path) -> None:
    published = np.load(reference / "schedule.npz")["alphas_cumprod"]
    np.testing.assert_allclose(ALPHAS, published, rtol=1e-6)


@pytest.mark.parametrize("count", [200, 100, 50, 20, 7])
def test_reference_steps_are_the_published_ones(reference: Path, count: int) -> None:
    published = np.load(reference / "schedule.npz")
    steps = reference_steps(ALPHAS, count)[::-1]
    assert [step.timestep for step in steps] == published[f"ddim{count}_timesteps"].tolist()
    np.testing.assert_allclose(
        [step.alpha_prev for step in steps], published[f"ddim{count}_alphas_prev"], rtol=1e-6
    )


@pytest.mark.parametrize("case", CASES)
def test_ddim_matches_the_published_trajectories(reference: Path, case: str) -> None:
    data = np.load(reference / "ddim.npz")
    guidance, eta, count, generated = CASES[case]
    known = None
    if generated is not None:
        mask = np.ones((1, 4, 1, 1, 1), np.float32)
        mask[:, generated] = 0.0
        known = Inpainting(data["x0"], mask, lambda k: data["q_noise"][k])
    found = sample(
        reference_estimate(data["cond"], guidance),
        data["x_T"],
        reference_steps(ALPHAS, count),
        "ddim",
        eta,
        lambda k: data["step_noise"][k],
        known,
    )
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, data[f"final_{case}"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 50, 999])
def test_trailing_steps_go_from_the_highest_level_to_no_noise(count: int) -> None:
    steps = trailing_steps(ALPHAS, count)
    assert len(steps) == count
    assert steps[0].timestep == 999
    assert steps[-1].alpha_prev == 1.0
    timesteps = [step.timestep for step in steps]
    assert timesteps == sorted(set(timesteps), reverse=True)
    for step, following in pairwise(steps):
        assert step.alpha_prev == following.alpha


@pytest.mark.parametrize("solver", ["ddim", "dpm"])
def test_step_recovers_clean_latents_when_the_estimate_is_right(solver: Solver) -> None:
    rng = np.random.default_rng(0)
    clean, noise = rng.standard_normal((2, 4, 8)).astype(np.float32)
    step = SolverStep(700, float(ALPHAS[700]), 1.0)
    x = add_noise(clean, noise, step.alpha)
    moved = (
        ddim_step(x, clean, step, 0.0, noise)
        if solver == "ddim"
        else dpm_step(x, clean, step, (clean, SolverStep(900, float(ALPHAS[900]), step.alpha)))
    )
    np.testing.assert_allclose(moved, clean, atol=1e-6)


def gaussian_spread(alpha: float) -> float:
    """Return the standard deviation of x where clean latents come from N(0, 0.5^2)."""
    return math.sqrt(0.25 * alpha + 1.0 - alpha)


def test_multistep_solver_is_nearer_the_exact_solution_than_ddim() -> None:
    x = np.random.default_rng(1).standard_normal((4, 64)).astype(np.float32)
    # Below level 250 a step of this length changes the noise too much for any solver.
    steps = [step for step in reference_steps(ALPHAS, 20) if step.timestep > 250]
    exact = x * gaussian_spread(steps[-1].alpha_prev) / gaussian_spread(steps[0].alpha)
    errors = {}
    solvers: tuple[Solver, ...] = ("ddim", "dpm")
    for solver in solvers:
        found = sample(gaussian_estimate, x, steps, solver, 0.0, no_noise)
        errors[solver] = float(np.abs(found - exact).mean())
    assert errors["dpm"] < errors["ddim"] / 5


def test_full_noise_keeps_the_right_spread() -> None:
    noise = np.random.default_rng(2).standard_normal((101, 20_000)).astype(np.float32)
    steps = reference_steps(ALPHAS, 100)
    found = sample(gaussian_estimate, noise[100], steps, "ddim", 1.0, lambda k: noise[k])
    assert abs(float(found.std()) - gaussian_spread(steps[-1].alpha_prev)) < 0.05


def test_a_rescaled_schedule_ends_in_nothing_but_noise() -> None:
    found = cumulative_alphas(ScheduleSpec(rescaled=True))
    assert found[-1] == 0.0
    assert found[0] == pytest.approx(ALPHAS[0])
    assert (np.diff(found) < 0).all()


@pytest.mark.parametrize("solver", ["ddim", "dpm"])
@pytest.mark.parametrize("count", [1, 2, 5, 25])
def test_sampling_from_nothing_but_noise_finds_what_is_estimated(
    solver: Solver, count: int
) -> None:
    alphas = cumulative_alphas(ScheduleSpec(rescaled=True))
    clean, x = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)

    def noise(draw: int) -> FloatArray:
        return np.zeros_like(x)

    found = sample(lambda _x, _t: clean, x, trailing_steps(alphas, count), solver, 0.0, noise)
    np.testing.assert_allclose(found, clean, atol=1e-5)


def test_a_spec_s_later_fields_leave_earlier_bundles_hashes_alone() -> None:
    assert "latent_cells" not in MINI.to_json()
    assert "rescaled" not in MINI.to_json()["schedule"]
    assert NOTES.latent_bands == NOTES.latent_cells != MINI.latent_bands
    for spec in (MINI, NOTES):
        assert ModelSpec.from_json(spec.to_json()) == spec


def test_solvers_are_those_that_settings_offer() -> None:
    assert set(SOLVERS) == set(get_args(Solver))


def test_a_new_solver_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def clean(x: Any, x0: Any, step: Any, earlier: Any, eta: Any, noise: Any) -> Any:
        return x0

    monkeypatch.setitem(SOLVERS, "clean", clean)
    x = np.ones((1, 4, 1, 8, 2), np.float32)
    steps = trailing_steps(ALPHAS, 3)
    found = sample(lambda x, t: x * 0.5, x, steps, cast(Solver, "clean"), 0.0, lambda k: x)
    np.testing.assert_array_equal(found, x / 8)


def test_an_unknown_solver_is_refused() -> None:
    x = np.ones((1, 4, 1, 8, 2), np.float32)
    with pytest.raises(ValueError, match="'euler': expected one of ddim, dpm"):
        sample(lambda x, t: x, x, trailing_steps(ALPHAS, 3), cast(Solver, "euler"), 0, lambda k: x)
