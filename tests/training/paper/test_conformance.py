"""The `parity` command: everything passes, and every kind of mistake fails."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bandmate_training.cli import main
from bandmate_training.conformance.sampling import read_case
from bandmate_training.paper import deterministic_weights
from bandmate_training.paper.unet import UNet

Written = Callable[[str, dict[str, object]], Path]


def test_everything_but_full_size_passes(
    reference: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["parity", "--reference", str(reference), "--tiny"]) == 0
    out = capsys.readouterr().out
    for file in ("schedule", "ddim", "mel", "resample", "dataset", "misc", "tiny"):
        assert f" {file}.npz" in out, file
    assert "segments.json" in out
    assert "checkpoint_keys.json.gz" in out


@pytest.mark.slow
def test_the_networks_at_full_size_pass(
    reference: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["parity", "--reference", str(reference)]) == 0
    assert "unet_full_cond.npz" in capsys.readouterr().out


@pytest.fixture
def folder(reference: Path, tmp_path: Path) -> Path:
    """A folder with the small networks' shapes only."""
    shutil.copy(reference / "tiny_shapes.json", tmp_path)
    return tmp_path


def rewrite(reference: Path, folder: Path, name: str, **changes: object) -> None:
    with np.load(reference / name) as data:
        np.savez(folder / name, **{**data, **changes})


def test_other_salts_lengths_and_batches_are_compared(
    folder: Path, expected: tuple[UNet, object, object], capsys: pytest.CaptureFixture[str]
) -> None:
    unet = UNet(expected[0].config)
    deterministic_weights.fill(unet, "other/")
    x, level = torch.randn(3, 4, 8, 24, 16), torch.tensor([0, 500, 999])
    eps = unet(x, level)
    np.savez(folder / "tiny.npz", unet_x=x, unet_t=level, unet_eps=eps)
    command = ["parity", "--reference", str(folder), "--tiny"]
    assert main([*command, "--salt", "other/"]) == 0
    assert main(command) == 1
    assert "FAIL" in capsys.readouterr().out


def test_a_wrong_number_fails(reference: Path, folder: Path) -> None:
    with np.load(reference / "ddim.npz") as data:
        final = data["final_w2_eta1"] + np.float32(3e-5)
    rewrite(reference, folder, "ddim.npz", final_w2_eta1=final)
    assert main(["parity", "--reference", str(folder), "--tiny"]) == 1


def test_a_number_that_is_none_fails(reference: Path, folder: Path) -> None:
    with np.load(reference / "tiny.npz") as data:
        wave = data["voc_wave"] * np.float32("nan")
    rewrite(reference, folder, "tiny.npz", voc_wave=wave)
    assert main(["parity", "--reference", str(folder), "--tiny"]) == 1


def test_the_order_of_queries_keys_and_values_counts(
    reference: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite(reference, folder, "tiny.npz")
    attend = torch.nn.functional.scaled_dot_product_attention
    swapped = lambda q, k, v: attend(k, q, v)  # noqa: E731
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", swapped)
    assert main(["parity", "--reference", str(folder), "--tiny"]) == 1


def test_an_empty_folder_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parity", "--reference", str(tmp_path)]) == 1
    assert "nothing to check" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "guidance", "eta", "steps", "generated"),
    [
        ("w0.5_eta0.5", 0.5, 0.5, 20, None),
        ("w1_eta1_S50", 1.0, 1.0, 50, None),
        ("inp_w2_eta0_stems03", 2.0, 0.0, 20, (0, 3)),
        ("gen_w0", 0.0, 1.0, 20, None),
    ],
)
def test_cases_are_read_from_their_names(
    name: str, guidance: float, eta: float, steps: int, generated: tuple[int, ...] | None
) -> None:
    case = read_case(name, eta=1.0, steps=20)
    assert case is not None
    assert (case.guidance, case.eta, case.steps) == (guidance, eta, steps)
    assert case.generated == generated
