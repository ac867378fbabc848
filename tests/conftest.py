"""A whole bundle of tiny ONNX graphs with the real signatures and trivial maths."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bandmate_bridge.cli import main
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.model.bundle import list_bundles
from bandmate_server.model.graphs import graph_shapes
from bandmate_server.model.mel import filter_bank
from bandmate_server.model.model import Model
from bandmate_server.model.opening import open_latent_model
from bandmate_server.spec import MINI, PAPER, AnySpec, ModelSpec, WaveformSpec

if TYPE_CHECKING:
    from torch.nn import Module

    from bandmate_training.networks.waveform.htdemucs import HTDemucs
    from bandmate_training.networks.waveform.roformer import RoFormer

Network = TypeVar("Network", bound="Module")

HEAD = replace(MINI, name="fake")
PLAIN = replace(PAPER, name="fake-paper")
WAVES = WaveformSpec("fake-waves", ("drums", "vocals", "other"), segment=44_100)
OPSET = 20

Node = tuple[str, list[str], list[str], dict[str, Any]]


def _graph(
    spec: AnySpec, graph: str, nodes: list[Node], constants: dict[str, Any]
) -> onnx.ModelProto:
    inputs, outputs = graph_shapes(graph, spec)

    def value(name: str, shape: tuple[int | None, ...]) -> onnx.ValueInfoProto:
        axes = [axis or f"{name}_{index}" for index, axis in enumerate(shape)]
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, axes)

    made = helper.make_graph(
        [helper.make_node(op, ins, outs, **kw) for op, ins, outs, kw in nodes],
        graph,
        [value(*item) for item in inputs.items()],
        [value(*item) for item in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    about = {"graph": graph, "spec": spec.to_json()}
    helper.set_model_props(model, {"bandmate": json.dumps(about)})
    onnx.checker.check_model(model)
    return model


def _encoder(spec: ModelSpec) -> onnx.ModelProto:
    size, hop, ratio = spec.mel.fft_size, spec.mel.hop, spec.latent_ratio
    n = np.arange(size)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / size)
    angles = 2 * np.pi * np.outer(np.arange(size // 2 + 1), n) / size
    constants = {
        "pads": np.array([0, 0, size // 2, 0, 0, size // 2]),
        "cos": (window * np.cos(angles))[:, None].astype(np.float32),
        "sin": (window * np.sin(angles))[:, None].astype(np.float32),
        "bank": filter_bank(spec.mel).T,
        "one": np.array([1]),
        "zero": np.array([0]),
        "minus": np.array([-1]),
        "axis": np.array([1]),
        "floor": np.array(spec.mel.floor, np.float32),
        "none": np.array(0.0, np.float32),
    }
    nodes: list[Node] = [
        ("Unsqueeze", ["wave", "one"], ["wave3"], {}),
        ("Pad", ["wave3", "pads"], ["padded"], {"mode": "reflect"}),
        ("Conv", ["padded", "cos"], ["re"], {"strides": [hop]}),
        ("Conv", ["padded", "sin"], ["im"], {"strides": [hop]}),
        ("Mul", ["re", "re"], ["re2"], {}),
        ("Mul", ["im", "im"], ["im2"], {}),
        ("Add", ["re2", "im2"], ["power"], {}),
        ("Sqrt", ["power"], ["magnitude"], {}),
        ("Transpose", ["magnitude"], ["turned"], {"perm": [0, 2, 1]}),
        ("Slice", ["turned", "zero", "minus", "axis"], ["cut"], {}),
        ("MatMul", ["cut", "bank"], ["mel"], {}),
        ("Max", ["mel", "floor"], ["above"], {}),
        ("Log", ["above"], ["log_mel"], {}),
        ("Unsqueeze", ["log_mel", "one"], ["image"], {}),
        ("AveragePool", ["image"], ["cell"], {"kernel_shape": [ratio] * 2, "strides": [ratio] * 2}),
        ("Concat", ["cell"] * spec.latent_channels, ["latent"], {"axis": 1}),
        ("Mul", ["latent", "none"], ["latent_std"], {}),
    ]
    return _graph(spec, "encoder", nodes, constants)


def stem_shares(spec: ModelSpec) -> FloatArray:
    """Return the mask logits that the fake separator gives (S+1, bands): a bump for each stem."""
    assert spec.masks is not None
    bands = spec.masks.bands
    centres = np.linspace(0, bands - 1, len(spec.stems) + 1)[:, None]
    logits: FloatArray = (-(((np.arange(bands) - centres) / 24.0) ** 2)).astype(np.float32)
    return logits


def _separator(spec: ModelSpec) -> onnx.ModelProto:
    """Logits that move a little with the audio's envelope."""
    assert spec.masks is not None
    constants = {
        "hops": np.array([0, -1, 1, spec.masks.hop]),
        "last": np.array([3]),
        "one": np.array([1]),
        "shares": stem_shares(spec)[None, :, None],
        "little": np.linspace(-0.05, 0.05, len(spec.stems) + 1, dtype=np.float32)[:, None, None],
    }
    nodes: list[Node] = [
        ("Reshape", ["wave", "hops"], ["frames"], {}),
        ("Abs", ["frames"], ["size"], {}),
        ("ReduceMean", ["size", "last"], ["envelope"], {"keepdims": 1}),
        ("Transpose", ["envelope"], ["image"], {"perm": [0, 2, 1, 3]}),
        ("Mul", ["image", "little"], ["moving"], {}),
        ("Add", ["moving", "shares"], ["mask_logits"], {}),
    ]
    return _graph(spec, "separator", nodes, constants)


def _denoiser(spec: ModelSpec) -> onnx.ModelProto:
    stems = len(spec.stems)
    constants = {
        "first": np.array([0]),
        "one": np.array([1]),
        "weight_shape": np.array([-1, 1, 1, 1, 1]),
        "offsets": -np.arange(1, stems + 1, dtype=np.float32).reshape(1, stems, 1, 1, 1),
    }
    told = "mixture"
    nodes: list[Node] = []
    if spec.conditioning == "learnt":  # What is known sounds through, and so does the noise.
        told = "told"
        constants |= {"two": np.array([2]), "fifth": np.array(0.2, np.float32)}
        nodes = [
            ("ReduceMean", ["known", "two"], ["known_mean"], {"keepdims": 0}),
            ("Mul", ["known_mean", "fifth"], ["little_known"], {}),
            ("Add", ["mixture", "little_known"], ["told"], {}),
            ("Mul", ["x", "fifth"], ["little_x"], {}),
        ]
    nodes += [
        ("Reshape", ["guidance", "weight_shape"], ["weights"], {}),
        ("Mul", [told, "weights"], ["weighted"], {}),
        ("ReduceSum", ["weighted", "first"], ["guided"], {"keepdims": 0}),
        ("Unsqueeze", ["guided", "one"], ["guided5"], {}),
        ("Add", ["guided5", "offsets"], ["clean"], {}),
        ("Add", ["clean", "little_x"], ["x0"], {})
        if spec.conditioning == "learnt"
        else ("Identity", ["clean"], ["x0"], {}),
    ]
    return _graph(spec, "denoiser", nodes, constants)


def _decoder(spec: ModelSpec) -> onnx.ModelProto:
    ratio = float(spec.latent_ratio)
    constants = {"one": np.array([1]), "scales": np.array([1, 1, ratio, ratio], np.float32)}
    nodes: list[Node] = [
        ("ReduceMean", ["latent", "one"], ["cells"], {"keepdims": 1}),
        ("Resize", ["cells", "", "scales"], ["image"], {"mode": "nearest"}),
        ("Squeeze", ["image", "one"], ["log_mel"], {}),
    ]
    return _graph(spec, "decoder", nodes, constants)


def _vocoder(spec: ModelSpec) -> onnx.ModelProto:
    """Return waves whose envelope is the mel's mean: enough to see time and level."""
    tone = np.sin(2 * np.pi * np.arange(spec.mel.hop) / 40.0).astype(np.float32)
    constants = {"last": np.array([2]), "tone": tone, "flat": np.array([0, -1])}
    nodes: list[Node] = [
        ("Exp", ["log_mel"], ["mel"], {}),
        ("ReduceMean", ["mel", "last"], ["envelope"], {"keepdims": 1}),
        ("Mul", ["envelope", "tone"], ["waves"], {}),
        ("Reshape", ["waves", "flat"], ["wave"], {}),
    ]
    return _graph(spec, "vocoder", nodes, constants)


def _waveform_separator(spec: WaveformSpec) -> onnx.ModelProto:
    """Every source is a share of the mixture, one third more of the next."""
    shares = np.arange(1, len(spec.sources) + 1, dtype=np.float32) / 6
    constants = {"one": np.array([1]), "shares": shares[:, None, None]}
    nodes: list[Node] = [
        ("Unsqueeze", ["wave", "one"], ["mixture"], {}),
        ("Mul", ["mixture", "shares"], ["waves"], {}),
    ]
    return _graph(spec, "separator", nodes, constants)


def write_bundle(folder: Path, spec: AnySpec) -> Path:
    """Write a whole bundle of fake graphs and return its folder."""
    if isinstance(spec, WaveformSpec):
        return write_graphs(folder, spec, {"separator": _waveform_separator(spec)})
    makers = {"encoder": _encoder, "denoiser": _denoiser, "decoder": _decoder, "vocoder": _vocoder}
    if spec.masks:
        makers["separator"] = _separator
    return write_graphs(folder, spec, {graph: make(spec) for graph, make in makers.items()})


def write_graphs(folder: Path, spec: AnySpec, graphs: dict[str, onnx.ModelProto]) -> Path:
    """Write a bundle of these graphs and return its folder."""
    folder.mkdir(parents=True)
    sums = {}
    for graph, model in graphs.items():
        content = model.SerializeToString()
        (folder / f"{graph}.onnx").write_bytes(content)
        sums[f"{graph}.onnx"] = hashlib.sha256(content).hexdigest()
    manifest = {
        "name": spec.name,
        "version": "1",
        "spec": spec.to_json(),
        "files": {graph: f"{graph}.onnx" for graph in graphs},
        "sha256": sums,
    }
    (folder / "bundle.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="session")
def fake_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a separator."""
    return write_bundle(tmp_path_factory.mktemp("bundles") / "fake", HEAD)


@pytest.fixture(scope="session")
def model(fake_bundle: Path) -> Model:
    """The fake model with a separator."""
    return open_latent_model(fake_bundle, "cpu", threads=1)


@pytest.fixture(scope="session")
def paper_model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A fake model of the paper's kind: no separator, conditioned on the mixture only."""
    folder = write_bundle(tmp_path_factory.mktemp("bundles") / "paper", PLAIN)
    return open_latent_model(folder, "cpu", threads=1)


@pytest.fixture(scope="session")
def waveform_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fake bundle of waves: drums are a sixth of the mixture, vocals a third."""
    return write_bundle(tmp_path_factory.mktemp("bundles") / "fake-waves", WAVES)


@pytest.fixture(scope="session")
def make_bundle() -> Callable[[Path, AnySpec], Path]:
    """Return `write_bundle(folder, spec)`."""
    return write_bundle


@pytest.fixture(scope="session")
def htdemucs() -> HTDemucs:
    """A small HTDemucs for segments of a second, its weights drawn at random."""
    from bandmate_training.networks.waveform.htdemucs import HTDemucs, HTDemucsConfig

    sources = ("drums", "bass", "other", "vocals", "guitar", "piano")
    sizes = {"channels": 8, "bottom_channels": 32, "t_heads": 2, "t_layers": 2, "dconv_mode": 3}
    return _drawn(lambda: HTDemucs(HTDemucsConfig(sources, segment=1.0, **sizes)))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def roformer() -> RoFormer:
    """A small BS-RoFormer, likewise."""
    from bandmate_training.networks.waveform.roformer import RoFormer, RoFormerConfig, split_bands

    bands = split_bands((*[8] * 16, *[128] * 7, 1))
    config = RoFormerConfig(bands, 1025, 1, 2, 16, 1, 1, 1, heads=2, dim_head=8)
    return _drawn(lambda: RoFormer(config))


def _drawn(make: Callable[[], Network]) -> Network:
    """Return a network with every weight moved, so that no layer stays at its start."""
    import torch

    torch.manual_seed(0)
    network = make()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.02 * torch.randn(weight.shape))
    return network.eval()


@pytest.fixture(scope="session")
def separator_bundles(
    tmp_path_factory: pytest.TempPathFactory, htdemucs: HTDemucs, roformer: RoFormer
) -> Path:
    """A folder with both as bundles, `ht` and `bs`."""
    from bandmate_export.bundle import About
    from bandmate_export.waveform.bundle import WaveformNetwork, export_waveform

    folder = tmp_path_factory.mktemp("waveform")
    export_waveform(WaveformNetwork.of_htdemucs(htdemucs), folder / "ht", About("ht", "1", "MIT"))
    source = WaveformNetwork((roformer,), ("vocals",), 44_100, 44_100, hop=441)
    export_waveform(source, folder / "bs", About("bs", "1", "unknown"))
    return folder


@pytest.fixture(scope="session")
def reference() -> Path:
    """The published system's numbers; they lie beside the repository."""
    shared = os.environ.get("BANDMATE_SHARED")
    folder = (Path(shared) if shared else Path(__file__).parents[2] / "shared") / "reference"
    if not (folder / "ddim.npz").is_file():
        pytest.skip(f"no conformance data in {folder}: set BANDMATE_SHARED")
    return folder


@pytest.fixture(scope="session")
def mini() -> Model:
    """The real mini model."""
    if "mini" not in list_bundles():
        pytest.skip("the mini bundle is not there")
    return open_latent_model("mini", "cpu", threads=1)


@dataclass(frozen=True)
class Ran:
    """What a command left: its status, stdout and the lines on stderr."""

    status: int
    out: str
    errors: list[str]

    @property
    def json(self) -> dict[str, Any]:
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value

    def failed_with(self, status: int, *words: str) -> None:
        """Check for exactly one line on stderr, naming all `words`, and no result."""
        assert self.status == status, self
        assert len(self.errors) == 1, self.errors
        assert self.errors[0].startswith("bandmate: error: ")
        for word in words:
            assert word in self.errors[0]
        assert self.out == ""


Run = Callable[..., Ran]


@pytest.fixture
def bandmate(environment: dict[str, str], tmp_path: Path) -> Run:
    """Return a function that runs `bandmate` in the test's folder and waits for it."""

    def run(*arguments: str | Path, **options: Any) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "bandmate_bridge.cli", *arguments],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            **options,
        )
        return Ran(done.returncode, done.stdout, done.stderr.splitlines())

    return run


@pytest.fixture
def bandmate_here(
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Return what does as `bandmate` within this process: quicker, for what does not separate."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "BANDMATE_MODELS"):
        monkeypatch.setenv(name, environment[name])

    def run(*arguments: str | Path) -> Ran:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        out, errors = capsys.readouterr()
        return Ran(status, out, errors.splitlines())

    return run
