"""Bayes' rule for noisy cells, against sums over all that might have been."""

from __future__ import annotations

import math

import pytest
import torch

from bandmate_server.model.notes.layout import SCALE, cell_kinds, note_count
from bandmate_training.notes.evidence import SPREAD, STEPS, evidence, height_shares, heights


def shares() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.rand(1, STEPS).softmax(1)


@pytest.mark.parametrize("angle", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("value", [-1.0, 0.0, 0.7, 2.2])
def test_odds_and_heights_are_those_of_the_textbook(angle: float, value: float) -> None:
    signal, noise = SCALE * math.cos(angle * math.pi / 2), math.sin(angle * math.pi / 2)
    wide = math.hypot(noise, signal * SPREAD)

    def density(x: float, mean: float, deviation: float) -> float:
        return math.exp(-0.5 * ((x - mean) / deviation) ** 2) / deviation

    own = shares()
    chances = [
        share * density(value, signal * height, wide)
        for height, share in zip(heights().tolist(), own[0].tolist(), strict=True)
    ]
    expected = math.log(sum(chances) / density(value, 0.0, noise))
    mean = sum(h * c for h, c in zip(heights().tolist(), chances, strict=True)) / sum(chances)
    odds, height = evidence(
        torch.full((1, 1, 1), value), torch.tensor(signal), torch.tensor(noise), own
    )
    assert odds.item() == pytest.approx(expected, abs=1e-3)
    assert height.item() == pytest.approx(mean, abs=1e-4)


def test_nothing_but_noise_says_nothing() -> None:
    own = shares()
    x = torch.randn(2, 3, 1)
    odds, height = evidence(x, torch.zeros(()), torch.ones(()), own)
    assert torch.allclose(odds, torch.zeros_like(odds), atol=1e-5)
    assert torch.allclose(height, (own @ heights()).expand_as(height))


def test_next_to_no_noise_tells_cells_and_heights() -> None:
    x = SCALE * torch.tensor([0.0, 0.02, 0.35, 0.8, 1.0])[None, :, None]
    odds, height = evidence(x, torch.tensor(SCALE), torch.tensor(0.03), shares())
    assert (odds[0, :1] < -3).all() and (odds[0, 2:] > 10).all()
    assert torch.allclose(height[0, 2:], x[0, 2:] / SCALE, atol=0.03)
    assert torch.isfinite(odds).all() and torch.isfinite(height).all()


def test_far_values_stay_finite() -> None:
    x = torch.tensor([-50.0, 50.0])[None, :, None]
    odds, height = evidence(x, torch.tensor(SCALE), torch.tensor(0.05), shares())
    assert torch.isfinite(odds).all() and torch.isfinite(height).all()


def test_height_shares_are_counted_by_kind() -> None:
    notes = torch.zeros(10, note_count())
    sustain = torch.from_numpy(cell_kinds() >= 2)
    notes[:, sustain] = 1.0
    notes[0, ~sustain] = 0.5
    found = height_shares(notes)
    assert torch.allclose(found.sum(1), torch.ones(len(found)))
    assert (found[sustain, -1] > 0.99).all()
    assert (found[~sustain, STEPS // 2 - 1] > 0.99).all()
