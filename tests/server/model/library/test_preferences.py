"""What a user has chosen is kept, and a damaged file is said to be one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bandmate_server.errors import OutputError, SettingsError
from bandmate_server.model.library.preferences import (
    preferences_file,
    read_preferences,
    write_preference,
)


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return preferences_file()


def test_nothing_is_chosen_at_first() -> None:
    assert read_preferences() == {}


@pytest.mark.parametrize(
    "value", ["htdemucs", r"C:\models\my model", '/a "folder"', "/käse/モデル"]
)
def test_what_is_written_is_read(value: str) -> None:
    write_preference("model.add", "mini")
    write_preference("model.separate", value)
    assert read_preferences() == {"model.add": "mini", "model.separate": value}
    write_preference("model.add", None)
    write_preference("model.add", None)
    assert read_preferences() == {"model.separate": value}


def test_a_choice_has_a_known_key_and_a_printable_value() -> None:
    with pytest.raises(SettingsError, match=r"did you mean model.separate\?"):
        write_preference("model.seperate", "mini")
    for value in ("", "a\nb", "\udcff"):
        with pytest.raises(SettingsError, match=r"model.add is .*expected the name"):
            write_preference("model.add", value)
    assert read_preferences() == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[model\n", "cannot be used"),
        ('model = "mini"\n', r"expected a table, \[model\]"),
        ('[model]\nsing = "mini"\n', "unknown key 'model.sing'"),
        ('[models]\nadd = "mini"\n', "did you mean model.add"),
        ("[model]\nadd = 3\n", "model.add is 3"),
    ],
)
def test_a_damaged_file_is_named_and_kept(config: Path, text: str, words: str) -> None:
    config.parent.mkdir()
    config.write_text(text)
    with pytest.raises(SettingsError, match=words) as caught:
        write_preference("model.separate", "mini")
    assert str(config) in str(caught.value)
    assert config.read_text() == text


def test_bytes_that_are_no_text_are_refused(config: Path) -> None:
    config.parent.mkdir()
    config.write_bytes(b'[model]\nadd = "\xff"\n')
    with pytest.raises(SettingsError, match="cannot be used"):
        read_preferences()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "bandmate").write_text("a file")
    with pytest.raises((SettingsError, OutputError), match="bandmate"):
        write_preference("model.add", "mini")
