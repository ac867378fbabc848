"""The `bandmate-train` command line."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from bandmate_server.errors import BundleError, CheckpointError
from bandmate_server.model.bundle import list_bundles
from bandmate_server.spec import MINI, STEMS
from bandmate_training.cli import main
from bandmate_training.learning import command
from bandmate_training.learning.trainer import METRICS
from bandmate_training.networks.checkpoint_file import CHECKPOINT, read_checkpoint
from bandmate_training.networks.config import MINI_SEPARATOR, MINI_VAE, SeparatorConfig
from bandmate_training.networks.separator import Separator
from bandmate_training.networks.vae import Vae
from bandmate_training.networks.weights import load_module, load_vae

NETWORKS = ["vae", "separator", "denoiser", "vocoder"]
COMMANDS = ["corpus", "notes", "evaluate", "listen", "note-timbres", *NETWORKS]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command_names_its_options(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert f"bandmate-train {name}" in text
    assert "--out" in text
    assert ("--vae" in text) is (name == "denoiser")


def test_help_lists_the_commands_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for name in COMMANDS:
        assert f"\n    {name}" in text
    assert "bandmate-train corpus --out" in text


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nothing"],
        ["vae"],
        ["vae", "--corpus", "c"],
        ["vae", "--corpus", "c", "--out", "o", "--minutes", "soon"],
        ["vae", "--corpus", "c", "--out", "o", "--resume", "--init", "b"],
        ["vae", "--corpus", "c", "--out", "o", "--vae", "v"],
        ["evaluate", "--corpus", "c"],
        ["evaluate", "--corpus", "c", "--out", "o", "--clips", "0"],
        ["evaluate", "--corpus", "c", "--out", "o", "--seconds", "0.1"],
        ["evaluate", "--corpus", "c", "--out", "o", "--steps", "4,1000"],
        ["evaluate", "--corpus", "c", "--out", "o", "--solver", "euler"],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage: bandmate-train" in capsys.readouterr().err


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("bandmate-train: error: ")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize("name", NETWORKS)
def test_a_missing_corpus_is_one_line_that_names_the_folder(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = str(tmp_path / "nowhere")
    assert nowhere in fails([name, "--corpus", nowhere, "--out", str(tmp_path / "run")], capsys)


def test_a_denoiser_of_mels_needs_a_vae(
    tmp_path: Path, long_corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["denoiser", "--corpus", str(long_corpus), "--out", str(tmp_path / "run")]
    assert "--vae is needed" in fails([*line, "--seconds", "0.32"], capsys)


def test_settings_out_of_range_are_one_line(
    tmp_path: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ["vae", "--corpus", str(corpus), "--out", str(tmp_path / "run")]
    assert "--seconds 0.01: the least is 0.32" in fails([*base, "--seconds", "0.01"], capsys)
    assert "--resume: there is no checkpoint.pt" in fails([*base, "--resume"], capsys)


@pytest.fixture(scope="module")
def long_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("long")
    rng = np.random.default_rng(0)
    for split in ("train", "validation"):
        (folder / split / "song").mkdir(parents=True)
        for stem in STEMS:
            wave = 0.1 * rng.standard_normal(21 * 16_000)
            sf.write(folder / split / "song" / f"{stem}.wav", wave, 16_000)
    return folder


@pytest.fixture
def train(tmp_path: Path, long_corpus: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Train a network of the mini preset's size on hardly anything."""
    monkeypatch.setattr(command, "VALIDATION_EXAMPLES", 1)

    def train(name: str, *options: str) -> int:
        common = ["--corpus", str(long_corpus), "--batch", "2", "--seconds", "0.32"]
        return main([name, *common, "--workers", "0", "--out", str(tmp_path / name), *options])

    return train


def test_vae_trains_and_resumes_from_the_command_line(
    tmp_path: Path, train: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    vae = tmp_path / "vae" / CHECKPOINT
    assert train("vae", "--steps", "1") == 0
    assert train("vae", "--steps", "2", "--resume") == 0
    assert read_checkpoint(vae)["step"] == 2
    capsys.readouterr()
    assert train("vocoder", "--init", str(vae)) == 1
    assert "expected a vocoder, got a vae" in capsys.readouterr().err


@pytest.mark.slow
def test_denoiser_and_vocoder_train_and_resume_from_the_command_line(
    tmp_path: Path, train: Callable[..., int]
) -> None:
    assert train("vae", "--steps", "1") == 0
    vae = ["--vae", str(tmp_path / "vae" / CHECKPOINT)]
    for name, more in (("denoiser", vae), ("vocoder", [])):
        assert train(name, *more, "--steps", "1") == 0
        assert train(name, *more, "--steps", "2", "--resume") == 0
        assert read_checkpoint(tmp_path / name / CHECKPOINT)["step"] == 2


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="--compile needs a C++ compiler")
def test_compiled_steps_are_those_of_plain_ones(
    tmp_path: Path, train: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = SeparatorConfig(widths=(32,), blocks=1, attention_levels=(0,), head_width=32)
    monkeypatch.setattr(command, "MINI_SEPARATOR", tiny)
    quick = ["--steps", "3", "--warmup", "1", "--learning-rate", "1e-3"]
    figures = []
    for options in ([], ["--compile"]):
        shutil.rmtree(tmp_path / "separator", ignore_errors=True)
        assert train("separator", *quick, *options) == 0
        with (tmp_path / "separator" / METRICS).open(newline="") as file:
            (row,) = csv.DictReader(file)
        figures.append([float(row[name]) for name in ("shares", "dB", "val_db")])
    assert figures[1] == pytest.approx(figures[0], rel=0.02, abs=0.02)


def test_module_runs_as_a_program() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "bandmate_training", "vae"], capture_output=True, text=True
    )
    assert found.returncode == 2
    assert "usage: bandmate-train vae" in found.stderr


@pytest.mark.skipif("mini" not in list_bundles(), reason="the mini bundle is not there")
def test_weights_come_from_a_model_s_name() -> None:
    load_module(Path("mini"), "separator", Separator(MINI, MINI_SEPARATOR))
    with pytest.raises(CheckpointError, match=r"mini: does not fit the vae: Missing key"):
        load_vae(Path("mini"))  # its latents are notes
    with pytest.raises(BundleError, match=r"unknown model 'nosuch'.*mini"):
        load_module(Path("nosuch"), "vae", Vae(MINI, MINI_VAE))
