"""A worker holds two models, and takes one that was replaced."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bandmate_server.errors import SettingsError
from bandmate_server.jobs.held_models import HeldModels
from bandmate_server.model.library.preferences import write_preference
from bandmate_server.model.opening import AnyModel
from bandmate_server.spec import MINI, AnySpec, WaveformSpec

WAVES = WaveformSpec("waves", ("drums", "vocals", "other"), segment=44_100)


@pytest.fixture
def models(
    tmp_path: Path,
    make_bundle: Callable[[Path, AnySpec], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Return a folder of models: `waves` only separates, `one` and `two` do everything."""
    folder = tmp_path / "models"
    make_bundle(folder / "waves", WAVES)
    for name in ("one", "two"):
        make_bundle(folder / name, replace(MINI, name=name))
    monkeypatch.setenv("BANDMATE_MODELS", str(folder))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    write_preference("model.separate", "waves")
    write_preference("model.add", "one")
    write_preference("model.fill", "two")
    return folder


@pytest.mark.usefixtures("models")
def test_two_are_open_and_the_one_used_longest_ago_goes() -> None:
    said: list[str] = []

    def opened(model: AnyModel, names: str, megabytes: int | None) -> None:
        assert megabytes is None or megabytes > 10
        said.append(names)

    held = HeldModels(None, "cpu", 1, opened)
    waves = held.model_of("separate")
    one = held.model_of("add")
    assert held.model_of("separate") is waves
    held.model_of("fill")
    assert held.model_of("separate") is waves
    assert held.model_of("add") is not one
    assert said == ["waves", "waves,one", "waves,two", "waves,one"]


def test_a_model_that_was_replaced_is_opened_anew_and_one_that_has_gone_goes_on(
    models: Path, make_bundle: Callable[[Path, AnySpec], Path]
) -> None:
    held = HeldModels(None, "cpu", 1, lambda model, names, megabytes: None)
    first = held.model_of("separate")
    shutil.rmtree(models / "waves")
    assert held.model_of("separate") is first
    make_bundle(models / "waves", replace(WAVES, sources=("bass", "other")))
    second = held.model_of("separate")
    assert second is not first
    assert second.spec.stems == ("bass",)


@pytest.mark.usefixtures("models")
def test_a_task_that_its_model_cannot_do_is_refused() -> None:
    held = HeldModels("waves", "cpu", 1, lambda model, names, megabytes: None)
    held.model_of("separate")
    with pytest.raises(SettingsError, match="waves only separates, it makes no parts"):
        held.model_of("add")
