"""Joint sampling against toy music whose exact denoiser is known: correlated Gaussian stems."""

from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

import numpy as np
import pytest

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.windows import Layout
from bandmate_server.diffusion.joint import Conditioning, InitLatents, PartSampler, Sampling
from bandmate_server.diffusion.steps import sampling_steps
from bandmate_server.errors import Cancelled
from bandmate_server.model.model import Condition, Model
from bandmate_server.model.schedule import cumulative_alphas
from bandmate_server.options import Solver
from bandmate_server.progress import Monitor
from bandmate_server.spec import MINI, PAPER, ModelSpec

LIKENESS = 0.8  # correlation between any two stems, cell by cell
STEMS = 4
COVARIANCE = np.full((STEMS, STEMS), LIKENESS) + (1.0 - LIKENESS) * np.eye(STEMS)
HOW = Sampling(steps=20, solver="ddim", guidance=1.0, eta=0.0, seed=1)
ONE = Layout(origin=0, window=32, overlap=8, starts=(0,))


def mix(matrix: Any, stems: Any) -> FloatArray:
    """Return stems (S, C, L, F) mixed by a matrix (S, S)."""
    mixed: FloatArray = np.einsum("st,tcnf->scnf", matrix, stems).astype(np.float32)
    return mixed


class Toy:
    """Stems drawn from a Gaussian, denoised by the exact posterior mean."""

    def __init__(self, spec: ModelSpec):
        self.spec = spec
        self.alphas = cumulative_alphas(spec.schedule)
        self.rows: list[int] = []

    def denoise_each(self, x: FloatArray, timestep: int, conditions: list[Condition]) -> FloatArray:
        self.rows.append(len(x))
        alpha = float(self.alphas[timestep])
        pairs = zip(x, conditions, strict=True)
        return np.stack([self._denoise(row, alpha, told) for row, told in pairs])

    def _denoise(self, x: FloatArray, alpha: float, told: Condition) -> FloatArray:
        """Return E[x0 | x, what is known without noise]."""
        noise = np.full(STEMS, 1.0 - alpha)
        seen = x / np.sqrt(alpha)
        if told.known is not None and told.known_mask is not None:
            given = told.known_mask[0, :, 0] > 0  # the same in every frame of these tests
            noise[given] = 1e-9
            seen = np.where(given[:, None, None, None], told.known[0], seen)
        gain = COVARIANCE @ np.linalg.inv(COVARIANCE + np.diag(noise / alpha))
        return mix(gain, seen)


def music(spec: ModelSpec, length: int = 32, seed: int = 0) -> FloatArray:
    """Return stems (S, C, L, F) from the toy's own Gaussian."""
    shape = (spec.latent_channels, length, spec.latent_bands)
    rng = np.random.default_rng(seed)
    white = rng.standard_normal((STEMS, *shape))
    return mix(np.linalg.cholesky(COVARIANCE), white)


def given(stems: FloatArray, names: list[int]) -> Conditioning:
    """Return a context in which some of the stems are known."""
    mask = np.zeros((STEMS, stems.shape[2]), np.float32)
    mask[names] = 1.0
    return Conditioning(stems * mask[:, None, :, None], mask)


def ignored(_done: float) -> None:
    """Hear of no progress."""


def play(
    spec: ModelSpec,
    context: Conditioning,
    how: Sampling = HOW,
    layout: Layout = ONE,
    origin: InitLatents | None = None,
) -> FloatArray:
    model = cast(Model, Toy(spec))
    return PartSampler(model, context, layout, how, ignored, origin).latents()


def likeness(first: FloatArray, second: FloatArray) -> float:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


@pytest.mark.parametrize("spec", [MINI, PAPER], ids=lambda spec: spec.name)
@pytest.mark.parametrize("guidance", [0.0, 0.5, 1.0, 2.0])
def test_known_stems_come_back_exactly(spec: ModelSpec, guidance: float) -> None:
    stems = music(spec)
    found = play(spec, given(stems, [0, 2]), replace(HOW, guidance=guidance))
    np.testing.assert_array_equal(found[[0, 2]], stems[[0, 2]])
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    ("solver", "eta"), [("ddim", 0.0), ("ddim", 1.0), ("dpm", 0.0)], ids=["ddim", "noisy", "dpm"]
)
def test_a_stem_told_of_another_has_the_exact_likeness_and_spread(
    solver: Solver, eta: float
) -> None:
    stems = music(MINI)
    found = play(MINI, given(stems, [0]), replace(HOW, solver=solver, eta=eta, steps=50))
    assert likeness(found[1], stems[0]) == pytest.approx(LIKENESS, abs=0.04)
    assert found[1].std() == pytest.approx(1.0, abs=0.07)
    assert likeness(found[1], found[3]) == pytest.approx(LIKENESS, abs=0.05)


def test_replacement_follows_what_is_known_and_resampling_follows_it_more() -> None:
    stems = music(PAPER)
    context = given(stems, [0])
    plain, often = (
        likeness(play(PAPER, context, replace(HOW, eta=1.0, resample=count))[1], stems[0])
        for count in (1, 5)
    )
    assert 0.4 < plain < often <= LIKENESS + 0.04


@pytest.mark.parametrize("spec", [MINI, PAPER], ids=lambda spec: spec.name)
def test_guidance_leads_from_deaf_to_exaggerated(spec: ModelSpec) -> None:
    stems = music(spec)
    context = given(stems, [0])
    heard = [
        likeness(play(spec, context, replace(HOW, guidance=w))[1], stems[0])
        for w in (0.0, 0.3, 0.6, 1.0)
    ]
    assert abs(heard[0]) < 0.05  # Not even the noisy latents let through what is given.
    assert all(more > less + 0.05 for less, more in pairwise(heard))


@pytest.mark.parametrize("spec", [MINI, PAPER], ids=lambda spec: spec.name)
def test_overlapping_windows_agree_with_one_long_window(spec: ModelSpec) -> None:
    stems = music(spec, length=80)
    layout = Layout(origin=0, window=32, overlap=8, starts=(0, 24, 48))
    whole = Layout(origin=0, window=80, overlap=8, starts=(0,))
    for guidance in (1.0, 1.5):
        how = replace(HOW, guidance=guidance)
        found = play(spec, given(stems, [1]), how, layout)
        np.testing.assert_allclose(
            found, play(spec, given(stems, [1]), how, whole), rtol=0, atol=1e-4
        )


def test_windows_and_halves_go_through_the_denoiser_in_batches() -> None:
    toy = Toy(MINI)
    layout = Layout(origin=0, window=32, overlap=8, starts=(0, 24, 48))
    how = replace(HOW, steps=2, guidance=2.0)
    context = given(music(MINI, length=80), [1])
    PartSampler(cast(Model, toy), context, layout, how, ignored).latents()
    assert toy.rows == [3, 4, 2]  # levels 999, which needs no guidance, and 499


def test_nothing_given_needs_no_second_half() -> None:
    toy = Toy(MINI)
    how = replace(HOW, steps=1, guidance=2.0)
    nothing = given(np.zeros((STEMS, 8, 32, 16), np.float32), [])
    PartSampler(cast(Model, toy), nothing, ONE, how, ignored).latents()
    assert toy.rows == [1]


@pytest.mark.parametrize("spec", [MINI, PAPER], ids=lambda spec: spec.name)
def test_one_seed_repeats_bit_for_bit_and_another_differs(spec: ModelSpec) -> None:
    context = given(music(spec), [0])
    first, again, other = (play(spec, context, replace(HOW, seed=seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first[1] - other[1]).mean() > 0.1


def test_a_part_of_a_stem_can_be_known() -> None:
    stems = music(PAPER)
    context = given(stems, [0, 1])
    context.mask[1, 8:16] = 0.0
    context.known[1, :, 8:16] = 0.0
    found = play(PAPER, context)
    np.testing.assert_array_equal(found[1, :, :8], stems[1, :, :8])
    np.testing.assert_array_equal(found[1, :, 16:], stems[1, :, 16:])
    assert np.abs(found[1, :, 8:16] - stems[1, :, 8:16]).mean() > 0.1


@pytest.mark.parametrize("spec", [MINI, PAPER], ids=lambda spec: spec.name)
def test_distance_from_the_origin_grows_with_the_level(spec: ModelSpec) -> None:
    stems = music(spec)
    nothing = given(stems, [])
    distances = [
        float(np.abs(play(spec, nothing, origin=InitLatents(stems, timestep)) - stems).mean())
        for timestep in (100, 300, 500, 700, 999)
    ]
    assert distances == sorted(distances)
    assert distances[0] < 0.45 < 0.9 < distances[-1]


@pytest.mark.parametrize("spec", [MINI, PAPER], ids=lambda spec: spec.name)
@pytest.mark.parametrize(("count", "highest"), [(10, 500), (999, 100), (1, 100), (3, 0)])
def test_steps_of_a_variation_start_at_its_level(spec: ModelSpec, count: int, highest: int) -> None:
    timesteps = [step.timestep for step in sampling_steps(cast(Model, Toy(spec)), count, highest)]
    assert timesteps
    assert timesteps == sorted(set(timesteps), reverse=True)
    assert timesteps[0] == highest if spec is MINI else timesteps[0] <= max(highest, 1)


def test_cancelling_stops_between_two_calls_of_the_denoiser() -> None:
    toy, calls = Toy(MINI), 0

    def cancel() -> bool:
        nonlocal calls
        calls += 1
        return calls > 3

    monitor = Monitor(None, cancel, {"play": 1.0})
    with pytest.raises(Cancelled):
        PartSampler(
            cast(Model, toy),
            given(music(MINI), [0]),
            ONE,
            HOW,
            lambda done: monitor.report("play", done),
        ).latents()
    assert 0 < len(toy.rows) < 4
