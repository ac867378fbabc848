"""The published networks, ready to be exported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor

from bandmate_export.paper.unet import denoiser_graph
from bandmate_export.paper.vae import decoder_graph, encoder_graph
from bandmate_export.paper.vocoder import vocoder_graph
from bandmate_export.weights import Precision, stored_as
from bandmate_server.errors import CheckpointError
from bandmate_server.spec import PAPER, ModelSpec
from bandmate_training.networks.mel import LogMel
from bandmate_training.paper.published import load_published
from bandmate_training.paper.unet import UNet
from bandmate_training.paper.vae import Vae, mean_and_deviation
from bandmate_training.paper.vocoder import Vocoder

Reference = Callable[[dict[str, Tensor]], Sequence[Tensor]]


@dataclass(frozen=True)
class PaperNetworks:
    """What a bundle of the published system is made of."""

    spec: ModelSpec
    vae: Vae
    denoiser: UNet
    vocoder: Vocoder
    scale: float
    history: dict[str, dict[str, Any]]
    precision: Precision = "float32"

    @property
    def precisions(self) -> dict[str, Precision]:
        """What the weights were rounded to, by kind."""
        return dict.fromkeys(("vae", "denoiser", "vocoder"), self.precision)

    def widen(self) -> None:
        """Make all weights float32, so that the networks can be run; graphs stay as they are."""
        for kind in self.precisions:
            for weight in getattr(self, kind).parameters():
                weight.data = weight.data.float()  # One by one: never all of them twice.

    def release(self) -> None:
        """Give up the weights' memory: shapes are what is left."""
        for kind in self.precisions:
            getattr(self, kind).to("meta")

    def graphs(self) -> dict[str, onnx.ModelProto]:
        """Return the graphs by name."""
        spec, precision = self.spec, self.precision
        return {
            "encoder": encoder_graph(self.vae, spec, self.scale, precision),
            "denoiser": denoiser_graph(self.denoiser, spec, precision),
            "decoder": decoder_graph(self.vae, spec, self.scale, precision),
            "vocoder": vocoder_graph(self.vocoder, spec, precision),
        }

    def references(self) -> dict[str, Reference]:
        """Return for each graph a function that computes its outputs in torch."""
        return {
            "encoder": self._encode,
            "denoiser": self._denoise,
            "decoder": lambda feeds: (self.vae.decode(feeds["latent"] / self.scale)[:, 0],),
            "vocoder": lambda feeds: (self.vocoder(feeds["log_mel"].transpose(1, 2))[:, 0],),
        }

    def _encode(self, feeds: dict[str, Tensor]) -> Sequence[Tensor]:
        log_mel = LogMel(self.spec.mel)(feeds["wave"])
        mean, deviation = mean_and_deviation(self.vae.encode(log_mel[:, None]))
        return log_mel, mean * self.scale, deviation * self.scale

    def _denoise(self, feeds: dict[str, Tensor]) -> Sequence[Tensor]:
        """Return x0, one half of the guidance after the other."""
        x, level, guidance = feeds["x"], feeds["level"], feeds["guidance"].tolist()
        noise = torch.zeros_like(x)
        for weight, mixture in zip(guidance, feeds["mixture"], strict=True):
            noise += weight * self.denoiser(x, level, mixture)
        alpha, sigma = (feeds[k].reshape(-1, 1, 1, 1, 1) for k in ("alpha", "sigma"))
        return ((sum(guidance) * x - sigma * noise) / alpha,)


def read_paper_networks(
    files: Mapping[str, Path],
    precision: Precision = "float32",
    ema: bool = True,
    assume: Callable[[str], None] | None = None,
) -> PaperNetworks:
    """Read published files.

    Args:
        files: "checkpoint", and "vae" and "vocoder" where they are not inside.
        precision: that weights are stored with; they are kept like this until `widen`.
        ema: take averaged weights.
        assume: is called with what was assumed, see `load_published`.

    Raises:
        CheckpointError: if one is missing or unusable, or the network has other stems.
    """

    def kept(shape: tuple[int, ...]) -> torch.dtype:
        halved = stored_as(shape, precision) == "float16"
        return torch.float16 if halved else torch.float32

    found = load_published(
        files["checkpoint"],
        vae=files.get("vae"),
        vocoder=files.get("vocoder"),
        ema=ema,
        assume=assume,
        kept=kept,
    )
    stems = found.unet.config.stems
    if stems != len(PAPER.stems):
        raise CheckpointError(
            f"{files['checkpoint']}: for {stems} stems, expected {len(PAPER.stems)}"
        )
    sources = {kind: files.get(kind, files["checkpoint"]) for kind in ("vae", "vocoder")}
    sources["denoiser"] = files["checkpoint"]
    history = {kind: {"file": sources[kind].name} for kind in ("vae", "denoiser", "vocoder")}
    parts = (found.vae, found.unet, found.vocoder, found.scale_factor)
    return PaperNetworks(PAPER, *parts, history, precision)
