"""The `bandmate-export` command: what it writes, and what it refuses."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bandmate_export import parity
from bandmate_export.cli import main
from bandmate_server.model.bundle import load_bundle
from bandmate_server.spec import MINI
from bandmate_training.networks.checkpoint_file import fingerprint

GRAPHS = ("encoder", "denoiser", "decoder", "vocoder", "separator")


def paths(exported: Any) -> list[str]:
    return [str(path) for path in exported.checkpoints.values()]


def sums(folder: Path) -> dict[str, str]:
    return {g: hashlib.sha256((folder / f"{g}.onnx").read_bytes()).hexdigest() for g in GRAPHS}


def rewritten(source: Path, target: Path, **changes: Any) -> Path:
    torch.save(torch.load(source, weights_only=True) | changes, target)
    return target


def refused(arguments: list[str], out: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must fail; return its one line."""
    before = sorted(out.parent.iterdir())
    assert main([*arguments, "--out", str(out)]) == 1
    assert sorted(out.parent.iterdir()) == before
    error = capsys.readouterr().err
    assert error.startswith("bandmate-export: error: ")
    assert error.count("\n") == 1
    return error


def test_same_weights_give_the_same_bytes_in_any_order(exported: Any, tmp_path: Path) -> None:
    assert main([*paths(exported), "--out", str(tmp_path / "again")]) == 0
    assert sums(tmp_path / "again") == sums(exported.full)


def test_one_network_can_be_exported_anew(exported: Any, tmp_path: Path) -> None:
    checkpoint = rewritten(exported.checkpoints["denoiser"], tmp_path / "longer.pt", step=240)
    state = torch.load(checkpoint, weights_only=True)
    state["average"]["out.bias"] += 0.5
    torch.save(state, checkpoint)
    out = tmp_path / "new"
    assert main([str(checkpoint), "--from", str(exported.full), "--out", str(out)]) == 0
    before, after = sums(exported.full), sums(out)
    assert [graph for graph in GRAPHS if before[graph] != after[graph]] == ["denoiser"]
    training = load_bundle(out).manifest["training"]
    assert (training["vae"]["step"], training["denoiser"]["step"]) == (120, 240)


def test_a_bundle_can_be_made_half_afterwards(exported: Any, tmp_path: Path) -> None:
    assert main(["--from", str(exported.full), "--half", "--out", str(tmp_path / "small")]) == 0
    assert sums(tmp_path / "small") == sums(exported.half)


def test_a_bundle_can_replace_itself(exported: Any, tmp_path: Path) -> None:
    out = tmp_path / "mini"
    assert main([*paths(exported), "--out", str(out)]) == 0
    arguments = [paths(exported)[1], "--from", str(out), "--half", "--out", str(out), "--force"]
    assert main(arguments) == 0
    assert load_bundle(out).manifest["weights"] == "float16"
    assert [path.name for path in tmp_path.iterdir()] == ["mini"]


def test_card_and_settings_go_into_the_bundle(exported: Any, tmp_path: Path) -> None:
    card = tmp_path / "card.json"
    figures = {"drums": {"dB": 9.5}, "bass": {"dB": 8.25}}
    card.write_text(json.dumps({"hours": "20", "figures": figures, "commands": ["a", "b"]}))
    out = tmp_path / "mini"
    options = ["--card", str(card), "--defaults", '{"guidance": 1.5}', "--version", "2.0"]
    assert main([*paths(exported), "--out", str(out), "--name", "tiny", *options]) == 0
    text = (out / "MODEL_CARD.md").read_text()
    for part in ("# tiny 2.0", "| drums | 9.5 |", "- a\n- b", "denoiser", "## Limits", "MIT"):
        assert part in text
    bundle = load_bundle(out)
    assert bundle.manifest["defaults"] == {"guidance": 1.5}
    assert bundle.manifest["training"]["figures"] == figures
    assert (bundle.name, bundle.version) == ("tiny", "2.0")


def test_a_plain_text_becomes_notes_of_the_card(exported: Any, tmp_path: Path) -> None:
    (tmp_path / "card.txt").write_text("Trained on a Tuesday.\n")
    out = tmp_path / "mini"
    assert main([*paths(exported), "--out", str(out), "--card", str(tmp_path / "card.txt")]) == 0
    assert "Trained on a Tuesday." in (out / "MODEL_CARD.md").read_text()


def test_missing_kinds_are_named(
    exported: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused([paths(exported)[0]], tmp_path / "out", capsys)
    assert "denoiser and the vocoder" in error


def test_two_of_a_kind_are_refused(
    exported: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused([*paths(exported), paths(exported)[0]], tmp_path / "out", capsys)
    assert "second vae" in error


def test_networks_of_different_models_are_refused(
    exported: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = replace(MINI, stems=("drums", "bass", "guitar", "piano")).to_json()
    other = rewritten(exported.checkpoints["denoiser"], tmp_path / "other.pt", spec=spec)
    given = [str(path) for kind, path in exported.checkpoints.items() if kind != "denoiser"]
    error = refused([*given, str(other)], tmp_path / "out", capsys)
    assert "other.pt" in error
    assert "specs differ" in error


def test_a_denoiser_must_know_the_vae(
    exported: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = dict(exported.checkpoints)
    vae, denoiser = rest["vae"], rest.pop("denoiser")
    given = [str(path) for path in rest.values()]
    mark = fingerprint(torch.load(vae, weights_only=True)["average"])
    paired = str(rewritten(denoiser, tmp_path / "paired.pt", vae=mark))
    strange = str(rewritten(denoiser, tmp_path / "strange.pt", vae="0" * 64))
    assert "another VAE" in refused([*given, strange], tmp_path / "out", capsys)
    half = tmp_path / "half"
    assert main([*given, paired, "--half", "--out", str(half)]) == 0
    again = ["--from", str(half), "--out", str(tmp_path / "again")]
    assert main([paired, *again]) == 0  # rounding does not make it another VAE
    assert main([str(vae), *again, "--force"]) == 0


def test_weights_under_another_kind_are_refused(
    exported: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = exported.checkpoints["vocoder"]
    swapped = rewritten(exported.checkpoints["vae"], tmp_path / "swapped.pt", kind="vocoder")
    given = [str(path) for kind, path in exported.checkpoints.items() if kind != "vocoder"]
    error = refused([*given, str(swapped)], tmp_path / "out", capsys)
    assert "swapped.pt" in error
    config = torch.load(source, weights_only=True)["config"]
    rewritten(exported.checkpoints["vae"], swapped, kind="vocoder", config=config)
    assert "does not fit" in refused([*given, str(swapped)], tmp_path / "o", capsys)


def test_weights_that_are_not_finite_are_refused(
    exported: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = torch.load(exported.checkpoints["vae"], weights_only=True)
    state["average"]["decoder.0.bias"][0] = torch.nan
    torch.save(state, tmp_path / "nan.pt")
    error = refused([str(tmp_path / "nan.pt"), *paths(exported)[1:]], tmp_path / "out", capsys)
    assert "decoder.0.bias" in error


def test_weights_beyond_float16_are_refused_with_half(
    exported: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = torch.load(exported.checkpoints["vae"], weights_only=True)
    state["average"]["decoder.0.weight"][0, 0, 0, 0] = 1e6
    torch.save(state, tmp_path / "big.pt")
    arguments = [str(tmp_path / "big.pt"), *paths(exported)[1:], "--half"]
    assert "decoder.0.weight" in refused(arguments, tmp_path / "out", capsys)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_unreadable_checkpoints_are_named(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "odd name.pt"
    if content is not None:
        path.write_bytes(content)
    assert "odd name.pt" in refused([str(path)], tmp_path / "out", capsys)


def test_a_graph_that_is_off_is_not_written(
    exported: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parity, "LIMIT", 1e-12)
    assert "differs from torch" in refused(paths(exported), tmp_path / "out", capsys)


def test_an_existing_bundle_is_kept_without_force(
    exported: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sums(exported.full)
    assert "--force" in refused(paths(exported), exported.full, capsys)
    assert sums(exported.full) == before


def test_a_folder_of_other_things_is_never_replaced(
    exported: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "music"
    out.mkdir()
    (out / "song.wav").write_bytes(b"x")
    assert "no bundle" in refused([*paths(exported), "--force"], out, capsys)
    assert (out / "song.wav").exists()


@pytest.mark.parametrize("text", ["", "{", "[1]"])
def test_a_card_that_is_no_object_is_refused(
    text: str, exported: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = tmp_path / "card.json"
    card.write_text(text)
    arguments = [*paths(exported), "--card", str(card)]
    assert "card.json" in refused(arguments, tmp_path / "out", capsys)


@pytest.mark.parametrize("text", ["{", "[1]", '{"steps": "many"}', '{"tempo": 1}'])
def test_settings_that_the_engine_does_not_know_are_wrong_usage(text: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--out", str(tmp_path / "out"), "--defaults", text])
    assert stop.value.code == 2
