"""Renderers of parts are rows of a table."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bandmate_server import PartSettings, generate
from bandmate_server.errors import BundleError
from bandmate_server.model.model import Model
from bandmate_server.parts.renderers import PART_RENDERERS, part_renderer

QUICK = PartSettings(steps=1)


def named(model: Model, renderer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = model.bundle.manifest | {"part_renderer": renderer}
    monkeypatch.setattr(model, "bundle", replace(model.bundle, manifest=manifest))


def test_a_new_renderer_is_a_row(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def tone(model: Model, latents: Any, layout: Any, report: Any) -> Any:
        time = np.arange(latents.shape[2] * model.spec.latent_hop) / model.spec.sample_rate
        return np.sin(2 * np.pi * 250 * time, dtype=np.float32)[:, None].repeat(len(latents), 1)

    monkeypatch.setitem(PART_RENDERERS, "tone", tone)
    named(model, "tone", monkeypatch)
    bass = generate(model, 1.0, stems="bass", sample_rate=16_000, settings=QUICK)["bass"][:, 0]
    assert np.abs(np.fft.rfft(bass)).argmax() == 250


def test_an_unknown_renderer_is_refused(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    named(model, "choir", monkeypatch)
    with pytest.raises(BundleError, match="part_renderer is 'choir': expected one of vocoder"):
        part_renderer(model)
