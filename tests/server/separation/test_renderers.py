"""Renders are rows of a table."""

from typing import Any, get_args

import numpy as np
import pytest

from bandmate_server import SeparateSettings, separate
from bandmate_server.audio.sources import read_blocks
from bandmate_server.errors import SettingsError
from bandmate_server.model.model import Model
from bandmate_server.options import Render
from bandmate_server.separation.latent import RENDERERS, Renderer, renderer_of

AUDIO = np.random.default_rng(0).standard_normal((8_000, 2)).astype(np.float32) * 0.1


def test_renders_are_those_that_settings_offer() -> None:
    assert set(RENDERERS) == set(get_args(Render))


def test_a_new_render_is_a_row(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def halves(job: Any) -> Any:
        for block in read_blocks(job.source, job.region.start, job.region.stop):
            yield block, np.stack([0.5 * block for _ in job.wanted])

    monkeypatch.setitem(RENDERERS, "mask", Renderer(halves))
    found = separate(model, AUDIO, sample_rate=16_000, settings=SeparateSettings(stems=("bass",)))
    np.testing.assert_allclose(found["bass"], AUDIO / 2)
    np.testing.assert_allclose(found["other"], AUDIO / 2)


def test_an_unknown_render_is_refused() -> None:
    with pytest.raises(SettingsError, match="'hologram': expected one of mask, vocoder"):
        renderer_of("hologram")
