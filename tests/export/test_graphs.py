"""The graphs against the networks, and against the published front end's numbers."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from bandmate_export import parity
from bandmate_export.networks import KINDS, read_networks
from bandmate_export.weights import Precision
from bandmate_server.errors import ExportError
from bandmate_server.model.bundle import load_bundle
from bandmate_server.model.opening import open_latent_model
from bandmate_server.spec import MINI

SHARED = Path(os.environ.get("BANDMATE_SHARED", Path(__file__).parents[3] / "shared"))
GRAPHS = ("encoder", "denoiser", "decoder", "vocoder", "separator")


def session(path: Path) -> Any:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("weights", ["full", "half", "small"])
def test_graphs_compute_what_the_networks_do_at_many_sizes(exported: Any, weights: str) -> None:
    networks = read_networks(list(exported.checkpoints.values()))
    precisions: dict[str, Precision] = dict.fromkeys(KINDS, "float16")
    if weights == "small":
        precisions |= {"separator": "int8", "denoiser": "int8"}
    if weights != "full":
        networks = networks.rounded(precisions)
    cases = (
        parity.Case(1, 8),
        parity.Case(2, 16),
        parity.Case(3, 104),
        parity.Case(1, 256),
        parity.Case(1, 8, 2),
        parity.Case(4, 24, 2),
    )
    rows = parity.compare(networks, load_bundle(getattr(exported, weights)), cases)
    assert {(row.graph, row.output) for row in rows} == {
        ("encoder", "log_mel"),
        ("encoder", "latent"),
        ("encoder", "latent_std"),
        ("denoiser", "x0"),
        ("separator", "mask_logits"),
        ("decoder", "log_mel"),
        ("vocoder", "wave"),
    }
    limits = {row.graph: 1e-4 if row.graph == "vocoder" else 1e-5 for row in rows}
    assert all(row.relative < limits[row.graph] for row in rows)  # oscillators add up roundings


def test_parity_notices_other_weights(exported: Any) -> None:
    networks = read_networks(list(exported.checkpoints.values()))
    name = "entry.bias"
    dict(networks.denoiser.named_parameters())[name].add_(1e-2)
    rows = parity.compare(networks, load_bundle(exported.full), parity.CASES[:1])
    with pytest.raises(ExportError, match="denoiser"):
        parity.check(rows, parity.LIMIT)


def test_parity_refuses_not_a_number(exported: Any) -> None:
    row = parity.Row("vocoder", "wave", parity.Case(1, 8), float("nan"), float("nan"))
    good = replace(row, absolute=0.0, relative=0.0)
    for rows in ([row, good], [good, row]):
        with pytest.raises(ExportError):
            parity.check(rows, parity.LIMIT)


def test_guidance_of_one_and_zero_is_the_first_condition(exported: Any) -> None:
    denoiser = session(exported.full / "denoiser.onnx")
    feeds = parity.inputs("denoiser", MINI, parity.Case(1, 16, 2))
    feeds["guidance"] = np.array([1, 0], np.float32)
    single = {**feeds, "guidance": np.ones(1, np.float32)}
    for name in ("mixture", "mixture_kind", "known", "known_mask"):
        single[name] = feeds[name][:1]
    x0 = denoiser.run(["x0"], feeds)[0]
    np.testing.assert_allclose(x0, denoiser.run(["x0"], single)[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("weights", ["full", "half", "small"])
@pytest.mark.parametrize("graph", GRAPHS)
def test_casts_and_fourier_matrices_are_done_once_at_load(
    exported: Any, tmp_path: Path, graph: str, weights: str
) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    file = getattr(exported, weights) / f"{graph}.onnx"
    onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    optimised = onnx.load(tmp_path / "optimised.onnx").graph
    constants = {initialiser.name for initialiser in optimised.initializer}
    left = [node.op_type for node in optimised.node if constants.issuperset(node.input)]
    assert not left


@pytest.mark.skipif(not (SHARED / "reference/mel.npz").is_file(), reason="no shared/reference")
@pytest.mark.parametrize(
    ("wave", "largest", "mean"),
    [("chirp", 1e-2, 2e-4), ("noise", 1e-4, 1e-5), ("short", 1e-4, 1e-5)],
)
def test_log_mel_is_the_published_front_ends(
    exported: Any, wave: str, largest: float, mean: float
) -> None:
    reference = np.load(SHARED / "reference/mel.npz")
    samples = reference[f"wave_{wave}"].astype(np.float32) / 32768
    padded = np.pad(samples, (0, MINI.window_samples - len(samples)))[None]
    found = session(exported.half / "encoder.onnx").run(["log_mel"], {"wave": padded})[0]
    error = np.abs(found[0] - reference[f"mel_{wave}"])
    assert error.max() <= largest
    assert error.mean() <= mean


def test_silence_and_full_scale_stay_finite(exported: Any) -> None:
    model = open_latent_model(exported.full, device="cpu", threads=1)
    samples = MINI.block_samples
    square = np.sign(np.sin(np.arange(samples) * 0.3))
    waves = np.stack([np.zeros(samples), np.ones(samples), square]).astype(np.float32)
    encoded = model.encode(waves)
    np.testing.assert_allclose(encoded.log_mel[0], np.log(MINI.mel.floor), atol=1e-5)
    for values in (encoded.log_mel, encoded.latent, encoded.latent_std):
        assert np.isfinite(values).all()
    assert np.isfinite(model.vocode(encoded.log_mel)).all()
    assert model.vocode(encoded.log_mel).shape == (3, samples)
    assert model.decode(encoded.latent).shape == encoded.log_mel.shape
