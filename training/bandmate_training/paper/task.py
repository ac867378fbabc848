"""Training the published denoiser: predict the noise in the joint latents of all stems."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from bandmate_server.spec import PAPER, STEMS
from bandmate_training.learning.diffusion import alphas_cumprod, signal_and_noise
from bandmate_training.learning.one_network import OneNetworkTask
from bandmate_training.learning.pictures import draw_mels
from bandmate_training.learning.trainer import Optimisers
from bandmate_training.networks.checkpoint_file import fingerprint
from bandmate_training.networks.mel import LogMel
from bandmate_training.paper.checkpoint_names import Denoiser
from bandmate_training.paper.config import UNetConfig
from bandmate_training.paper.loss import drop_condition, noise_error
from bandmate_training.paper.recipe import RECIPE
from bandmate_training.paper.vae import Vae, posterior_sample

Precision = Literal["float32", "bfloat16", "float16"]
ENCODED_AT_ONCE = 5  # mels: one example with its mixture
PICTURED_LEVEL = 500
VALIDATION_SEED = 1


@dataclass(frozen=True)
class Setup:
    """How a run computes: nothing here changes what is learnt, but for rounding."""

    device: torch.device
    precision: Precision = "float32"
    checkpointing: bool = False  # less memory, a third more time
    dropout: float = RECIPE.dropout


class PaperTask(OneNetworkTask[Denoiser]):
    """The published objective; the VAE is frozen.

    A batch holds waves (B, S + 1, N), the mixture last, or the moments that the VAE makes of
    them (B, S + 1, 2 C, T, F).
    """

    kind = module = "denoiser"

    def __init__(self, config: UNetConfig, vae: Vae, validation: Tensor, setup: Setup) -> None:
        """Make the network; keep the validation batch."""
        super().__init__(PAPER, config, Denoiser(config).to(setup.device))
        self.setup = setup
        self.vae = vae.to(setup.device).eval().requires_grad_(False)
        self.mel = LogMel(PAPER.mel).to(setup.device)
        self.model.unet.checkpointing = setup.checkpointing
        self.abar = alphas_cumprod(PAPER.schedule).to(setup.device)
        self.scaler = torch.amp.GradScaler(setup.device.type, enabled=setup.precision == "float16")
        self.validation = validation

    def header(self) -> dict[str, Any]:
        """Describe the network, and say whose latents it knows."""
        return super().header() | {"vae": fingerprint(self.vae.state_dict())}

    def update(
        self, step: int, batch: Tensor, generator: torch.Generator, optimisers: Optimisers
    ) -> dict[str, float]:
        """Do one step on a batch."""
        loss = self.loss(batch, generator)
        self._descend(loss, optimisers["denoiser"])
        return {"loss": loss.item()}

    def loss(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Return the mean squared error of the predicted noise on a batch."""
        stems, mixture = self.draw_latents(batch, generator)
        if self.model.scale_factor == 0:
            self.model.scale_factor.copy_(1 / global_deviation(stems))
        scale = self.model.scale_factor
        count = len(stems)
        dropped = torch.rand(count, generator=generator) < self.setup.dropout
        level = torch.randint(PAPER.schedule.steps, (count,), generator=generator)
        noise = torch.randn(stems.shape, generator=generator)
        level, noise, dropped = self._there(level, noise, dropped)
        given = drop_condition(scale * mixture, dropped)
        with self._autocast():
            errors = noise_error(self.network, scale * stems, given, level, noise, self.abar)
        return errors.mean()

    def _descend(self, loss: Tensor, optimiser: torch.optim.Optimizer) -> None:
        """Take one step, gradients as they are.

        The loss's scale travels with the optimiser's state, so that a resumed run has it.

        Raises:
            RuntimeError: if the loss is not finite; the last checkpoint is still good.
        """
        if not torch.isfinite(loss):
            raise RuntimeError(f"the loss is {loss.item()}: the last checkpoint is still good")
        group = optimiser.param_groups[0]
        self.scaler.load_state_dict(group.get("scaler", self.scaler.state_dict()))
        optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(optimiser)
        self.scaler.update()
        group["scaler"] = self.scaler.state_dict()

    def _autocast(self) -> AbstractContextManager[None]:
        precision = self.setup.precision
        kind = getattr(torch, precision)
        on = precision != "float32"
        context: AbstractContextManager[None] = torch.autocast(
            self.setup.device.type, kind if on else torch.bfloat16, enabled=on
        )
        return context

    def _there(self, *values: Tensor) -> tuple[Tensor, ...]:
        """Move values to the device that computes."""
        return tuple(value.to(self.setup.device) for value in values)

    @torch.no_grad()
    def draw_latents(self, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw unscaled latents of stems (B, S, C, T, F) and mixtures (B, C, T, F)."""
        (batch,) = self._there(batch)
        moments = batch if batch.ndim > 3 else self.moments(batch)
        flat = moments.flatten(0, 1)
        shape = (len(flat), flat.shape[1] // 2, *flat.shape[2:])
        noise = torch.randn(shape, generator=generator)
        latents = posterior_sample(flat, *self._there(noise)).unflatten(0, moments.shape[:2])
        return latents[:, :-1], latents[:, -1]

    @torch.no_grad()
    def moments(self, waves: Tensor) -> Tensor:
        """Return the VAE's moments (B, S + 1, 2 C, T, F) of waves (B, S + 1, N)."""
        mels = self.mel(waves).flatten(0, 1)[:, None]
        moments = torch.cat([self.vae.encode(part) for part in mels.split(ENCODED_AT_ONCE)])
        return moments.unflatten(0, waves.shape[:2])

    @torch.no_grad()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return the loss on the validation batch, every example with its condition.

        The levels are spread evenly, and all noise is the same every time.
        """
        assert isinstance(model, Denoiser)
        generator = torch.Generator().manual_seed(VALIDATION_SEED)
        steps, count = PAPER.schedule.steps, len(self.validation)
        errors = []
        for index, example in enumerate(self.validation.split(1)):
            stems, mixture = self.draw_latents(example, generator)
            level = torch.tensor([(2 * index + 1) * steps // (2 * count)])
            noise = torch.randn(stems.shape, generator=generator)
            scale = model.scale_factor
            level, noise = self._there(level, noise)
            error = noise_error(model, scale * stems, scale * mixture, level, noise, self.abar)
            errors.append(error)
        return {"val_loss": float(torch.cat(errors).mean())}

    @torch.no_grad()
    def picture(self, model: nn.Module, path: Path) -> None:
        """Draw a validation example's stems above what one step makes of them in half noise."""
        assert isinstance(model, Denoiser)
        generator = torch.Generator().manual_seed(VALIDATION_SEED)
        stems, mixture = self.draw_latents(self.validation[:1], generator)
        noise, level = self._there(
            torch.randn(stems.shape, generator=generator), torch.tensor([PICTURED_LEVEL])
        )
        alpha, sigma = signal_and_noise(self.abar, level)
        scale = model.scale_factor
        x = alpha * scale * stems + sigma * noise
        found = (x - sigma * model(x, level, scale * mixture)) / (alpha * scale)
        rows = [self.vae.decode(latents[0])[:, 0].cpu() for latents in (stems, found)]
        draw_mels(path, [list(row) for row in rows], list(STEMS))


def global_deviation(values: Tensor) -> Tensor:
    """Return the unbiased standard deviation of all values on all processes.

    Every process gets the same, so that all train on latents of one scale.
    """
    exact = values.double()
    sums = torch.stack(
        [torch.tensor(exact.numel(), dtype=torch.float64, device=exact.device), exact.sum()]
    )
    if torch.distributed.is_initialized():
        torch.distributed.all_reduce(sums)
    count, total = sums
    squares = (exact - total / count).square().sum()
    if torch.distributed.is_initialized():
        torch.distributed.all_reduce(squares)
    return (squares / (count - 1)).sqrt().float()
