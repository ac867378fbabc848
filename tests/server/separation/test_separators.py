"""What separates by a kind of model is a row of a table."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bandmate_server import SeparateSettings, separate
from bandmate_server.audio.sources import read_blocks
from bandmate_server.errors import BundleError, SettingsError
from bandmate_server.separation.separation import Separation
from bandmate_server.separation.separators import SEPARATORS

AUDIO = np.random.default_rng(0).standard_normal((8_000, 2)).astype(np.float32) * 0.1
TOY: Any = SimpleNamespace(
    spec=SimpleNamespace(kind="toy", stems=("kazoo", "spoons")), ort_seconds=0.0
)


class Halves(Separation[Any]):
    def separated(self) -> Any:
        for block in read_blocks(self.source, self.region.start, self.region.stop):
            yield block, np.stack([0.5 * block for _ in self.wanted])


def test_a_new_separator_is_a_row_and_its_stems_are_its_models(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(SEPARATORS, "toy", Halves)
    found = separate(
        TOY, AUDIO, sample_rate=16_000, settings=SeparateSettings(stems=("spoons",), start=0.1)
    )
    assert list(found) == ["spoons", "other"]
    np.testing.assert_allclose(found["spoons"], AUDIO[1_600:] / 2)
    np.testing.assert_allclose(found["other"], AUDIO[1_600:] / 2)
    with pytest.raises(SettingsError, match="unknown stem 'bass': this model knows kazoo, spoons"):
        separate(TOY, AUDIO, sample_rate=16_000, settings=SeparateSettings(stems=("bass",)))


def test_a_kind_that_nothing_separates_by_is_refused() -> None:
    with pytest.raises(BundleError, match="kind 'toy': expected latent"):
        separate(TOY, AUDIO, sample_rate=16_000)
