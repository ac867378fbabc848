"""What the README shows is what there is: its commands run, its options and targets exist."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from bandmate_bridge.arguments.parser import build_parser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
MINI = ROOT / "server/bandmate_server/models/mini/bundle.json"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def console_commands() -> list[str]:
    lines = "".join(blocks("console")).splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, fake_bundle: Path) -> Path:
    """Return a folder with song.wav, and the tiny model as `mini` where the real one is absent."""
    place = tmp_path_factory.mktemp("readme")
    sound, rate = soundfile.read(ROOT / "examples" / "late-bus.flac")
    soundfile.write(place / "song.wav", sound[: 15 * rate], rate)
    (place / "models").mkdir()
    if not MINI.is_file():
        (place / "models" / "mini").symlink_to(fake_bundle, target_is_directory=True)
    return place


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "BANDMATE_MODELS": str(folder / "models")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_readme_shows_commands() -> None:
    shown = {shlex.split(command)[1] for command in console_commands()}
    parts = {"add", "fill", "vary", "generate"}
    assert shown == {"separate", "doctor", "models", *parts}


@pytest.mark.slow
def test_every_command_shown_runs_in_the_order_shown(folder: Path) -> None:
    for command in console_commands():
        program, *arguments = shlex.split(command)
        assert program == "bandmate"
        done = run([sys.executable, "-m", "bandmate_bridge.cli", *arguments], folder)
        assert done.returncode == 0, f"{command}: {done.stderr}"


@pytest.mark.slow
def test_the_python_shown_runs(folder: Path) -> None:
    (program,) = blocks("python")
    done = run([sys.executable, "-W", "error", "-c", program], folder)
    assert done.returncode == 0, done.stderr


def test_every_option_of_separate_is_in_the_table_and_no_other() -> None:
    separate = build_parser()._subparsers._group_actions[0].choices["separate"]  # type: ignore
    real = {word for action in separate._actions for word in action.option_strings}
    table = [line for line in README.splitlines() if line.startswith("| `--")]
    shown = set(re.findall(r"--[a-z-]+", " ".join(line.split("|")[1] for line in table)))
    assert shown == {word for word in real if word.startswith("--")} - {"--help", "--out"}


def test_every_make_target_shown_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in set(re.findall(r"`?make ([a-z]+)", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_file_the_readme_links_to_exists() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link


def test_every_training_command_shown_is_understood() -> None:
    pytest.importorskip("torch")
    from bandmate_training.cli import parser

    shown = re.findall(r"^bandmate-train (.*)$", README, re.MULTILINE)
    assert len(shown) >= 4
    for arguments in shown:
        parser().parse_args(shlex.split(arguments))
