"""Files in the layouts that others publish, written by their own packages with random weights."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

SIZES = {"channels": 8, "bottom_channels": 32, "t_heads": 2, "t_layers": 2, "dconv_mode": 3}
FOUR = ["drums", "bass", "other", "vocals"]
ROFORMER_SIZES = {
    "dim": 16,
    "depth": 2,
    "stereo": True,
    "time_transformer_depth": 1,
    "freq_transformer_depth": 1,
    "dim_head": 8,
    "heads": 2,
    "stft_hop_length": 441,
    "mask_estimator_depth": 2,
}
Package = Callable[..., Path]

# Runs in a process of its own, without a line of ours: the reference package makes the network,
# and its own way of writing packages makes the file.
DEMUCS_PACKAGE = """
import json, sys
from fractions import Fraction
import torch
from demucs.htdemucs import HTDemucs

path, seed, half, sizes = sys.argv[1:]
sizes = json.loads(sizes)
torch.manual_seed(int(seed))
sizes["segment"] = Fraction(sizes["segment"])
network = HTDemucs(**sizes)
with torch.no_grad():
    for weight in network.parameters():
        weight.add_(0.02 * torch.randn(weight.shape))
args, kwargs = network._init_args_kwargs
state = {k: v.half() if half == "half" else v for k, v in network.state_dict().items()}
torch.save(
    {
        "klass": type(network),
        "args": args,
        "kwargs": kwargs,
        "state": state,
        "training_args": {"dset": {"samplerate": 44100}, "optim": {"lr": 3e-4}},
    },
    path,
)
"""

# Likewise for RoFormers: weights, and what the reference makes of a segment of noise.
ROFORMER = """
import json, sys
import numpy as np
import torch
import bs_roformer

path, sound, kind, sizes = sys.argv[1:]
build = {"bs": bs_roformer.BSRoformer, "mel": bs_roformer.MelBandRoformer}[kind]
torch.manual_seed(0)
network = build(**json.loads(sizes), flash_attn=False).eval()
generator = torch.Generator().manual_seed(1)
with torch.no_grad():
    for name, weight in network.named_parameters():
        if "rotary" not in name:
            weight.add_(0.05 * torch.randn(weight.shape, generator=generator))
    mix = 0.1 * torch.randn(1, 2, 44100, generator=generator)
    stems = network(mix).reshape(-1, 2, 44100)
torch.save(network.state_dict(), path)
np.savez(sound, mix=mix[0].numpy(), stems=stems.numpy())
"""


@pytest.fixture(scope="session")
def run_script() -> Callable[..., None]:
    """Run an independent program; its words are the error."""

    def run(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture(scope="session")
def package(run_script: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Package:
    """Write a package of HTDemucs at a path: a small one, unless sizes are given."""
    pytest.importorskip("demucs", reason="the reference is not here")
    folder, known = tmp_path_factory.mktemp("packages"), dict[str, Path]()

    def write(path: Path, seed: int = 0, half: bool = True, **sizes: Any) -> Path:
        values = json.dumps({**SIZES, "sources": FOUR, "segment": "6/5", **sizes})
        arguments = [str(seed), "half" if half else "whole", values]
        key = " ".join(arguments)
        if key not in known:
            known[key] = folder / f"{len(known)}.th"
            run_script(DEMUCS_PACKAGE, str(known[key]), *arguments)
        shutil.copy(known[key], path)
        return path

    return write


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Let torch use one thread: small networks are quicker so."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def roformer_files(
    run_script: Callable[..., None], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, int], dict[str, Path]]:
    """Write weights, and mixture and stems as the reference makes them, of a kind and stems."""
    pytest.importorskip("bs_roformer", reason="the reference is not here")
    folder, known = tmp_path_factory.mktemp("roformers"), set[str]()

    def write(kind: str, stems: int) -> dict[str, Path]:
        name = f"{kind}{stems}"
        files = {"weights": folder / f"{name}.ckpt", "sound": folder / f"{name}.npz"}
        if name not in known:
            extra = {"linear_transformer_depth": 0} if kind == "mel" else {}
            sizes = json.dumps({**ROFORMER_SIZES, "num_stems": stems, **extra})
            run_script(ROFORMER, *map(str, files.values()), kind, sizes)
            known.add(name)
        return files

    return write
