"""`bandmate daw install plugin`: built, put where hosts look, and taken away again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from bandmate_bridge.cli import main
from bandmate_bridge.daw import plugin_install
from bandmate_server.errors import DawError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a user's empty home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_missing_compiler_is_named_with_the_way_to_get_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("DPF", str(home / "nowhere"))
    assert main(["daw", "install", "plugin"]) == 1
    said = capsys.readouterr().err
    assert "make and g++ and DPF in" in said
    assert "apt-get install make g++" in said
    assert not (home / ".vst3").exists()


def test_a_source_that_does_not_compile_is_shown(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("make") is None or shutil.which("g++") is None:
        pytest.skip("not installed: make, g++")
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "Makefile").write_text("all:\n\techo no such type >&2; exit 1\n")
    (tmp_path / "dpf" / "distrho").mkdir(parents=True)
    monkeypatch.setenv("DPF", str(tmp_path / "dpf"))
    monkeypatch.setattr(plugin_install, "scripts_folder", lambda _: sources)
    with pytest.raises(DawError, match="no such type"):
        plugin_install.build(tmp_path / "build", None)


@pytest.mark.slow
def test_the_plug_in_is_put_where_hosts_look_and_taken_away_again(
    home: Path, plugins: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(plugin_install, "build_folder", lambda: plugins.parent)
    own = home / ".vst3" / "mine.vst3"
    own.mkdir(parents=True)
    for _ in range(2):
        assert main(["daw", "install", "plugin", "--workdir", str(home / "work")]) == 0
        for name in ("stems", "stems-multi", "part"):
            assert list((home / ".vst3" / f"bandmate-{name}.vst3").glob("Contents/*/*.so"))
            assert (home / ".clap" / f"bandmate-{name}.clap").is_file()
            assert (home / ".lv2" / f"bandmate-{name}.lv2" / "manifest.ttl").is_file()
    settings = (home / ".config" / "bandmate" / "plugin.conf").read_text()
    assert f"workdir = {home / 'work'}\n" in settings
    assert "program = " in settings
    assert main(["daw", "where", "plugin"]) == 0
    assert str(home / ".clap") in capsys.readouterr().out
    assert main(["daw", "uninstall", "plugin"]) == 0
    files = [*home.glob(".vst3/*"), *home.glob(".clap/*"), *home.glob(".lv2/*")]
    assert files == [own]
    assert not (home / ".config" / "bandmate" / "plugin.conf").exists()
