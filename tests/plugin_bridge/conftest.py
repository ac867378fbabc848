"""The real `bandmate` command, on a tiny model, on files made on the spot."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

RATE = 44_100  # Hz


@pytest.fixture
def environment(fake_bundle: Path, tmp_path: Path) -> dict[str, str]:
    """Return the variables of a user who has only the tiny model, named `fake`."""
    home = tmp_path / "home"
    home.mkdir()
    models = tmp_path / "models"
    models.mkdir()
    (models / "fake").symlink_to(fake_bundle, target_is_directory=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    return {**kept, "HOME": str(home), "BANDMATE_MODELS": str(models), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def separate(bandmate: Callable[..., Any]) -> Callable[..., Any]:
    """Return `bandmate separate ... --out stems` on the tiny model."""

    def run(*arguments: str | Path, out: str | Path = "stems", **options: Any) -> Any:
        model = ["--out", out, "--model", "fake", "--device", "cpu", "--threads", "1"]
        return bandmate("separate", *arguments, *model, **options)

    return run


@pytest.fixture
def start_long(environment: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Return a function that starts a separation that takes many seconds."""
    frames = 8_000 * 60 * 60
    with soundfile.SoundFile(tmp_path / "long.wav", "w", 8_000, 1, "PCM_16") as file:
        noise = np.random.default_rng(0).integers(-9_000, 9_000, 8_000 * 60, np.int16)
        for _ in range(frames // len(noise)):
            file.write(noise)

    def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
        command = ["separate", "long.wav", "--out", "stems", "--model", "fake", "--device", "cpu"]
        return subprocess.Popen(
            [sys.executable, "-m", "bandmate_bridge.cli", *command, "--threads", "1", *arguments],
            cwd=tmp_path,
            env=environment,
            text=True,
            # A test runner in the background has its children ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            **options,
        )

    return start


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """Return a second and a half of stereo noise and tone."""
    path = tmp_path / "song.wav"
    write_song(path)
    return path


def write_song(
    path: Path, seconds: float = 1.5, rate: int = RATE, channels: int = 2, subtype: str = "FLOAT"
) -> None:
    rng = np.random.default_rng(1)
    at = np.arange(round(seconds * rate)) / rate
    tone = 0.3 * np.sin(2 * np.pi * 220 * at)[:, None]
    sound = tone + 0.05 * rng.standard_normal((len(at), channels))
    soundfile.write(path, sound.astype(np.float32), rate, subtype)


@pytest.fixture
def make_song() -> Callable[..., None]:
    """Return `write_song(path, seconds, rate, channels, subtype)`."""
    return write_song
