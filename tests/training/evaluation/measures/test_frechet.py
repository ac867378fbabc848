"""The Frechet distance: the reference's value, closed forms, and how it behaves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from bandmate_training.evaluation.measures.frechet import frechet_distance

Reference = Callable[[str], dict[str, npt.NDArray[np.generic]]]


def draw(count: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> npt.NDArray[np.float64]:
    """Return correlated vectors of 16 dimensions."""
    mixing = np.random.default_rng(0).standard_normal((16, 16))
    values = np.random.default_rng(seed).standard_normal((count, 16)) @ mixing
    return values * scale + shift


def test_distance_is_that_of_the_reference(reference_arrays: Reference) -> None:
    misc = reference_arrays("misc")
    found = frechet_distance(misc["fd_a"], misc["fd_b"])
    assert found == pytest.approx(float(misc["fd"]), rel=1e-6)


def test_shifted_and_scaled_sets_have_the_distance_of_the_formula() -> None:
    a = draw(400, 1)
    variance = a.var(axis=0, ddof=1).sum()
    assert frechet_distance(a, a + 0.5) == pytest.approx(16 * 0.25, rel=1e-9)
    around = (a - a.mean(axis=0)) * 3 + a.mean(axis=0)
    assert frechet_distance(a, around) == pytest.approx(variance * (3 - 1) ** 2, rel=1e-9)


def test_halves_of_one_distribution_are_near_and_another_is_far() -> None:
    half, other, far = draw(2000, 1), draw(2000, 2), draw(2000, 3, shift=2.0)
    near = frechet_distance(half, other)
    assert near < 0.02 * frechet_distance(half, far)
    assert frechet_distance(half, half) == pytest.approx(0.0, abs=1e-9)


def test_sets_smaller_than_their_dimension_have_an_exact_distance() -> None:
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.standard_normal((40, 40)))[0]
    line = np.zeros((5, 40))
    line[:, 0] = [-2, -1, 0, 1, 2]
    wide = np.zeros((5, 40))
    wide[:, 0] = [-4, -2, 0, 2, 4]
    expected = (np.sqrt(10.0) - np.sqrt(2.5)) ** 2  # difference of deviations along one line
    assert frechet_distance(line @ turn, wide @ turn) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (np.zeros((1, 16)), "2 or more"),
        (np.zeros((4, 8)), "one dimension"),
        (np.full((4, 16), np.nan), "finite"),
    ],
)
def test_what_has_no_distance_is_refused(one: npt.NDArray[np.float64], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        frechet_distance(one, draw(10, 0))
