"""`bandmate daw`: scripts come, stay out of the way of others', and go again."""

import base64
import json
import subprocess
import time
from pathlib import Path

import pytest

from bandmate_bridge.cli import main
from bandmate_bridge.daw import ardour_scripts
from bandmate_bridge.daw.ardour import install, uninstall
from bandmate_bridge.daw.daw import Change, Daw, Setup, removed
from bandmate_bridge.daw.daws import DAWS
from bandmate_bridge.daw.files import remove, scripts_folder
from bandmate_bridge.daw.reaper import ACTIONS as REAPER_ACTIONS
from bandmate_server.errors import DawError

ACTIONS = (
    "Add part...",
    "Fill selection",
    "Jobs",
    "Remove last result",
    "Separate selection",
    "Separate...",
    "New take",
)
# As Ardour 7.3 writes a script of the user's own: bytecode, a %q string, arguments, an icon.
FOREIGN = (
    b'scripts = {} scripts[2] = {} scripts[2]["n"] = "My own" scripts[2]["s"] = "a \\"b\\" ]\\\n'
    b'scripts[9] = {}" scripts[2]["f"] = "\x1bLua\\0\x93\\13" scripts[2]["c"] = true '
    b'scripts[2]["a"] = {} scripts[2]["a"]["x-script-origin"] = "/a.lua" '
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return an Ardour 7 configuration with a script of the user's own in slot 2."""
    folder = tmp_path / "ardour7"
    folder.mkdir()
    text = base64.b64encode(FOREIGN).decode()
    (folder / "ui_scripts").write_text(
        f'<UIScripts><ActionScript lua="Lua 5.3">{text}</ActionScript><ActionHooks>'
        '<LuaCallback lua="Lua 5.3" id="42" name="Mine" signals="1">cw==</LuaCallback>'
        "</ActionHooks></UIScripts>"
    )
    return folder


def listed(config: Path) -> str:
    return (config / "ui_scripts").read_text("utf-8")


def state(config: Path) -> bytes:
    text = listed(config)
    return base64.b64decode(text.partition('Lua 5.3">')[2].partition("<")[0])


def test_actions_and_hook_are_entered_beside_those_of_the_user(config: Path) -> None:
    written = install(Setup(config)).files
    slots = ardour_scripts.action_slots(listed(config))
    assert slots == {
        "My own": 2,
        **{
            f"bandmate: {name}": slot for name, slot in zip(ACTIONS, (1, *range(3, 9)), strict=True)
        },
    }
    assert FOREIGN.removeprefix(b"scripts = {} ").strip() in state(config)
    assert 'name="Mine"' in listed(config)
    assert listed(config).count("<LuaCallback") == 2
    assert all(path.is_file() for path in written)
    assert (config / "bandmate" / "wire.lua").is_file()
    assert (config / "scripts" / "bandmate_separate.lua").is_file()


def test_installing_again_changes_nothing(config: Path) -> None:
    install(Setup(config))
    before = listed(config)
    install(Setup(config))
    assert listed(config) == before


def test_uninstalling_leaves_what_was_there_before(config: Path) -> None:
    install(Setup(config, workdir=Path("/big/work")))
    assert "/big/work" in (config / "bandmate" / "settings.lua").read_text()
    install(Setup(config, program=Path("/opt/bandmate")))
    assert 'command = "/opt/bandmate"' in (config / "bandmate" / "settings.lua").read_text()
    assert uninstall(config).files
    assert ardour_scripts.action_slots(listed(config)) == {"My own": 2}
    assert "bandmate" not in listed(config)
    left = {path.name for path in config.rglob("*") if path.is_file()}
    assert left == {"ui_scripts"}


def test_a_list_that_is_not_understood_is_left_alone(config: Path) -> None:
    for text in ("<UIScripts", "<UIScripts><ActionScript>////</ActionScript></UIScripts>"):
        (config / "ui_scripts").write_text(text)
        with pytest.raises(DawError, match="ui_scripts"):
            install(Setup(config))
        assert listed(config) == text
        assert not (config / "bandmate").exists()


def test_a_full_list_is_said() -> None:
    scripts = [f'ardour {{ \nname = "number {number}" }}' for number in range(ardour_scripts.SLOTS)]
    full = ardour_scripts.with_scripts(None, scripts, [])
    with pytest.raises(ardour_scripts.ScriptsError, match="32 action slots"):
        ardour_scripts.with_scripts(full, ['\nname = "bandmate: more"'], [])


def test_a_running_ardour_is_not_interfered_with(config: Path, tmp_path: Path) -> None:
    program = tmp_path / "ardour-7.test"
    program.symlink_to("/bin/sleep")
    running = subprocess.Popen([program, "60"], env={"XDG_CONFIG_HOME": str(tmp_path)})
    while not Path(f"/proc/{running.pid}/environ").read_bytes():
        time.sleep(0.01)  # a new program has no environment for a moment
    try:
        with pytest.raises(DawError, match="close it"):
            install(Setup(config))
    finally:
        running.kill()
        running.wait()
    install(Setup(config))


def test_other_versions_get_the_scripts_and_the_user_a_hint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ardour8").mkdir()
    assert main(["daw", "install", "ardour", "--config", str(tmp_path / "ardour8")]) == 0
    assert "Script Manager" in capsys.readouterr().out
    assert not (tmp_path / "ardour8" / "ui_scripts").exists()
    assert (tmp_path / "ardour8" / "scripts" / "bandmate_mailbox.lua").is_file()


def test_the_newest_configuration_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert main(["daw", "where", "ardour"]) == 1
    assert "--config" in capsys.readouterr().err
    for name in ("ardour6", "ardour7"):
        (tmp_path / name).mkdir()
    assert main(["daw", "where", "ardour", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["config"] == str(tmp_path / "ardour7")
    assert (Path(report["scripts"]) / "library" / "wire.lua").is_file()


def test_reaper_gets_a_script_for_each_action(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "REAPER"
    config.mkdir()
    assert main(["daw", "install", "reaper", "--config", str(config)]) == 0
    assert "Load ReaScript" in capsys.readouterr().out
    names = {path.name for path in (config / "Scripts" / "bandmate").glob("*.lua")}
    actions = REAPER_ACTIONS
    assert names == {"settings.lua", *(f"bandmate - {action}.lua" for action in actions)}
    assert main(["daw", "uninstall", "reaper", "--config", str(config)]) == 0
    assert not (config / "Scripts" / "bandmate").exists()


def test_no_folder_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["daw", "install", "reaper", "--config", str(tmp_path / "no")]) == 1
    assert "no folder" in capsys.readouterr().err


def test_every_script_of_ours_is_named_so_and_catches_its_errors() -> None:
    for path in (scripts_folder("ardour") / "scripts").glob("*.lua"):
        text = path.read_text("utf-8")
        assert ardour_scripts.script_name(text).startswith(ardour_scripts.OURS)
        assert "pcall" in text, "one uncaught error has Ardour drop the script"


def test_a_daw_is_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "toy.lua"
    toy = Daw(
        config_folders=lambda: [tmp_path],
        install=lambda setup: Change([script], [f"{script.write_text('toy')} bytes"]),
        uninstall=lambda config: removed(remove([script]), config),
        where=lambda config: {"scripts": [config], "config": [config]},
    )
    monkeypatch.setitem(DAWS, "toy", toy)
    assert main(["daw", "where", "toy"]) == 0
    assert f"scripts: {tmp_path}" in capsys.readouterr().out
    assert main(["daw", "install", "toy"]) == 0
    assert script.exists()
    assert main(["daw", "uninstall", "toy"]) == 0
    assert not script.exists()


def test_a_daw_that_is_not_in_the_table_is_refused_with_those_that_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["daw", "install", "cubase"]) == 2
    said = capsys.readouterr().err
    assert "cubase" in said
    assert all(name in said for name in DAWS)
