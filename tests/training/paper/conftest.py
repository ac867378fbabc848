"""Files in the published layout, of small networks whose weights follow from their names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch
from torch import Tensor

from bandmate_server.spec import STEMS
from bandmate_training.paper import config, deterministic_weights
from bandmate_training.paper.unet import UNet
from bandmate_training.paper.vae import Vae
from bandmate_training.paper.vocoder import Vocoder

UNET = config.UNetConfig(widths=(32, 64, 96, 160))
VAE = config.VaeConfig(widths=(32, 64, 128))
VOCODER = config.VocoderConfig(width=64)
SALT = "tiny|"
SCALE = 0.9227
RATE = 22_050

Save = Callable[..., Path]
Sizes = tuple[config.UNetConfig, config.VaeConfig, config.VocoderConfig]
TINY: Sizes = (UNET, VAE, VOCODER)
FULL: Sizes = (config.UNET, config.VAE, config.VOCODER)


def weights(network: torch.nn.Module, prefix: str, salt: str = SALT) -> dict[str, Tensor]:
    """Return the weights as a file holds them."""
    return {
        prefix + name: torch.from_numpy(
            deterministic_weights.deterministic_weight(prefix + name, shape, salt)
        )
        for name, shape in deterministic_weights.file_shapes(network).items()
    }


def bare(values: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in values.items()}


@pytest.fixture(scope="session")
def expected() -> tuple[UNet, Vae, Vocoder]:
    """The three networks with the rule's weights."""
    found = (UNet(UNET), Vae(VAE), Vocoder(VOCODER))
    for network in found:
        deterministic_weights.fill(network, SALT)
    return found


def _state(sizes: Sizes = TINY) -> dict[str, Tensor]:
    """Return the state of a checkpoint as the authors' program writes it, all inside."""
    with torch.device("meta"):
        unet, vae, vocoder = UNet(sizes[0]), Vae(sizes[1]), Vocoder(sizes[2])
    state = {"logvar": torch.zeros(1000), "betas": torch.zeros(1000)}
    state |= {"alphas_cumprod": torch.ones(1000), "posterior_mean_coef1": torch.ones(1000)}
    state["scale_factor"] = torch.tensor(SCALE)
    averaged = weights(unet, "model.diffusion_model.")
    state |= {name: value + 1 for name, value in averaged.items()}
    state |= {"model_ema.decay": torch.tensor(0.9999)}
    state |= {"model_ema.num_updates": torch.tensor(7, dtype=torch.int32)}
    for name, value in averaged.items():
        inner = name.removeprefix("model.").replace(".", "")
        state[f"model_ema.{inner}"] = value
    state |= weights(vae, "first_stage_model.")
    generator = bare(weights(vocoder, "vocoder."), "vocoder.")
    for name, value in generator.items():
        if name.endswith("weight_v"):
            length = value.flatten(1).norm(dim=1).reshape(-1, 1, 1)
            folded = generator[name[:-1] + "g"] * value / length
            state[f"first_stage_model.vocoder.{name[:-2]}"] = folded
        elif not name.endswith("weight_g"):
            state[f"first_stage_model.vocoder.{name}"] = value
    state["first_stage_model.loss.logvar"] = torch.zeros(())
    state["first_stage_model.loss.discriminator.main.0.weight"] = torch.zeros(64, 1, 4, 4)
    return state


@pytest.fixture
def state() -> dict[str, Tensor]:
    """What a checkpoint holds, to be damaged."""
    return _state()


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write a state (and more) as a checkpoint; return the file."""
    return lambda state, **more: _save(tmp_path / "some.ckpt", state, **more)


def _save(path: Path, state: dict[str, Tensor], **more: Any) -> Path:
    whole = {
        "epoch": 3,
        "global_step": 1200,
        "pytorch-lightning_version": "1.9.4",
        "state_dict": state,
        "loops": {},
        "callbacks": {},
        "optimizer_states": [],
        "lr_schedulers": [],
    }
    torch.save(whole | more, path)
    return path


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole checkpoint."""
    return _save(tmp_path_factory.mktemp("published") / "whole.ckpt", _state())


@pytest.fixture
def full_size(tmp_path: Path) -> Path:
    """A checkpoint of the published size: 305 million weights, twice, the averages halved."""
    state = _state(FULL)
    averages = {k: v.half() for k, v in state.items() if k.startswith("model_ema.") and v.ndim}
    return _save(tmp_path / "full.ckpt", state | averages)


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same as three files: checkpoint, VAE, vocoder with norms and directions apart."""
    folder = tmp_path_factory.mktemp("parts")
    state = _state()
    unet = {k: v for k, v in state.items() if not k.startswith("first_stage_model.")}
    with torch.device("meta"):
        vae, vocoder = Vae(VAE), Vocoder(VOCODER)
    prefix = "first_stage_model."
    autoencoder = bare(weights(vae, prefix), prefix) | {"loss.logvar": torch.zeros(())}
    torch.save({"state_dict": autoencoder}, folder / "vae.ckpt")
    generator = bare(weights(vocoder, "vocoder."), "vocoder.")
    torch.save({"generator": generator}, folder / "hifigan.ckpt")
    _save(folder / "unet.ckpt", unet)
    return {n: folder / f"{n}.ckpt" for n in ("unet", "vae", "hifigan")}


def music(samples: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    time = np.arange(samples) / RATE
    wave = 0.2 * np.sin(2 * np.pi * (80 + 37 * seed) * time) * (1 + np.sin(3 * time + seed))
    return np.asarray(wave, np.float32)


@pytest.fixture(scope="session")
def slakh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tracks per split, of two windows and of one."""
    folder = tmp_path_factory.mktemp("slakh")
    for split in ("train", "validation"):
        for track, seconds in (("Track00001", 22.0), ("Track00002", 10.5)):
            place = folder / split / track
            place.mkdir(parents=True)
            for seed, stem in enumerate(STEMS):
                sf.write(place / f"{stem}.wav", music(int(seconds * RATE), seed), RATE)
    return folder
