"""Of several drafts of a take the one is kept that agrees best with what is given."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from bandmate_server import PartSettings, add, parts
from bandmate_server.agreement import Reference
from bandmate_server.arrays import FloatArray
from bandmate_server.errors import SettingsError
from bandmate_server.parts import plan_drafts
from bandmate_server.session import Condition, Model
from bandmate_server.spec import MEL

SINGLE = PartSettings(steps=2, drafts=1)


@pytest.fixture(scope="module")
def bass() -> dict[str, FloatArray]:
    time = np.arange(3 * MEL.sample_rate) / MEL.sample_rate
    notes = np.array([55.0, 73.4, 82.4])[(time // 1).astype(int) % 3]
    wave = 0.3 * np.sin(2 * np.pi * np.cumsum(notes) / MEL.sample_rate) * np.exp(-3 * (time % 0.5))
    return {"bass": wave.astype(np.float32)}


def test_the_best_draft_is_kept(
    mini: Model, bass: dict[str, FloatArray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "DRAFT_STRIDE", 1)  # so that drafts are takes that can be asked for
    for stem in ("drums", "piano"):
        singles = [
            add(mini, bass, MEL.sample_rate, [stem], replace(SINGLE, seed=seed))[stem]
            for seed in range(4)
        ]
        fits = [Reference(bass).agreement(stem, single) for single in singles]
        assert len(set(fits)) == 4
        kept = add(mini, bass, MEL.sample_rate, [stem], replace(SINGLE, drafts=4))[stem]
        np.testing.assert_array_equal(kept, singles[int(np.argmax(fits))])


def test_worse_drafts_are_dropped_on_the_way(
    mini: Model, bass: dict[str, FloatArray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "DRAFT_STRIDE", 1)
    long = replace(SINGLE, steps=6)
    fits = []
    for seed in range(4):
        single = add(mini, bass, MEL.sample_rate, ["piano"], replace(long, seed=seed))["piano"]
        fits.append(Reference(bass).agreement("piano", single))
    calls: list[int] = []
    denoise = mini.denoise_each

    def counted(x: FloatArray, level: int, conditions: Sequence[Condition]) -> FloatArray:
        calls.append(level)
        return denoise(x, level, conditions)

    monkeypatch.setattr(mini, "denoise_each", counted)
    kept = add(mini, bass, MEL.sample_rate, ["piano"], replace(long, drafts=4))["piano"]
    fit = Reference(bass).agreement("piano", kept)
    assert min(abs(fit - one) for one in fits) < 1e-6
    assert fit > np.mean(fits)
    assert len(calls) == sum(drafts * steps for drafts, steps in plan_drafts(4, 6)) < 4 * 6


@pytest.mark.parametrize(
    ("count", "steps", "expected"),
    [
        (4, 10, [(4, 5), (2, 2), (1, 3)]),
        (1, 10, [(1, 10)]),
        (4, 2, [(4, 2)]),
        (4, 1, [(4, 1)]),
        (9, 20, [(9, 9), (5, 4), (3, 7)]),
    ],
)
def test_drafts_are_compared_when_it_can_be_heard_what_they_become(
    count: int, steps: int, expected: list[tuple[int, int]]
) -> None:
    assert plan_drafts(count, steps) == expected


def test_a_deaf_part_has_one_draft(mini: Model, bass: dict[str, FloatArray]) -> None:
    deaf = replace(SINGLE, guidance=0.0)
    one, many = (
        add(mini, bass, MEL.sample_rate, ["piano"], replace(deaf, drafts=count))["piano"]
        for count in (1, 4)
    )
    np.testing.assert_array_equal(one, many)


@pytest.mark.parametrize("count", [0, -1, 101])
def test_there_is_a_draft_at_least_and_not_too_many(count: int) -> None:
    with pytest.raises(SettingsError, match="drafts"):
        PartSettings(drafts=count)
