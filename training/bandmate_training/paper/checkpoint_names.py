"""Checkpoints of our own training, under the names that published files have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bandmate_server.errors import CheckpointError
from bandmate_server.spec import ModelSpec
from bandmate_training.paper import keys
from bandmate_training.paper.config import UNetConfig
from bandmate_training.paper.unet import UNet


class Denoiser(nn.Module):
    """A U-Net with the scale of the latents that it knows; 0 until that is measured."""

    scale_factor: Tensor

    def __init__(self, config: UNetConfig) -> None:
        """Make the network."""
        super().__init__()
        self.unet = UNet(config)
        self.register_buffer("scale_factor", torch.zeros(()))

    def forward(self, x: Tensor, level: Tensor, mixture: Tensor | None = None) -> Tensor:
        """Return the predicted noise; see `UNet`."""
        return self.unet(x, level, mixture)


def as_published(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the weights of a `--preset paper` run as a published checkpoint names them.

    Raises:
        CheckpointError: if the run trained another denoiser.
    """
    spec = ModelSpec.from_json(state["spec"])
    if spec.conditioning != "mixture":
        raise CheckpointError(f"a denoiser of the {spec.name} preset: expected the paper's")
    lists: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in state["config"].items()
    }
    with torch.device("meta"):
        network = UNet(UNetConfig(**lists))
    weights, averages = state["modules"]["denoiser"], state["average"]
    found = {keys.SCALE_FACTOR: averages["scale_factor"]}
    for ours, theirs in keys.published_names(network).items():
        found[keys.UNET_PREFIX + theirs] = weights[f"unet.{ours}"]
        found[keys.shadow_name(theirs)] = averages[f"unet.{ours}"]
    return found
