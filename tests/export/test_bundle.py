"""What stands in a bundle's files, and what can be read back from them."""

import json
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import nn

from bandmate_export.networks import read_networks
from bandmate_export.staging import staged
from bandmate_export.weights import rounded, stored_as
from bandmate_server.errors import CheckpointError, OutputError
from bandmate_server.model.bundle import METADATA_KEY, load_bundle, verify_bundle
from bandmate_server.spec import MINI
from bandmate_training.networks.weights import bundle_weights, load_module

GRAPHS = ("encoder", "denoiser", "decoder", "vocoder", "separator")
KINDS = ("vae", "separator", "denoiser", "vocoder")


def average(path: Path) -> dict[str, torch.Tensor]:
    """Return a checkpoint's weights; counts of batches, which only training reads, left out."""
    weights: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["average"]
    return {name: tensor for name, tensor in weights.items() if tensor.is_floating_point()}


@pytest.mark.parametrize("kind", KINDS)
def test_weights_come_back_from_a_bundle_as_they_were(exported: Any, kind: str) -> None:
    expected = average(exported.checkpoints[kind])
    found = bundle_weights(exported.full, kind)
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert found[name].shape == tensor.shape
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("kind", KINDS)
def test_half_bundles_give_large_weights_back_rounded(exported: Any, kind: str) -> None:
    found = bundle_weights(exported.half, kind)
    rounded = 0
    for name, tensor in average(exported.checkpoints[kind]).items():
        large = stored_as(tuple(tensor.shape), "float16") == "float16"
        rounded += large
        assert torch.equal(found[name], tensor.half().float() if large else tensor), name
    assert rounded


@pytest.mark.parametrize("kind", ["separator", "denoiser"])
def test_integers_give_weights_back_to_half_a_step_of_their_channel(
    exported: Any, kind: str
) -> None:
    found = bundle_weights(exported.small, kind)
    before = average(exported.checkpoints[kind])
    assert set(found) == set(before)
    coarse = 0
    for name, tensor in before.items():
        if stored_as(tuple(tensor.shape), "int8") != "int8":
            continue
        coarse += 1
        largest = tensor.abs().amax(dim=tuple(range(1, tensor.ndim)), keepdim=True)
        assert ((found[name] - tensor).abs() <= 0.51 * largest / 127).all(), name
        assert not torch.equal(found[name], tensor)
    assert coarse > 5


def test_rounding_to_integers_twice_changes_nothing() -> None:
    layer = nn.Conv2d(64, 48, 3, bias=False)
    with torch.no_grad():
        layer.weight[0] = 0.0
        layer.weight[1] *= 1e-9
    once = rounded(layer, "int8")
    assert not torch.equal(once.weight, layer.weight)
    assert torch.equal(rounded(once, "int8").weight, once.weight)


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_can_start_from_a_bundle(exported: Any, kind: str) -> None:
    module = getattr(read_networks(list(exported.checkpoints.values())), kind)
    expected = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    for tensor in module.state_dict().values():
        tensor.zero_()
    load_module(exported.full, kind, module)
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_a_bundle_does_not_fit_another_network(exported: Any) -> None:
    networks = read_networks(list(exported.checkpoints.values()))
    with pytest.raises(CheckpointError, match="vocoder"):
        load_module(exported.full, "vocoder", networks.denoiser)


@pytest.mark.parametrize("graph", GRAPHS)
def test_files_say_what_they_are(exported: Any, graph: str) -> None:
    model = onnx.load(exported.full / f"{graph}.onnx")
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(metadata[METADATA_KEY]) == {
        "graph": graph,
        "spec": json.loads(json.dumps(MINI.to_json())),
    }
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 20)]
    assert all(value.name.split(".")[0] != "constant" for value in model.graph.input)


def test_the_engine_accepts_the_bundle(exported: Any) -> None:
    for folder in (exported.full, exported.half, exported.small):
        bundle = verify_bundle(folder)
        assert bundle.spec == MINI
        assert bundle.name == "mini"
        assert bundle.consistency_rounds > 0
        assert len(bundle.mask_speeds) > 1
    assert load_bundle(exported.full).hash != load_bundle(exported.half).hash


def test_half_is_half_the_size(exported: Any) -> None:
    full, half = (
        sum((folder / f"{graph}.onnx").stat().st_size for graph in GRAPHS)
        for folder in (exported.full, exported.half)
    )
    assert half < 0.65 * full


def test_integers_take_half_of_half(exported: Any) -> None:
    half, small = (
        (folder / "denoiser.onnx").stat().st_size for folder in (exported.half, exported.small)
    )
    assert small < 0.7 * half
    words = load_bundle(exported.small).manifest["weights"]
    assert words == "float16, separator int8, denoiser int8"


def test_manifest_tells_how_the_networks_were_made(exported: Any) -> None:
    manifest = load_bundle(exported.half).manifest
    assert manifest["weights"] == "float16"
    for kind in KINDS:
        assert manifest["training"][kind]["step"] == 120
        assert manifest["training"][kind]["config"]
    figures = manifest["training"]["parity"]
    assert set(figures["worst"]) == set(figures["rounding"]) == set(GRAPHS)
    assert all(errors["relative"] < 1e-4 for errors in figures["worst"].values())
    assert figures["rounding"]["denoiser"]["relative"] > 1e-5
    rows = json.loads((exported.half / "parity.json").read_text())
    assert {row["case"]["halves"] for row in rows["parity"]} == {1, 2}


def test_nothing_is_left_when_filling_a_folder_fails(tmp_path: Path) -> None:
    def fill() -> None:
        with staged(tmp_path / "out", force=False) as folder:
            (folder / "file").write_text("x")
            raise OutputError("no room")

    with pytest.raises(OutputError, match="no room"):
        fill()
    assert not list(tmp_path.iterdir())
