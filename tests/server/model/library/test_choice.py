"""Which model does which task."""

from __future__ import annotations

from pathlib import Path

import pytest

from bandmate_server.errors import BundleError, SettingsError
from bandmate_server.model.library.choice import chosen_model, model_for, models_by_task
from bandmate_server.model.library.preferences import write_preference
from bandmate_server.options import PARTS, TASKS, Task


@pytest.fixture(autouse=True)
def models(
    tmp_path: Path, fake_bundle: Path, waveform_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Return a folder of models: `fake` makes parts, `waves` only separates."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "fake").symlink_to(fake_bundle)
    (folder / "waves").symlink_to(waveform_bundle)
    monkeypatch.setenv("BANDMATE_MODELS", str(folder))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return folder


def test_a_named_model_comes_before_a_chosen_one_and_that_before_the_usual_one() -> None:
    assert models_by_task() == dict.fromkeys(TASKS, "mini")
    write_preference("model.separate", "waves")
    assert models_by_task() == {"separate": "waves", **dict.fromkeys(PARTS, "mini")}
    assert models_by_task("fake") == dict.fromkeys(TASKS, "fake")


@pytest.mark.parametrize("task", TASKS)
def test_msg_ld_is_two_models_where_both_are_installed(
    models: Path, fake_bundle: Path, task: Task
) -> None:
    (models / "msg-ld").symlink_to(fake_bundle)
    assert model_for(task, "msg-ld") == "msg-ld"
    (models / "msg-ld-arrange").symlink_to(fake_bundle)
    adds = task in ("add", "fill", "vary")
    assert model_for(task, "msg-ld") == ("msg-ld-arrange" if adds else "msg-ld")
    assert model_for(task, "msg-ld-arrange") == "msg-ld-arrange"


def test_what_is_chosen_is_there_and_can_do_it(
    waveform_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chosen_model("separate", "waves") == "waves"
    monkeypatch.chdir(waveform_bundle.parent)
    assert chosen_model("separate", waveform_bundle.name) == str(waveform_bundle)
    with pytest.raises(SettingsError, match="waves only separates"):
        chosen_model("add", "waves")
    with pytest.raises(BundleError, match="unknown model 'nosuch'"):
        chosen_model("separate", "nosuch")
