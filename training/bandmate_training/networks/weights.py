"""Weights from where they are kept: a run's checkpoint, or a bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from bandmate_server.errors import CheckpointError
from bandmate_server.model.bundle import find_bundle, load_bundle
from bandmate_server.spec import MINI
from bandmate_training.networks.checkpoint_file import read_checkpoint
from bandmate_training.networks.config import MINI_VAE
from bandmate_training.networks.vae import Vae

GRAPHS = {  # the graphs whose initialisers hold a network, named after its parameters
    "vae": ("encoder", "decoder"),
    "separator": ("separator",),
    "denoiser": ("denoiser",),
    "vocoder": ("vocoder",),
}
SCALE_PREFIX = "scale."  # before the name of a weight stored in integers: what they count


def bundle_weights(folder: Path, kind: str) -> dict[str, Tensor]:
    """Return the parameters of a network ("vae", "separator", "denoiser", "vocoder") from a bundle.

    Raises:
        BundleError: if the bundle is damaged.
    """
    bundle = load_bundle(folder)
    weights: dict[str, Tensor] = {}
    for graph in GRAPHS[kind]:
        model = onnx.load(bundle.files[graph])
        arrays = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
        for name, array in arrays.items():
            if name.startswith(f"{kind}."):
                value = array.astype(np.float32)
                if SCALE_PREFIX + name in arrays:
                    value *= arrays[SCALE_PREFIX + name]
                weights[name.removeprefix(f"{kind}.")] = torch.from_numpy(value)
    return weights


def load_module(source: Path, kind: str, module: nn.Module) -> None:
    """Fill a network with the averaged weights of a checkpoint, or with a bundle's.

    Args:
        source: a checkpoint, a bundle's folder, or the name of an installed bundle.
        kind: of the network, a key of `GRAPHS`.
        module: to fill.

    Raises:
        BundleError: if there is no such bundle, or it is damaged.
        CheckpointError: if the weights do not fit; the text names the first of them.
    """
    if not source.is_file():
        weights = bundle_weights(find_bundle(str(source)), kind)
    else:
        state = read_checkpoint(source)
        if state["kind"] != kind:
            raise CheckpointError(f"{source}: expected a {kind}, got a {state['kind']}")
        weights = state["average"]
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        lines = str(error).splitlines()
        raise CheckpointError(f"{source}: does not fit the {kind}: {lines[1].strip()}") from error


def load_vae(source: Path) -> Vae:
    """Return the mini VAE of a checkpoint or of a bundle of mel latents."""
    vae = Vae(MINI, MINI_VAE)
    load_module(source, "vae", vae)
    return vae
