"""The `evaluate` command from corpus to report."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bandmate_server.model.model import Model
from bandmate_training.cli import main
from bandmate_training.evaluation import evaluate_command
from bandmate_training.evaluation.reports import separation, step_curve
from bandmate_training.evaluation.tables.tables import number, table

Run = Callable[..., int]
OPTIONS = ["--clips", "4", "--seconds", "1.28", "--steps", "2"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, corpus: Path, fake_model: Model, tmp_path: Path) -> Run:
    monkeypatch.setattr(
        evaluate_command, "open_latent_model", lambda name, device, threads: fake_model
    )

    def run(*options: str) -> int:
        out = ["--out", str(tmp_path / "out")]
        return main(["evaluate", "--corpus", str(corpus), *out, *OPTIONS, *options])

    return run


def read(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "out" / "separation.json").read_text())
    return found


def test_report_holds_model_machine_command_and_all_systems(run: Run, tmp_path: Path) -> None:
    assert run() == 0
    report = (tmp_path / "out" / "separation.md").read_text()
    for words in ("bandmate-train evaluate --corpus", "Model fake 1, hash `0000", "cores"):
        assert words in report
    systems = read(tmp_path)["systems"]
    expected = ["separator", "diffusion, 2 DDIM steps", "mixture as stem", "equal split"]
    expected += ["oracle band mask", "oracle mel mask", "oracle mel mask through the VAE"]
    assert [name for name in systems if "reconstruction" not in name] == expected
    for name in expected:
        assert f"| {name} |" in report


def test_figures_are_those_that_the_fake_model_must_get(run: Run, tmp_path: Path) -> None:
    assert run() == 0
    systems = read(tmp_path)["systems"]
    assert systems["mixture as stem"]["si_sdri"]["mean"] == 0
    assert systems["separator"]["si_sdri"]["mean"] == pytest.approx(0, abs=0.1)
    assert systems["separator"]["null_error"] < 1e-6
    assert systems["separator"]["silent_db"]["mean_power"] == pytest.approx(-13.98, abs=0.1)
    assert systems["oracle mel mask"]["si_sdri"]["mean"] > 10
    finer, coarser = (systems[f"oracle {grid} mask"]["si_sdri"]["mean"] for grid in ("band", "mel"))
    assert finer > coarser + 1
    assert systems["VAE reconstruction"]["own_mel"]["mean"] < 1e-6
    assert systems["diffusion, 2 DDIM steps"]["own_mel"]["mean"] > 1


def test_the_same_command_gives_the_same_scores(run: Run, tmp_path: Path) -> None:
    run()
    first = read(tmp_path)["scores"]
    run()
    assert read(tmp_path)["scores"] == first


def test_estimates_of_another_system_are_judged_without_a_model(
    run: Run, tmp_path: Path, other_system: Path
) -> None:
    assert run("--model", "none", "--estimates", str(other_system)) == 0
    found = read(tmp_path)
    theirs = found["systems"]["theirs (files)"]
    assert theirs["si_sdri"]["mean"] > 40  # 16-bit files of the true stems
    assert theirs["sdri"]["mean"] < 15  # but at half their level
    assert "null_error" not in theirs  # they gave no `other`
    assert "model" not in found


def test_curve_has_a_point_for_every_solver_step_and_seed(
    run: Run, tmp_path: Path, fake_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_curve, "STEPS", (1, 2))
    assert run("--curve", "--curve-clips", "1", "--seeds", "2") == 0
    with (tmp_path / "out" / "curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    keys = [(row["solver"], row["steps"], row["seed"]) for row in rows]
    assert keys[0] == ("separator", "0", "0")
    solvers = [(s, n, seed) for s in ("ddim", "dpm") for n in "12" for seed in ("0", "1", "mean")]
    assert keys[1:] == solvers
    assert (tmp_path / "out" / "curve.png").read_bytes()[:4] == b"\x89PNG"
    assert "DPM-Solver++ | 2 |" in (tmp_path / "out" / "curve.md").read_text()


def test_an_interrupt_leaves_no_files_and_status_130(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(separation, "evaluate_clips", interrupt)
    assert run() == 130
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--split", "nowhere"], "no folder"),
        (["--seconds", "500"], "no track in"),
        (["--estimates", "/nowhere"], "no such folder of stems"),
        (["--model", "none", "--curve"], "--curve needs a model"),
    ],
)
def test_what_cannot_be_evaluated_fails_with_one_line(
    run: Run, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert run(*options) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_unknown_model_fails_with_one_line(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path), "--seconds", "1"]
    assert main(["evaluate", "--corpus", str(corpus), "--model", "nobody", *out]) == 1
    assert "nobody" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_fails_before_any_work(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    out = ["--out", str(tmp_path / "file" / "out")]
    assert main(["evaluate", "--corpus", str(corpus), *out]) == 1
    assert "cannot write to" in capsys.readouterr().err


def test_tables_show_a_dash_for_what_was_not_measured() -> None:
    assert number(math.nan) == "\N{EN DASH}"
    assert table(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |\n"
