"""From published files to a bundle that does what the networks do in torch."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch
from onnxruntime import InferenceSession
from torch import Tensor, nn

from bandmate_bridge.cli import main as bandmate
from bandmate_export import storage
from bandmate_export.graph import Graph
from bandmate_export.paper.volume import DEPTH, Volume
from bandmate_export.published.paper_command import main as import_checkpoint
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.diffusion.mels import POSTERIOR_DRAW
from bandmate_server.diffusion.noise import latent_noise
from bandmate_server.diffusion.sampler import Inpainting, reference_steps, sample
from bandmate_server.errors import BundleError
from bandmate_server.model.bundle import load_bundle
from bandmate_server.model.model import Condition, Model
from bandmate_server.model.opening import open_latent_model
from bandmate_server.model.schedule import cumulative_alphas
from bandmate_server.spec import OTHER, PAPER, STEMS
from bandmate_training.cli import main as train
from bandmate_training.networks.mel import LogMel
from bandmate_training.paper.unet import UNet
from bandmate_training.paper.vae import Vae, posterior_sample
from bandmate_training.paper.vocoder import Vocoder

Expected = tuple[UNet, Vae, Vocoder]
ROOT = Path(__file__).parents[3]
SCALE = 0.9227
RATE = PAPER.mel.sample_rate
SEED, STEPS, GUIDANCE = 5, 3, 2.0
ALPHAS = cumulative_alphas(PAPER.schedule)


@pytest.fixture(scope="module")
def bundle(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle made by the command."""
    out = tmp_path_factory.mktemp("bundle") / "paper"
    assert train(["import-checkpoint", str(checkpoint), "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def opened(bundle: Path) -> Model:
    return open_latent_model(bundle, "cpu", threads=1)


def eps_of(unet: UNet, x: FloatArray, level: int, mixture: FloatArray | None) -> FloatArray:
    """Return the noise that the network in torch predicts."""
    given = None if mixture is None else torch.from_numpy(mixture)
    noise = unet(torch.from_numpy(x), torch.full((len(x),), level), given)
    return np.asarray(noise.numpy())


def in_torch(unet: UNet, mixture: FloatArray, guidance: float) -> Callable[..., FloatArray]:
    def estimate(x: FloatArray, level: int) -> FloatArray:
        without = eps_of(unet, x, level, None)
        noise = without + guidance * (eps_of(unet, x, level, mixture) - without)
        alpha = float(ALPHAS[level])
        return np.asarray((x - math.sqrt(1 - alpha) * noise) / math.sqrt(alpha), np.float32)

    return estimate


def in_engine(model: Model, mixture: FloatArray, guidance: float) -> Callable[..., FloatArray]:
    halves = [(guidance, Condition(mixture)), (1.0 - guidance, Condition())]
    used = [half for half in halves if half[0] != 0.0]

    def estimate(x: FloatArray, level: int) -> FloatArray:
        found: Any = model.denoise(x, level, used)
        x0: FloatArray = getattr(found, "x0", found)
        return x0

    return estimate


def waves_of(expected: Expected, latent: FloatArray) -> FloatArray:
    """Return the waves (S, N) of stem latents (1, S, C, T, F), in torch."""
    _, vae, vocoder = expected
    mel = vae.decode(torch.from_numpy(latent[0]) / SCALE)
    return np.asarray(vocoder(mel[:, 0].transpose(1, 2))[:, 0].numpy())


def noise(*shape: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


@pytest.mark.parametrize(("guidance", "given"), [(1.0, []), (2.0, []), (0.0, []), (0.0, [0, 2, 3])])
def test_the_chain_gives_the_waves_of_the_networks(
    opened: Model, expected: Expected, guidance: float, given: list[int]
) -> None:
    """Separation, total generation and inpainting, from a latent and noise to waves."""
    shape = (1, len(STEMS), 8, 16, 16)
    mixture, start, clean = noise(1, 8, 16, 16, seed=1), noise(*shape, seed=2), noise(*shape)
    mask = np.zeros((1, len(STEMS), 1, 1, 1), np.float32)
    mask[:, given] = 1.0
    known = Inpainting(clean, mask, lambda k: noise(*shape, seed=100 + k)) if given else None

    def run(estimate: Callable[..., FloatArray]) -> FloatArray:
        steps = reference_steps(ALPHAS, STEPS)
        fresh = lambda k: noise(*shape, seed=10 + k)  # noqa: E731
        return sample(estimate, start, steps, "ddim", 1.0, fresh, known)

    wanted = run(in_torch(expected[0], mixture, guidance))
    found = run(in_engine(opened, mixture, guidance))
    assert np.linalg.norm(found - wanted) <= 1e-4 * np.linalg.norm(wanted)
    waves = opened.vocode(opened.decode(found[0]))
    np.testing.assert_allclose(waves, waves_of(expected, wanted)[:, : waves.shape[1]], atol=1e-4)


def test_separate_does_the_published_chain(
    bundle: Path, expected: Expected, tmp_path: Path
) -> None:
    """The command's files against the networks, with the engine's noise."""
    samples = 32 * PAPER.latent_hop
    wave = 0.3 * np.sin(2 * np.pi * 220 * np.arange(samples) / RATE).astype(np.float32)
    sf.write(tmp_path / "song.wav", wave, RATE, "FLOAT")
    command = ["separate", str(tmp_path / "song.wav"), "--out", str(tmp_path), "--quiet"]
    command += ["--model", str(bundle), "--render", "vocoder", "--steps", str(STEPS)]
    command += ["--guidance", str(GUIDANCE), "--seed", str(SEED), "--device", "cpu"]
    assert bandmate(command) == 0
    cell = (len(STEMS), 8, 16)
    mel = LogMel(PAPER.mel)(torch.from_numpy(wave))[None, None]
    drawn = torch.from_numpy(latent_noise(SEED, POSTERIOR_DRAW, 0, 32, (1, 8, 16)))
    mixture = (SCALE * posterior_sample(expected[1].encode(mel), drawn)).numpy()
    latent = sample(
        in_torch(expected[0], mixture, GUIDANCE),
        latent_noise(SEED, 0, 0, 32, cell)[None],
        reference_steps(ALPHAS, STEPS),
        "ddim",
        1.0,
        lambda k: latent_noise(SEED, 1 + 2 * k, 0, 32, cell)[None],
    )
    wanted = waves_of(expected, latent)[:, :samples]
    for stem, expected_wave in zip(STEMS, wanted, strict=True):
        found = sf.read(tmp_path / "song" / f"{stem}.wav", dtype="float32")[0]
        np.testing.assert_allclose(found, expected_wave, atol=1e-4, err_msg=stem)


@pytest.mark.parametrize(
    "made", [made for count in (1, 2, 3) for made in itertools.combinations(STEMS, count)]
)
def test_every_arrangement_is_made(bundle: Path, made: tuple[str, ...], tmp_path: Path) -> None:
    """The other stems are given; what they are makes a difference."""
    frames = 8 * PAPER.latent_hop
    takes = []
    for seed in (0, 1):
        given = {stem: tmp_path / f"{stem}.wav" for stem in STEMS if stem not in made}
        for index, path in enumerate(given.values()):
            sf.write(path, 0.1 * noise(frames, seed=10 * seed + index), RATE, "FLOAT")
        out = tmp_path / f"out{seed}"
        to = [f"{stem}={path}" for stem, path in given.items()]
        command = ["add", *made, "--to", *to, "--out", str(out), "--model", str(bundle)]
        assert bandmate([*command, "--steps", "2", "--device", "cpu", "--quiet"]) == 0
        assert {path.stem for path in out.glob("*.wav")} == set(made)
        takes.append(np.stack([sf.read(out / f"{stem}.wav")[0] for stem in made]))
    assert takes[0].shape == (len(made), frames)
    assert np.isfinite(takes).all()
    assert (np.abs(takes[0]).max(axis=1) > 0).all()
    one, other = (take / np.abs(take).max() for take in takes)  # levels follow what is given too
    assert not np.allclose(one, other, atol=1e-2)


def test_the_bundle_says_what_it_is_made_of(bundle: Path) -> None:
    manifest = json.loads((bundle / "bundle.json").read_text("utf-8"))
    assert manifest["spec"]["conditioning"] == "mixture"
    assert manifest["defaults"] == {"steps": 200, "guidance": 1.0, "eta": 1.0}
    assert manifest["training"]["denoiser"] == {"file": "whole.ckpt"}
    worst = manifest["training"]["parity"]["worst"]
    assert max(figures["relative"] for figures in worst.values()) < 1e-4
    assert "import-checkpoint whole.ckpt" in (bundle / "MODEL_CARD.md").read_text("utf-8")


def test_weights_of_half_the_size_and_in_a_file_of_their_own(
    parts: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "LARGEST_WHOLE", 1 << 20)
    files = [str(path) for path in parts.values()]
    assert import_checkpoint([*files, "--out", str(tmp_path / "b"), "--half"]) == 0
    data = tmp_path / "b" / "denoiser.onnx.data"
    assert data.stat().st_size < 2.2 * sum(p.numel() for p in UNet.parameters(_tiny()))
    whole = bytearray(data.read_bytes())
    whole[5000] ^= 1
    data.write_bytes(whole)
    with pytest.raises(BundleError, match=r"denoiser\.onnx\.data is damaged"):
        load_bundle(tmp_path / "b")
    data.unlink()
    with pytest.raises(BundleError, match=r"denoiser\.onnx\.data is missing"):
        load_bundle(tmp_path / "b")


def _tiny() -> UNet:
    from bandmate_training.paper.config import UNetConfig

    return UNet(UNetConfig(widths=(32, 64, 96, 160)))


def test_a_checkpoint_that_does_not_fit_leaves_nothing(
    state: dict[str, Tensor],
    save: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    del state["scale_factor"]
    assert import_checkpoint([str(save(state)), "--out", str(tmp_path / "b")]) == 1
    assert "missing: scale_factor" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("bands", "stride", "kernel"), list(itertools.product((2, 4), (1, 2), (1, 3)))
)
def test_convolutions_over_the_depth_are_those_of_torch(
    bands: int, stride: int, kernel: int
) -> None:
    if kernel == 1 and stride == 2:
        return
    torch.manual_seed(0)
    steps = (1, stride, stride)
    module = nn.Conv3d(5, 6, kernel, steps, padding=kernel // 2)
    x = torch.randn(2, 5, DEPTH, 6, bands)
    g = Graph("conv", "net", module, "float32")
    y = Volume(g, g.length("x", 0)).conv("x", module, bands)
    model = g.model(
        PAPER, {"x": ("B", DEPTH, 5, "T", bands)}, {"y": (y, ("B", DEPTH, 6, "U", bands // stride))}
    )
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(None, {"x": x.transpose(1, 2).numpy()})[0]
    wanted = module(x).transpose(1, 2).detach().numpy()
    np.testing.assert_allclose(found, wanted, atol=2e-5)


@pytest.mark.slow
def test_the_full_size_step_is_that_of_torch_in_little_memory(tmp_path: Path) -> None:
    """At two lengths; the benchmark's own processes measure their memory."""
    for frames in (16, 32):
        command = [sys.executable, str(ROOT / "benchmarks" / "paper_step.py"), "--runs", "1"]
        command += ["--frames", str(frames), "--keep", str(tmp_path)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout)["onnxruntime"]
        assert found["relative_error"] <= 1e-4
        assert found["peak_rss_gb"] <= 3.5


@pytest.mark.slow
def test_a_checkpoint_of_the_published_size_becomes_a_bundle_that_separates(
    full_size: Path, tmp_path: Path
) -> None:
    out = tmp_path / "bundle"
    command = ["import-checkpoint", str(full_size), "--out", str(out), "--half", "--unchecked"]
    assert train(command) == 0
    full_size.unlink()
    time = np.arange(2 * RATE) / RATE
    wave = (0.3 * np.sin(2 * np.pi * 220 * time) * np.exp(-time)).astype(np.float32)
    sf.write(tmp_path / "song.wav", wave, RATE, "FLOAT")
    command = ["separate", str(tmp_path / "song.wav"), "--out", str(tmp_path), "--quiet"]
    assert bandmate([*command, "--model", str(out), "--steps", "2", "--device", "cpu"]) == 0
    stems = [sf.read(tmp_path / "song" / f"{stem}.wav")[0] for stem in (*STEMS, OTHER)]
    assert all(np.isfinite(stem).all() for stem in stems)
    np.testing.assert_allclose(np.sum(stems, axis=0), wave, atol=1e-6)
