"""Bundles of networks that work on waves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bandmate_server import add, generate, open_model
from bandmate_server.errors import BundleError, SettingsError
from bandmate_server.model.bundle import load_bundle, verify_bundle
from bandmate_server.model.waveform_model import WaveformModel
from bandmate_server.spec import (
    MINI,
    PRESETS,
    TransformSpec,
    WaveformSpec,
    spec_from_json,
)

HYBRID = WaveformSpec("h", ("a", "other"), transform=TransformSpec(64, 16, 5, 24, 32))


@pytest.mark.parametrize("spec", [*PRESETS.values(), HYBRID])
def test_specs_of_any_kind_come_back_from_json(spec: Any) -> None:
    assert spec_from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_first_kind_is_not_written_down_so_that_hashes_stay() -> None:
    assert "kind" not in MINI.to_json()


def test_bundle_opens_as_a_model_of_its_kind(waveform_bundle: Path) -> None:
    assert verify_bundle(waveform_bundle).spec.stems == ("drums", "vocals")
    model = open_model(waveform_bundle, "cpu", threads=1)
    assert isinstance(model, WaveformModel)
    wave = np.random.default_rng(0).standard_normal((2, 44_100), np.float32)
    stems = model.separate(wave)
    np.testing.assert_allclose(stems, wave * np.array([1, 2, 3])[:, None, None] / 6, atol=1e-6)
    assert model.ort_seconds > 0


def test_a_model_of_waves_makes_no_parts_and_says_what_to_do(waveform_bundle: Path) -> None:
    model = open_model(waveform_bundle, "cpu", threads=1)
    wave = np.zeros(44_100, np.float32)
    message = "fake-waves only separates, it makes no parts: name another model, such as mini"
    with pytest.raises(SettingsError, match=message):
        add(model, ["bass"], {"drums": wave}, sample_rate=44_100)
    with pytest.raises(SettingsError, match=message):
        generate(model, 2.0)


Change = Callable[[dict[str, Any]], None]


def _unknown_kind(spec: dict[str, Any]) -> None:
    spec["kind"] = "hologram"


def _twice(spec: dict[str, Any]) -> None:
    spec["sources"] = ["drums", "drums"]


def _path(spec: dict[str, Any]) -> None:
    spec["sources"] = ["../drums"]


def _nothing(spec: dict[str, Any]) -> None:
    spec["wave"] = False


def _surplus(spec: dict[str, Any]) -> None:
    spec["colour"] = "blue"


def _rate(spec: dict[str, Any]) -> None:
    spec["sample_rate"] = "fast"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_unknown_kind, "kind 'hologram': expected one of latent, waveform"),
        (_twice, "each once"),
        (_path, "words of small letters"),
        (_nothing, "a wave or a transform"),
        (_surplus, "colour"),
        (_rate, "not a model spec"),
    ],
)
def test_a_manifest_that_says_nonsense_is_refused(
    waveform_bundle: Path, tmp_path: Path, change: Change, words: str
) -> None:
    copy = shutil.copytree(waveform_bundle, tmp_path / "copy")
    manifest = json.loads((copy / "bundle.json").read_bytes())
    change(manifest["spec"])
    (copy / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=words):
        load_bundle(copy)


def test_a_graph_of_another_segment_is_refused(waveform_bundle: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(waveform_bundle, tmp_path / "copy")
    manifest = json.loads((copy / "bundle.json").read_bytes())
    manifest["spec"]["segment"] = 4_410
    (copy / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="belongs to another model"):
        load_bundle(copy)
