"""Checks of the three networks' outputs, of single blocks and of what passes between them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bandmate_training.conformance.check import (
    RELATIVE,
    Arrays,
    Check,
    Reference,
    absolute,
    relative,
    tensor,
)
from bandmate_training.networks.layers import level_embedding
from bandmate_training.paper.keys import published_modules
from bandmate_training.paper.unet import UNet
from bandmate_training.paper.vae import Vae
from bandmate_training.paper.vocoder import Vocoder

STATISTIC = 1e-4  # of a layer's mean and deviation, as a share of its largest value

# What stands in blocks.npz, under <name>_x and <name>_y: published names of modules.
UNET_BLOCKS = {
    "resblock": "input_blocks.1.0",
    "resblock_up": "input_blocks.4.0",
    "attn": "input_blocks.4.1",
    "down": "input_blocks.3.0.op",
    "up": "output_blocks.8.2",
}
VAE_BLOCKS = {
    "vae_res": "encoder.down.0.block.0",
    "vae_attn": "decoder.mid.attn_1",
    "vae_down": "encoder.down.0.downsample",
}


@torch.no_grad()
def unet(reference: Reference, file: Path) -> Iterator[Check]:
    """Check predicted noise, and what every block gave where the folder has its statistics."""
    data = reference.arrays(file)
    # A run without a condition may share its noisy latents with its twin.
    x = data["x"] if "x" in data else reference.arrays(_twin(file))["x"]
    condition = tensor(data["cond"]) if "cond" in data else None
    statistics = file.with_name("unet_layer_stats.json")
    wanted = reference.json(statistics).get(file.stem, {}) if statistics.is_file() else {}
    network = reference.networks.unet
    found: dict[str, Tensor] = {}
    hooks = _listen(network, set(wanted), found)
    eps = network(tensor(x), tensor(data["t"]), condition)
    for hook in hooks:
        hook.remove()
    yield relative(f"{file.name} eps", eps, data["eps"])
    yield absolute(f"{file.name} eps", eps, data["eps"])
    for layer, expected in wanted.items():
        yield _layer(f"{statistics.name} {file.stem} {layer}", found.get(layer), expected)


def layer_statistics(reference: Reference, file: Path) -> Iterator[Check]:
    """Say which runs of the statistics have no file: the others are checked with their outputs."""
    for run in reference.json(file):
        if not file.with_name(f"{run}.npz").is_file():
            yield Check(f"{file.name} {run}: there is no {run}.npz", 1.0, 0.0, "differences")


def _twin(file: Path) -> Path:
    return file.with_name(file.name.replace("_zero", "_cond"))


def _listen(network: UNet, layers: set[str], found: dict[str, Tensor]) -> list[Any]:
    """Keep the outputs of layers, by published name; ends of several modules included."""
    modules = published_modules(network)
    modules["middle_block"] = network.middle[-1]
    hooks = []
    for layer in layers & set(modules):

        def keep(_module: nn.Module, _inputs: Any, output: Tensor, layer: str = layer) -> None:
            found[layer] = output

        hooks.append(modules[layer].register_forward_hook(keep))
    return hooks


def _layer(name: str, output: Tensor | None, expected: dict[str, Any]) -> Check:
    """Compare shape, mean, deviation, largest value and four elements of a layer's output."""
    if output is None or list(output.shape) != expected["shape"]:
        shape = None if output is None else list(output.shape)
        return Check(f"{name}: {shape} instead of {expected['shape']}", 1.0, 0.0, "differences")
    flat = output.flatten().double()
    count = len(flat)
    places = [0, count // 3, count // 2, count - 1]
    found = [flat.mean(), flat.std(correction=0), flat.abs().max(), *flat[places]]
    wanted = [expected["mean"], expected["std"], expected["absmax"]]
    wanted += expected["at_0_third_half_last"]
    errors = [abs(float(a) - float(b)) for a, b in zip(found, wanted, strict=True)]
    return Check(name, max(errors) / expected["absmax"], STATISTIC, "of largest")


@torch.no_grad()
def blocks(reference: Reference, file: Path) -> Iterator[Check]:
    """Check single blocks on inputs of so small a variance that a wrong epsilon shows."""
    data = {name: tensor(value) for name, value in reference.arrays(file).items()}
    unets = _networks_in(data, UNET_BLOCKS) or "temb" in data
    modules = published_modules(reference.networks.unet) if unets else {}
    if _networks_in(data, VAE_BLOCKS):
        modules |= published_modules(reference.networks.vae)
    for name, path in {**UNET_BLOCKS, **VAE_BLOCKS}.items():
        if f"{name}_x" in data:
            arguments = [data[f"{name}_x"]]
            if name.startswith("resblock"):
                arguments.append(nn.functional.silu(data["emb"]))
            found = modules[path](*arguments)
            yield relative(f"{file.name} {path}", found, data[f"{name}_y"].numpy())
    if "temb" in data:
        network = reference.networks.unet
        waves = level_embedding(data["temb_t"], network.config.widths[0])
        yield relative(f"{file.name} sinusoid", waves, data["temb_sinusoid"].numpy())
        yield relative(f"{file.name} time_embed", network.embedding(waves), data["temb"].numpy())


def _networks_in(data: dict[str, Tensor], table: dict[str, str]) -> bool:
    return any(f"{name}_x" in data for name in table)


@torch.no_grad()
def vae(reference: Reference, file: Path) -> Iterator[Check]:
    """Check moments of mels and mels of latents."""
    data = reference.arrays(file)
    yield from _encoded(file.name, reference.networks.vae, data)
    yield from _decoded(file.name, reference.networks.vae, data)


def _encoded(name: str, network: Vae, data: Arrays) -> Iterator[Check]:
    """Match every mel with the moments whose name differs in nothing but the kind and length."""
    for key in [key for key in data if "mel" in key.split("_")]:
        beside = key.replace("mel", "moments")
        partner = beside if beside in data else re.sub(r"_\d+$", "", beside)
        if partner in data:
            found = network.encode(tensor(data[key]))
            yield relative(f"{name} {key} -> {partner}", found, data[partner])


def _decoded(name: str, network: Vae, data: Arrays) -> Iterator[Check]:
    for key in [key for key in data if "z" in key.split("_")]:
        partner = re.sub(r"(^|_)z(_|$)", r"\1dec\2", key)
        found = network.decode(tensor(data[key]))
        yield relative(f"{name} {key} -> {partner}", found, data[partner])


@torch.no_grad()
def vocoder(reference: Reference, file: Path) -> Iterator[Check]:
    """Check waves of mels, and slices of the weights whose norm was folded in."""
    data = reference.arrays(file)
    network = reference.networks.vocoder
    for key in [key for key in data if key.startswith("mel_")]:
        partner = key.replace("mel", "wave")
        mel = tensor(data[key])
        found = network((mel[None] if mel.ndim == 2 else mel).transpose(1, 2))
        yield relative(f"{file.name} {key} -> {partner}", found, data[partner])
        yield absolute(f"{file.name} {key} -> {partner}", found, data[partner], RELATIVE)
    yield from _folded(file.name, network, data)


def _folded(name: str, network: Vocoder, data: Arrays) -> Iterator[Check]:
    modules = {re.sub(r"\W|_", "", k): m for k, m in published_modules(network).items()}
    for key in [key for key in data if key.startswith("folded_")]:
        path, row = key.removeprefix("folded_").rsplit("_", 1)
        weight = modules[path.replace("_", "")].weight
        assert isinstance(weight, Tensor)
        yield relative(f"{name} {key}", weight[int(row)], data[key])


@torch.no_grad()
def tiny(reference: Reference, file: Path) -> Iterator[Check]:
    """Check the three networks at small widths."""
    data, networks = reference.arrays(file), reference.tiny
    if "unet_eps" in data:
        condition = tensor(data["unet_cond"]) if "unet_cond" in data else None
        found = networks.unet(tensor(data["unet_x"]), tensor(data["unet_t"]), condition)
        yield relative(f"{file.name} unet", found, data["unet_eps"])
    vae_data = {key.removeprefix("vae_"): data[key] for key in data if key.startswith("vae_")}
    if vae_data:
        yield from _encoded(f"{file.name} vae", networks.vae, vae_data)
        yield from _decoded(f"{file.name} vae", networks.vae, vae_data)
    if "voc_wave" in data:
        found = networks.vocoder(tensor(data["voc_mel"]))
        yield relative(f"{file.name} vocoder", found, data["voc_wave"])


def read_shapes(file: Path) -> dict[str, dict[str, tuple[int, ...]]]:
    """Read the shapes of each network's weights (file names, no prefix) from a JSON file."""
    data = json.loads(file.read_text("utf-8"))
    return {kind: {name: tuple(shape) for name, shape in rows} for kind, rows in data.items()}
