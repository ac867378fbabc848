"""What examples are given: never everything, and every kind often enough."""

from __future__ import annotations

import pytest
import torch

from bandmate_training.learning import conditions
from bandmate_training.learning.conditions import BACKING, FULL, ConditionPlan, draw_plan

STEMS, FRAMES = 4, 64


@pytest.fixture(scope="module")
def plans() -> list[ConditionPlan]:
    generator = torch.Generator().manual_seed(0)
    return [draw_plan(STEMS, FRAMES, generator) for _ in range(4000)]


def test_stems_are_never_all_known(plans: list[ConditionPlan]) -> None:
    for plan in plans:
        assert plan.known_mask.shape == (STEMS, FRAMES)
        assert set(plan.known_mask.flatten().tolist()) <= {0.0, 1.0}
        assert plan.known_mask.min() == 0


def test_full_mixtures_hold_all_sources_and_come_without_known_stems(
    plans: list[ConditionPlan],
) -> None:
    full = [plan for plan in plans if plan.mixture is not None and plan.kind == FULL]
    for plan in full:
        assert plan.mixture is not None
        assert plan.mixture.tolist() == [1.0] * (STEMS + 1)
        assert plan.known_mask.max() == 0
    share = conditions.SEPARATION * (1 - conditions.UNCONDITIONAL)
    assert len(full) / len(plans) == pytest.approx(share, abs=0.03)


def test_a_backing_mixture_lacks_at_least_one_stem(plans: list[ConditionPlan]) -> None:
    backed = [plan for plan in plans if plan.mixture is not None and plan.kind == BACKING]
    for plan in backed:
        assert plan.mixture is not None
        assert plan.mixture[:STEMS].min() == 0
        whole = plan.known_mask.min(dim=1).values
        assert (whole <= plan.mixture[:STEMS]).all()  # a stem known throughout is heard in it
    share = conditions.BACKED * (1 - conditions.SEPARATION) * (1 - conditions.UNCONDITIONAL)
    assert len(backed) / len(plans) == pytest.approx(share, abs=0.03)


def test_some_examples_are_given_nothing(plans: list[ConditionPlan]) -> None:
    nothing = [p for p in plans if p.mixture is None and p.known_mask.max() == 0]
    assert len(nothing) / len(plans) > conditions.UNCONDITIONAL * 0.8


def test_every_arrangement_and_partly_known_stems_occur(plans: list[ConditionPlan]) -> None:
    whole = {tuple((p.known_mask.min(dim=1).values > 0).tolist()) for p in plans}
    assert len(whole) == 2**STEMS - 1
    partly = 0
    for plan in plans:
        means = plan.known_mask.mean(dim=1)
        ranges = means[(means > 0) & (means < 1)]
        assert len(ranges) <= 1  # one wanted stem
        if len(ranges):
            partly += 1
            assert 0.09 <= 1 - ranges.item() <= 0.8
    assert partly / len(plans) > 0.1


def test_the_wanted_range_is_one_stretch(plans: list[ConditionPlan]) -> None:
    for plan in plans:
        for row in plan.known_mask:
            edges = torch.diff(row, prepend=row.new_ones(1), append=row.new_ones(1))
            assert (edges < 0).sum() <= 1


def test_plans_depend_on_the_generator_only() -> None:
    draws = [
        [draw_plan(STEMS, FRAMES, g).known_mask for _ in range(20)]
        for g in (torch.Generator().manual_seed(5), torch.Generator().manual_seed(5))
    ]
    assert all(torch.equal(a, b) for a, b in zip(*draws, strict=True))


def test_the_shortest_window_still_has_something_to_fill() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(300):
        assert draw_plan(STEMS, 8, generator).known_mask.min() == 0
