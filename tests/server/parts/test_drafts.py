"""Of several drafts of a take the one is kept that agrees best with what is given."""

from dataclasses import replace

import numpy as np
import pytest

from bandmate_server import PartSettings, add
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.errors import SettingsError
from bandmate_server.model.model import Model
from bandmate_server.parts import part
from bandmate_server.parts.ranking import ContextScorer
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
    monkeypatch.setattr(part, "DRAFT_STRIDE", 1)  # so that drafts are takes that can be asked for
    for stem in ("drums", "piano"):
        singles = [
            add(
                mini, [stem], bass, sample_rate=MEL.sample_rate, settings=replace(SINGLE, seed=seed)
            )[stem]
            for seed in range(4)
        ]
        fits = [ContextScorer(bass, MEL.sample_rate).score(stem, single) for single in singles]
        assert len(set(fits)) == 4
        kept = add(
            mini, [stem], bass, sample_rate=MEL.sample_rate, settings=replace(SINGLE, drafts=4)
        )[stem]
        np.testing.assert_array_equal(kept, singles[int(np.argmax(fits))])


def test_a_deaf_part_has_one_draft(mini: Model, bass: dict[str, FloatArray]) -> None:
    deaf = replace(SINGLE, guidance=0.0)
    one, many = (
        add(
            mini, ["piano"], bass, sample_rate=MEL.sample_rate, settings=replace(deaf, drafts=count)
        )["piano"]
        for count in (1, 4)
    )
    np.testing.assert_array_equal(one, many)


@pytest.mark.parametrize("count", [0, -1, 101])
def test_there_is_a_draft_at_least_and_not_too_many(count: int) -> None:
    with pytest.raises(SettingsError, match="drafts"):
        PartSettings(drafts=count)
