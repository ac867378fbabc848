"""docs/models.md: its commands in their order, its table against the catalogue."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bandmate_bridge.arguments.parser import build_parser
from bandmate_server.model.library.catalogue import CATALOGUE
from bandmate_server.model.library.preferences import KEYS

ROOT = Path(__file__).parents[3]
DOC = (ROOT / "docs" / "models.md").read_text("utf-8")
COMMANDS = re.findall(r"^\$ bandmate (.*)$", DOC, re.MULTILINE)


def test_every_command_shown_is_understood() -> None:
    assert len(COMMANDS) >= 10
    for line in COMMANDS:
        build_parser().parse_args(shlex.split(line))


def test_every_model_of_the_catalogue_is_explained_and_its_licence_said() -> None:
    table = [line for line in DOC.splitlines() if line.startswith("| ")]
    for row in CATALOGUE:
        rows = [line for line in table if f"`{row.name}`" in line]
        assert any(all(stem in line for stem in row.stems) for line in rows), row.name
        if row.files:
            assert len(rows) >= 2, f"{row.name}: no licence"
    for key in KEYS:
        assert f"`{key}`" in DOC


@pytest.mark.slow
def test_the_commands_do_what_the_page_says_in_its_order(
    local: Callable[..., Any], weights: Path, roformer_files: tuple[Path, Path], tmp_path: Path
) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((60_000, 2))
    soundfile.write(tmp_path / "song.wav", noise.astype(np.float32), 44_100, "FLOAT")
    shutil.copytree(weights, tmp_path / "files")
    for path, name in zip(roformer_files, ("vocals.ckpt", "vocals.yaml"), strict=True):
        shutil.copy(path, tmp_path / name)
    for line in COMMANDS:
        status, _, errors = local(*shlex.split(line))
        assert status == 0, f"{line}: {errors}"
    assert (tmp_path / "stems" / "song" / "piano.wav").is_file()
    assert (tmp_path / "voice" / "song" / "vocals.wav").is_file()
