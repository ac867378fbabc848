"""The recipes of docs/offline.md, as they stand there, with real plug-ins and the real model."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bandmate_bridge.arguments.parser import build_parser

ROOT = Path(__file__).parents[3]
DOC = (ROOT / "docs" / "offline.md").read_text("utf-8")
MINI = ROOT / "server/bandmate_server/models/mini/bundle.json"
RATE = 44_100


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOC, re.MULTILINE | re.DOTALL)


def commands(title: str) -> list[list[str]]:
    section = re.split(r"\n##+ ", DOC.split(f"\n### {title}")[1])[0]
    lines = re.findall(r"^\$ bandmate (.*)$", section, re.MULTILINE)
    assert lines
    return [shlex.split(line) for line in lines]


@pytest.fixture
def folder(tmp_path: Path, fake_bundle: Path) -> Path:
    """Return a folder with three songs, and the tiny model as `mini` where the real one is not."""
    sound, rate = soundfile.read(ROOT / "examples" / "late-bus.flac", dtype="float32")
    (tmp_path / "songs" / "live").mkdir(parents=True)
    for number, name in enumerate(("one.wav", "two.flac", "live/three.wav")):
        piece = sound[number * 2 * rate : (number + 1) * 2 * rate]
        soundfile.write(tmp_path / "songs" / name, piece, rate)
    (tmp_path / "models").mkdir()
    if not MINI.is_file():
        (tmp_path / "models" / "mini").symlink_to(fake_bundle, target_is_directory=True)
    return tmp_path


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "bandmate_bridge.cli", *arguments],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "BANDMATE_MODELS": str(folder / "models")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done


def read(path: Path) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    found: np.ndarray[tuple[int, int], np.dtype[np.float64]]
    found = soundfile.read(path, dtype="float64", always_2d=True)[0]
    return found


@pytest.mark.slow
def test_minus_one_of_a_folder(folder: Path) -> None:
    for arguments in commands("Minus one"):
        run(arguments, folder)
    out = folder / "minus-piano"
    for song, place in (("one.wav", "one"), ("two.flac", "two"), ("live/three.wav", "live/three")):
        left = read(folder / "songs" / song) - read(out / f"{place} - piano.flac")
        assert np.abs(read(out / f"{place} - mix.flac") - left).max() < 4 * 2.0**-23


@pytest.mark.slow
def test_guitars_through_a_vst3(folder: Path, debian_vst3: Path) -> None:
    (folder / "plugins").symlink_to(debian_vst3, target_is_directory=True)
    (chains,) = blocks("toml")
    (folder / "reamp.toml").write_text(chains)
    for arguments in commands("Re-amp"):
        run(arguments, folder)
    for song in ("one", "two", "live/three"):
        out = folder / "reamped" / song
        dry, wet = read(out / "guitar.wav"), read(out / "guitar-wet.wav")
        assert wet.shape[0] == dry.shape[0] + RATE
        assert np.abs(wet[: len(dry)] - dry).max() > 1e-3
        assert np.abs(read(out / "mix.wav")).max() <= 10.0 ** (-1 / 20) + 1e-4
        assert (out / "session.dawproject").is_file()


@pytest.mark.slow
def test_overnight_with_resume(folder: Path) -> None:
    first, second = commands("Overnight")
    assert "done" in run(first, folder).stdout
    stems = sorted((folder / "stems").rglob("*.flac"))
    assert len(stems) == 15
    before = [path.stat().st_mtime_ns for path in stems]
    assert '"skipped": 3' in run(second, folder).stdout
    assert [path.stat().st_mtime_ns for path in stems] == before


@pytest.mark.slow
def test_the_python_shown_runs(folder: Path) -> None:
    pytest.importorskip("pedalboard")
    (program,) = blocks("python")
    (folder / "song.wav").symlink_to(folder / "songs" / "one.wav")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=folder,
        env={**os.environ, "BANDMATE_MODELS": str(folder / "models")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_command_shown_is_understood() -> None:
    shown = re.findall(r"^(?:\$ |    )bandmate (.*?)(?: +#.*)?$", DOC, re.MULTILINE)
    assert len(shown) >= 5
    for line in shown:
        build_parser().parse_args(shlex.split(line))


def test_every_option_of_batch_is_explained_in_docs_or_shared_with_separate() -> None:
    choices: Any = build_parser()._subparsers._group_actions[0].choices  # type: ignore
    options = {
        name: {word for action in choices[name]._actions for word in action.option_strings}
        for name in ("batch", "separate")
    }
    for option in options["batch"] - options["separate"]:
        assert option in DOC, option
