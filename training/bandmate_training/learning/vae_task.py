"""Training the VAE: reconstruct log-mels of stems and mixtures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bandmate_server.spec import ModelSpec
from bandmate_training.data.dataset import SOURCES
from bandmate_training.learning.pictures import draw_mels
from bandmate_training.learning.trainer import Optimisers, backward_and_step
from bandmate_training.networks.config import VaeConfig
from bandmate_training.networks.layers import autocast, channels_last
from bandmate_training.networks.mel import LogMel
from bandmate_training.networks.vae import Vae

KL_WEIGHT = 1e-3  # against a squared error of log-mels per cell


class _Reconstruction(nn.Module):
    """Squared error and KL divergence of encoded and decoded log-mels."""

    def __init__(self, vae: Vae) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, mels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        with autocast():
            mean, log_variance = (x.float() for x in self.vae.encode(mels))
            noise = torch.randn(mean.shape, generator=generator)
            decoded = self.vae.decode(mean + (0.5 * log_variance).exp() * noise)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        return (decoded.float() - mels).square().mean(), kl


class VaeTask:
    """Squared error of log-mels plus a light pull of the latents to N(0, 1)."""

    def __init__(self, spec: ModelSpec, config: VaeConfig, validation: Tensor) -> None:
        """Make the network; keep the validation examples (B, 5, N)."""
        self.spec, self.config = spec, config
        self.mel = LogMel(spec.mel)
        self.model = channels_last(Vae(spec, config))
        self.objective: nn.Module = _Reconstruction(self.model)
        self.validation = self._mels(validation[:8])  # enough: an error per cell is precise

    def header(self) -> dict[str, Any]:
        """Describe the network."""
        return {"kind": "vae", "spec": self.spec.to_json(), "config": asdict(self.config)}

    def modules(self) -> dict[str, nn.Module]:
        """Return the one module that is trained."""
        return {"vae": self.model}

    def wrap(self, parallel: Callable[[nn.Module], nn.Module]) -> None:
        """Send gradients through DDP."""
        self.objective = parallel(self.objective)

    def _mels(self, sources: Tensor) -> Tensor:
        """Return the log-mels (B, 6, N, M) of sources (B, 5, N), then of their mixture."""
        mels: Tensor = self.mel(torch.cat([sources, sources.sum(1, keepdim=True)], dim=1))
        return mels

    def update(
        self, step: int, batch: Tensor, generator: torch.Generator, optimisers: Optimisers
    ) -> dict[str, float]:
        """Do one step on the mixtures and one random source of each."""
        mels = self._mels(batch)
        pick = torch.randint(len(SOURCES), (len(mels),), generator=generator)
        chosen = torch.cat([mels[:, -1], mels[torch.arange(len(pick)), pick]])
        error, kl = self.objective(chosen, generator)
        backward_and_step(error + KL_WEIGHT * kl, self.model, optimisers["vae"])
        return {"mse": error.item(), "kl": kl.item()}

    @torch.no_grad()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return the squared error without noise, for each source and the mixture."""
        assert isinstance(model, Vae)
        decoded = torch.stack([model.decode(model.encode(mels)[0]) for mels in self.validation])
        errors = (decoded - self.validation).square().mean(dim=(0, 2, 3)).tolist()
        names = [*SOURCES, "mixture"]
        return {f"val_{n}": e for n, e in zip(names, errors, strict=True)} | {
            "val_mse": sum(errors) / len(errors)
        }

    @torch.no_grad()
    def picture(self, model: nn.Module, path: Path) -> None:
        """Draw validation log-mels above their reconstructions."""
        assert isinstance(model, Vae)
        mels = self.validation[0]
        decoded = model.decode(model.encode(mels)[0])
        draw_mels(path, [list(mels), list(decoded)], [*SOURCES, "mixture"])

    @torch.no_grad()
    def finish(self, model: nn.Module) -> None:
        """Set the scale that brings the validation latents to unit variance."""
        assert isinstance(model, Vae)
        latents = torch.cat([model.encode(mels)[0] for mels in self.validation])
        model.scale.copy_(1 / latents.std())
        self.model.scale.copy_(model.scale)
