"""The paper's three files become a runnable bundle, in bounded memory at the larger size."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bandmate_export.published import convert
from bandmate_server import SeparateSettings, separate
from bandmate_server.errors import CheckpointError
from bandmate_server.model.bundle import verify_bundle
from bandmate_server.model.opening import open_latent_model

LAYOUT = Path(__file__).with_name("paper_layout.py")
TINY, ARRANGE = ("32", "32", "64"), ("192", "128", "1024")
ROLES = ("unet", "vae", "vocoder")
MOST_MEMORY = 6e9  # bytes


def run(*words: str) -> str:
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("paper")
    run(str(LAYOUT), str(folder), *TINY)
    return {role: folder / f"{role}.ckpt" for role in ROLES}


@pytest.mark.parametrize("kind", ["msg-ld", "msg-ld-arrange"])
def test_three_files_give_a_bundle_that_separates(
    files: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    out = convert(kind, files, tmp_path / kind, licence="as the authors say")
    manifest = verify_bundle(out).manifest
    assert (manifest["name"], manifest["licence"]) == (kind, "as the authors say")
    assert manifest["weights"] == "float16"
    assert manifest["training"]["parity"]["worst"]["denoiser"]["relative"] <= 1e-4
    audio = 0.1 * np.random.default_rng(0).standard_normal(20_000).astype(np.float32)
    model = open_latent_model(out, "cpu", threads=1)
    stems = separate(model, audio, sample_rate=16_000, settings=SeparateSettings(steps=2))
    np.testing.assert_allclose(sum(stems.values()), audio, atol=1e-6)
    assert float(np.abs(stems["bass"]).max()) > 0


def changed(
    files: dict[str, Path], folder: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]
) -> dict[str, Path]:
    """Return the files with another checkpoint, whose weights were changed."""
    state = torch.load(files["unet"], weights_only=True)
    torch.save({**state, "state_dict": change(state["state_dict"])}, folder / "unet.ckpt")
    return {**files, "unet": folder / "unet.ckpt"}


def without_averages(state: dict[str, Tensor]) -> dict[str, Tensor]:
    names = [name for name in state if name.startswith("model.diffusion_model.")]
    plain = {k: v for k, v in state.items() if not k.startswith(("model.", "model_ema."))}
    for name in names:
        shadow = "model_ema." + name.removeprefix("model.").replace(".", "")
        plain[name] = state[shadow]
    return plain


ASSUMED: dict[str, tuple[Callable[[dict[str, Tensor]], dict[str, Tensor]], str]] = {
    "module": (lambda s: {f"module.{n}": w for n, w in s.items()}, "begin with module."),
    "model": (lambda s: {f"model.{n}": w for n, w in s.items()}, "begin with model."),
    "no scale": (
        lambda s: {n: w for n, w in s.items() if n != "scale_factor"},
        "has no scale_factor: latents are taken as they are",
    ),
    "no averages": (without_averages, "has no averaged weights: the last ones are taken"),
}


@pytest.mark.parametrize("what", ASSUMED)
def test_what_is_assumed_is_said(
    files: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    change, words = ASSUMED[what]
    out = convert("msg-ld", changed(files, tmp_path, change), tmp_path / "made")
    assert words in caplog.text
    assert verify_bundle(out).name == "made"


def test_what_does_not_fit_is_named(files: dict[str, Path], tmp_path: Path) -> None:
    wrong = changed(files, tmp_path, lambda s: {**s, "other.weight": torch.ones(3)})
    with pytest.raises(CheckpointError, match=r"surplus: other\.weight"):
        convert("msg-ld", wrong, tmp_path / "made")
    swapped = {**files, "vae": files["vocoder"]}
    with pytest.raises(CheckpointError, match=r"vocoder\.ckpt"):
        convert("msg-ld", swapped, tmp_path / "made")
    assert not (tmp_path / "made").exists()


CONVERT = """
import json, resource, sys
from pathlib import Path
from bandmate_export.published import convert
folder = Path(sys.argv[1])
files = {role: folder / f"{role}.ckpt" for role in ("unet", "vae", "vocoder")}
convert("msg-ld-arrange", files, folder / "made")
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
"""
STEP = """
import json, resource, sys
from pathlib import Path
import numpy as np
from bandmate_server.model.model import Condition
from bandmate_server.model.opening import open_latent_model
model = open_latent_model(Path(sys.argv[1]) / "made", "cpu", threads=2)
shape = (1, 4, 8, 256, 16)
noise = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
mixture = noise[:, 0]
found = model.denoise(noise, 500, [(1.0, Condition(mixture))])
assert np.isfinite(getattr(found, "x0", found)).all()
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
"""


@pytest.mark.slow
def test_the_larger_network_is_converted_and_run_in_bounded_memory(tmp_path: Path) -> None:
    """686 million weights: 2.7 GB as float32."""
    run(str(LAYOUT), str(tmp_path), *ARRANGE)
    converting = json.loads(run("-c", CONVERT, str(tmp_path)))
    size = sum(file.stat().st_size for file in (tmp_path / "made").iterdir())
    assert 1.3e9 < size < 1.9e9  # 16 bits each
    step = json.loads(run("-c", STEP, str(tmp_path)))
    assert (converting < MOST_MEMORY, step < MOST_MEMORY) == (True, True), (converting, step)
