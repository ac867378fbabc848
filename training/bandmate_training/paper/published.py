"""Published checkpoints -> networks, every weight accounted for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from bandmate_server.errors import CheckpointError
from bandmate_training.networks.safe_file import (
    KeptAs,
    Weights,
    differences,
    fill,
    read_file,
    unwrapped,
    whole,
)
from bandmate_training.paper import config, keys
from bandmate_training.paper.checkpoint_names import as_published
from bandmate_training.paper.config import Shapes
from bandmate_training.paper.files import tensors
from bandmate_training.paper.unet import UNet
from bandmate_training.paper.vae import Vae
from bandmate_training.paper.vocoder import Vocoder, folded_weights

Network = TypeVar("Network", bound=nn.Module)
Assume = Callable[[str], None]


@dataclass(frozen=True)
class Published:
    """The networks of a published checkpoint, in float32, ready for inference.

    unet: (x (B, S, C, T, F), level (B,), mixture (B, C, T, F) or None) -> predicted noise.
    vae: encode: log-mel (B, 1, N, M) -> moments (B, 2 C, T, F); decode: latent -> log-mel.
    vocoder: log-mel (B, M, N) -> wave (B, 1, 160 N + 32).
    scale_factor: latents are multiplied with it before the U-Net, divided by it after.
    """

    unet: UNet
    vae: Vae
    vocoder: Vocoder
    scale_factor: float


def load_published(
    checkpoint: str | Path,
    *,
    vae: str | Path | None = None,
    vocoder: str | Path | None = None,
    ema: bool = True,
    assume: Assume | None = None,
    kept: KeptAs = whole,
) -> Published:
    """Load the published system from its files; nothing in them is executed.

    Args:
        checkpoint: a Lightning file of the authors, or a checkpoint of `--preset paper`.
        vae: the autoencoder's own file, if it is not inside (or another is wanted).
        vocoder: the vocoder's own file, likewise.
        ema: take the averaged weights of the U-Net, as the authors do.
        assume: is called with what was assumed where averages or the scale are missing, or names
            have a wrapper's prefix; None refuses such files.
        kept: the type that a weight of a shape is kept in.

    Raises:
        CheckpointError: if a file is missing, damaged or would run code; if weights are
            missing, surplus or of another shape, all listed by name; if one is not finite.
    """
    path = Path(checkpoint)
    weights = _weights(path)
    if assume is not None:
        weights, ema = _completed(weights, ema, assume)
    problems: list[str] = []
    used = {keys.SCALE_FACTOR}
    unet, taken = _unet(weights, ema, problems)
    used |= taken
    autoencoder, taken = _autoencoder(weights, path, vae, problems, assume)
    used |= taken
    generator, taken = _generator(weights, path, vocoder, problems, assume)
    used |= taken
    if keys.SCALE_FACTOR not in weights:
        problems.append(f"missing: {keys.SCALE_FACTOR}")
    surplus = [n for n in weights if n not in used and not keys.NOT_NEEDED.fullmatch(n)]
    if surplus:
        problems.append(f"surplus: {', '.join(surplus)}")
    if problems:
        raise CheckpointError(f"{path}: does not fit the published network: {'; '.join(problems)}")
    scale = float(weights[keys.SCALE_FACTOR].float())
    return Published(
        _filled(UNet, *unet, path, kept), _filled(Vae, *autoencoder, path, kept),
        _filled(Vocoder, *generator, path, kept), scale,
    )  # fmt: skip


def _completed(weights: Weights, ema: bool, assume: Assume) -> tuple[Weights, bool]:
    """Return weights that have a scale and no wrapper's prefix, and whether to take averages."""
    weights = unwrapped(weights, keys.UNET_PREFIX, assume)
    if ema and not any(name.startswith(keys.SHADOWS) for name in weights):
        assume("has no averaged weights: the last ones are taken")
        ema = False
    if keys.SCALE_FACTOR not in weights:
        assume(f"has no {keys.SCALE_FACTOR}: latents are taken as they are (1.0)")
        weights = {**weights, keys.SCALE_FACTOR: torch.ones(())}
    return weights, ema


def load_autoencoder(file: str | Path) -> Vae:
    """Load the autoencoder alone, from its own file or from a checkpoint that has it inside.

    Raises:
        CheckpointError: as `load_published`.
    """
    path = Path(file)
    inside = any(name.startswith(keys.FIRST_STAGE_PREFIX) for name in _weights(path))
    problems: list[str] = []
    weights = _weights(path) if inside else {}
    found, _ = _autoencoder(weights, path, None if inside else path, problems)
    if problems:
        raise CheckpointError(f"{path}: does not fit the published VAE: {'; '.join(problems)}")
    return _filled(Vae, *found, path)


def load_denoiser(file: str | Path) -> tuple[UNet, float]:
    """Load the U-Net's averaged weights and the latents' scale alone.

    Raises:
        CheckpointError: as `load_published`.
    """
    path = Path(file)
    weights = _weights(path)
    problems = [] if keys.SCALE_FACTOR in weights else [f"missing: {keys.SCALE_FACTOR}"]
    found, _ = _unet(weights, ema=True, problems=problems)
    if problems:
        raise CheckpointError(f"{path}: does not fit the published U-Net: {'; '.join(problems)}")
    return _filled(UNet, *found, path), float(weights[keys.SCALE_FACTOR].float())


def _weights(path: Path) -> Weights:
    """Return a checkpoint's weights as published ones name them."""
    state = read_file(path)
    if state.get("kind") == "denoiser":
        return as_published(state)
    return tensors(state, path, "state_dict")


def _shapes(weights: Mapping[str, Tensor]) -> Shapes:
    return {name: tuple(value.shape) for name, value in weights.items()}


def _fit(
    read: Callable[[Shapes], Any], usual: Any, make: type[nn.Module], shapes: Shapes, prefix: str
) -> tuple[Any, Shapes, list[str]]:
    """Find the widths that suit shapes best: those read from them, or the usual ones.

    Returns:
        The widths, the shapes that they ask for, and what differs, names with the prefix.

    A single misshapen weight could mislead the reading; then the usual widths leave fewer
    differences, and those that are left name the culprit.
    """
    tried = []
    for find in (read, lambda _: usual):
        try:
            settled = find(shapes)
            with torch.device("meta"):
                expected = keys.published_shapes(make(settled))
        except (KeyError, IndexError, ValueError):
            continue  # a weight that the widths are read from is missing or misshapen
        wrong = [n for n in {**shapes, **expected} if shapes.get(n) != expected.get(n)]
        tried.append((len(wrong), settled, expected))
    _, settled, expected = min(tried, key=lambda entry: entry[0])
    found, wanted = ({prefix + n: s for n, s in part.items()} for part in (shapes, expected))
    return settled, expected, differences(found, wanted)


def _unet(
    weights: Weights, ema: bool, problems: list[str]
) -> tuple[tuple[config.UNetConfig, Weights], set[str]]:
    """Return widths and weights of the U-Net, and the names that belong to it."""
    names = keys.without_prefix(weights, keys.UNET_PREFIX)
    shapes = {name: tuple(weights[whole].shape) for name, whole in names.items()}
    usual = config.UNET
    settled, expected, wrong = _fit(config.unet_config, usual, UNet, shapes, keys.UNET_PREFIX)
    problems += wrong
    shadows = {name: keys.shadow_name(name) for name in {**shapes, **expected}}
    sources = {name: keys.UNET_PREFIX + name for name in expected}
    if ema and any(shadow in weights for shadow in shadows.values()):
        sources = {name: shadows[name] for name in expected}
        averaged = {s: tuple(weights[s].shape) for s in sources.values() if s in weights}
        problems += differences(averaged, {s: expected[n] for n, s in sources.items()})
    elif ema:
        problems.append("missing: averaged weights (model_ema.*): ask for ema=False")
    values = {name: weights[source] for name, source in sources.items() if source in weights}
    return (settled, values), {*names.values(), *shadows.values()}


def _autoencoder(
    weights: Weights,
    path: Path,
    file: str | Path | None,
    problems: list[str],
    assume: Assume | None = None,
) -> tuple[tuple[config.VaeConfig, Weights], set[str]]:
    """Return widths and weights of the VAE, and the names inside that belong to it."""
    prefix = keys.FIRST_STAGE_PREFIX
    inside = {
        name: whole
        for name, whole in keys.without_prefix(weights, prefix).items()
        if not whole.startswith(keys.VOCODER_PREFIX) and not keys.NOT_NEEDED.fullmatch(whole)
    }
    if file is not None:
        other = Path(file)
        values = tensors(read_file(other), other, "state_dict")
        values = unwrapped(values, "encoder.", assume) if assume else values
        # The file may bring its losses, and a vocoder of its own.
        values = {
            n: v
            for n, v in values.items()
            if not keys.NOT_NEEDED.fullmatch(n) and not n.startswith("vocoder.")
        }
        settled, _, wrong = _fit(config.vae_config, config.VAE, Vae, _shapes(values), "")
        problems += [f"{other}: {line}" for line in wrong]
    else:
        if not inside:
            raise CheckpointError(f"{path}: has no VAE inside: give its own file as well")
        values = {name: weights[whole] for name, whole in inside.items()}
        settled, _, wrong = _fit(config.vae_config, config.VAE, Vae, _shapes(values), prefix)
        problems += wrong
    return (settled, values), set(inside.values())


def _generator(
    weights: Weights,
    path: Path,
    file: str | Path | None,
    problems: list[str],
    assume: Assume | None = None,
) -> tuple[tuple[config.VocoderConfig, Weights], set[str]]:
    """Return widths and weights of the vocoder, and the names inside that belong to it."""
    inside = keys.without_prefix(weights, keys.VOCODER_PREFIX)
    where, prefix = path, keys.VOCODER_PREFIX
    if file is not None:
        where, prefix = Path(file), ""
        values = tensors(read_file(where), where, "generator", "state_dict")
        values = unwrapped(values, "conv_pre.", assume) if assume else values
    elif inside:
        values = {name: weights[whole] for name, whole in inside.items()}
    else:
        raise CheckpointError(f"{path}: has no vocoder inside: give its own file as well")
    halves = {n.removesuffix("_g").removesuffix("_v") for n in values if n.endswith(("_g", "_v"))}
    lone = [half for half in sorted(halves) if not {f"{half}_g", f"{half}_v"} <= set(values)]
    if lone:
        problems.append(f"missing: norm or direction of {', '.join(prefix + n for n in lone)}")
        values = {n: v for n, v in values.items() if n[:-2] not in lone}
    values = folded_weights(values)
    usual = config.VOCODER
    settled, _, wrong = _fit(config.vocoder_config, usual, Vocoder, _shapes(values), prefix)
    problems += [f"{where}: {line}" if file is not None else line for line in wrong]
    return (settled, values), set(inside.values())


def _filled(
    make: type[Network], settled: Any, values: Weights, path: Path, kept: KeptAs = whole
) -> Network:
    """Return a network with weights (published names), checked to be finite."""
    with torch.device("meta"):
        network = make(settled)
    ours = {name: values[theirs] for name, theirs in keys.published_names(network).items()}
    fill(network, ours, path, kept)
    return network
