"""`bandmate models get msg-ld` from files in the authors' layout: two models, one name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from bandmate_server.model.library.catalogue import find_published

ROLES = {"unet": "unet", "vae": "vae", "vocoder": "hifigan"}  # role -> the file of `parts`
CPU = ("--device", "cpu", "--threads", "1", "--json")
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def files(parts: dict[str, Path], tmp_path: Path) -> Path:
    """Return a folder with small networks' weights, under the names that are published."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("msg-ld", "msg-ld-arrange"):
        for file in find_published(name).files:
            shutil.copy(parts[ROLES[file.role]], folder / file.name)
    return folder


@pytest.fixture
def bandmate(tmp_path: Path) -> Run:
    """Return a function that runs `bandmate ... --json` and gives what it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    environment = {**kept, "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}

    def run(*arguments: str | Path) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "bandmate_bridge.cli", *map(str, arguments)],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return run


@pytest.mark.slow
def test_one_name_stands_for_two_models(bandmate: Run, files: Path, tmp_path: Path) -> None:
    for name in ("msg-ld", "msg-ld-arrange"):
        got = bandmate("models", "get", name, "--from", files, "--json")
        assert got["model"]["licence"] == "non-commercial"
    noise = 0.1 * np.random.default_rng(0).standard_normal((32_000, 1))
    sf.write(tmp_path / "song.wav", noise.astype(np.float32), 16_000, "FLOAT")
    few = ("--model", "msg-ld", "--steps", "2", *CPU)
    separated = bandmate("separate", "song.wav", "--out", "stems", *few)
    assert separated["model"]["name"] == "msg-ld"
    stems = [sf.read(tmp_path / file)[0] for file in separated["results"][0]["stems"].values()]
    assert np.abs(sum(stems) - sf.read(tmp_path / "song.wav")[0]).max() < 1e-6
    added = bandmate("add", "bass", "--to", "drums=song.wav", "--out", "new", *few)
    assert added["model"]["name"] == "msg-ld-arrange"
