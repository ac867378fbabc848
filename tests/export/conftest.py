"""Checkpoints of tiny networks with random weights, and the bundles they make."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bandmate_export import parity
from bandmate_export.cli import main
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.spec import MINI, ModelSpec
from bandmate_training.networks.config import (
    DenoiserConfig,
    SeparatorConfig,
    VaeConfig,
    VocoderConfig,
)
from bandmate_training.networks.denoiser import Denoiser
from bandmate_training.networks.separator import Separator
from bandmate_training.networks.vae import Vae
from bandmate_training.networks.vocoder import Vocoder

VAE = VaeConfig(width=16, encoder_blocks=1, decoder_blocks=2)
DENOISER = DenoiserConfig(
    widths=(32, 64), blocks=1, attention_levels=(1,), head_width=16, embedding=32
)
SEPARATOR = SeparatorConfig(
    widths=(32, 64), blocks=1, attention_levels=(1,), head_width=16, mixer_channels=2
)
VOCODER = VocoderConfig(width=24, blocks=2, expansion=2, tones_width=24, tones_blocks=1)

Make = Callable[[ModelSpec], nn.Module]
NETWORKS: dict[str, tuple[Make, Any]] = {
    "vae": (lambda spec: Vae(spec, VAE), VAE),
    "separator": (lambda spec: Separator(spec, SEPARATOR), SEPARATOR),
    "denoiser": (lambda spec: Denoiser(spec, DENOISER), DENOISER),
    "vocoder": (lambda spec: Vocoder(spec, VOCODER), VOCODER),
}
OPTIONS = {"full": [], "half": ["--half"], "small": ["--half", "--int8", "separator", "denoiser"]}


def network(kind: str, seed: int = 0, spec: ModelSpec = MINI) -> nn.Module:
    """Make a network none of whose weights is at a special value."""
    module = NETWORKS[kind][0](spec)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if not tensor.is_floating_point():  # a batch normalisation's count of batches
                continue
            noise = torch.randn(tensor.shape, generator=generator)
            fan = max(1, tensor[0].numel()) if tensor.ndim > 1 else 1
            base = 1.0 if tensor.ndim == 1 and name.endswith(("weight", "running_var")) else 0.0
            tensor.copy_(base + (0.1 if tensor.ndim < 2 else fan**-0.5) * noise)
        if isinstance(module, Vae):
            module.scale.fill_(1.7)
    return module


def write_checkpoint(path: Path, kind: str, seed: int = 0, spec: ModelSpec = MINI) -> Path:
    state = {
        "kind": kind,
        "spec": spec.to_json(),
        "config": asdict(NETWORKS[kind][1]),
        "average": network(kind, seed, spec).state_dict(),
        "step": 120,
        "minutes": 3.5,
        "seed": seed,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
    return path


@dataclass(frozen=True)
class Exported:
    """Checkpoints by kind, and the bundles made of them."""

    checkpoints: dict[str, Path]
    full: Path
    half: Path
    small: Path


@pytest.fixture(autouse=True, scope="session")
def short_comparisons() -> Iterator[None]:
    """Let the command compare small sizes only; `test_graphs.py` has the others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "CASES", (parity.Case(1, 8), parity.Case(2, 16, 2)))
        yield


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("export")
    checkpoints = {kind: write_checkpoint(folder / f"{kind}.pt", kind) for kind in NETWORKS}
    paths = [str(path) for path in checkpoints.values()]
    for name, options in OPTIONS.items():
        assert main([*reversed(paths), "--out", str(folder / name), *options]) == 0
    return Exported(checkpoints, *(folder / name for name in OPTIONS))


@pytest.fixture(scope="session")
def music() -> Callable[..., FloatArray]:
    """Make chords that decay over noise, another in every channel (n, 2)."""

    def make(seconds: float, rate: int = 44_100) -> FloatArray:
        time = np.arange(round(seconds * rate)) / rate
        chords = [sum(np.sin(2 * np.pi * f * k * time) for f in (110, 277, 330)) for k in (1, 2)]
        noise = np.random.default_rng(5).standard_normal((len(time), 2))
        beat = np.exp(-4 * (time % 0.5))[:, None]
        found: FloatArray = (0.1 * beat * np.stack(chords, 1) + 0.02 * noise).astype(np.float32)
        return found

    return make
