"""The commands of docs/notes.md, in their order, on a few short songs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from bandmate_export.cli import main as export
from bandmate_server.spec import OTHER, STEMS
from bandmate_training.cli import main, parser
from bandmate_training.corpus import build
from bandmate_training.notes import songs, train_command
from bandmate_training.notes.config import (
    NoteDecoderConfig,
    NoteDenoiserConfig,
    TranscriberConfig,
)
from bandmate_training.notes.data import timbres

ROOT = Path(__file__).parents[3]
DOCS = (ROOT / "docs" / "notes.md").read_text("utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", DOCS, re.MULTILINE | re.DOTALL)
COMMANDS = [line for line in "".join(BLOCKS).splitlines() if line.startswith("bandmate-")]
TRAINING = ["--steps", "2", "--batch", "2", "--workers", "0", "--threads", "1"]
SMALL = {
    "corpus": ["--hours", "0.01", "--jobs", "1"],
    "notes": ["--songs", "2", "--jobs", "1"],
    "note-timbres": [],
}
DECODER = NoteDecoderConfig(16, 1, 16, 1, 2, 16)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make short songs and narrow networks."""
    monkeypatch.setattr(build, "SECONDS", (21.0, 22.0))
    monkeypatch.setattr(songs, "SHARD", 2)
    monkeypatch.setattr(train_command, "PRIOR_EXAMPLES", 4)
    monkeypatch.setattr(train_command, "VALIDATION_EXAMPLES", 2)
    monkeypatch.setattr(train_command, "NOTE_DENOISER", NoteDenoiserConfig(32, 1, 16, 2))
    monkeypatch.setattr(train_command, "TRANSCRIBER", TranscriberConfig(4, 8, 16, 1, 2))
    monkeypatch.setattr(train_command, "NOTE_DECODER", DECODER)
    monkeypatch.setattr(timbres, "NOTE_DECODER", DECODER)


def write_instruments(folder: Path) -> None:
    tone = 0.2 * np.sin(2 * np.pi * 220 * np.arange(16_000) / 32_000)
    for role in (*STEMS, OTHER):
        (folder / role).mkdir(parents=True)
        sf.write(folder / role / "a.flac", tone, 32_000)
        keys = "[35, 36, 38, 42, 46, 49, 51]"
        text = f'{{"role": "{role}", "notes": [{{"file": "a.flac", "midi": 57, "keys": {keys}}}]}}'
        (folder / role / "instrument.json").write_text(text)


@pytest.mark.usefixtures("small", "renderers")
def test_the_commands_shown_train_all_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_instruments(Path("samples"))
    names = set()
    for command in COMMANDS:
        program, *words = shlex.split(command)
        if program == "bandmate-export":
            found = sorted(map(str, Path().glob(words[0])))
            assert export([*found, *words[1:]]) == 0
            continue
        names.add(words[0])
        if words[0] == "evaluate":  # a table of one song's parts is none
            assert parser().parse_args(words).tables == ["parts"]
            continue
        more = SMALL.get(words[0], TRAINING)
        assert main([*words, *more, *(["--steps", "4"] if "--resume" in words else [])]) == 0
    assert {"note-encoder", "note-denoiser", "note-decoder", "note-timbres"} <= names
    for name in ("note-encoder", "note-denoiser", "note-decoder"):
        assert (Path("runs") / name / "checkpoint.pt").is_file()
    assert (Path("notes") / "denoiser.onnx").is_file()
    assert list(Path("corpus/train").glob("*/*.mid"))
    assert len(list(Path("songs").glob("train-*.npz"))) == 2
