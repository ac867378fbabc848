"""Training the denoiser: v-prediction of the stems' latents, given whatever is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bandmate_server.spec import ModelSpec
from bandmate_training.learning.conditions import BACKING, FULL, ConditionPlan, draw_plan
from bandmate_training.learning.diffusion import (
    alphas_cumprod,
    clean_from_velocity,
    signal_and_noise,
    velocity,
)
from bandmate_training.learning.one_network import OneNetworkTask
from bandmate_training.learning.pictures import draw_mels
from bandmate_training.learning.trainer import Optimisers, backward_and_step
from bandmate_training.networks.checkpoint_file import fingerprint
from bandmate_training.networks.config import DenoiserConfig
from bandmate_training.networks.denoiser import KINDS, Denoiser
from bandmate_training.networks.layers import autocast, channels_last
from bandmate_training.networks.mel import LogMel
from bandmate_training.networks.vae import Vae

REPEATS = 4  # how often a loaded example is used, under other conditions and noise each time
HIGHEST_LEVEL = 0.3  # share of separation examples at the highest noise level
_AUDIBLE = -8.0  # log-mel around which a cell begins to be heard
_CHECKED_LEVELS = (0.25, 0.5, 0.75, 0.999)  # of the schedule, in validation
_CHECK_SEED = 0


@dataclass
class Inputs:
    """The denoiser's inputs, in the order of its forward."""

    x: Tensor
    level: Tensor
    mixture: Tensor
    mixture_kind: Tensor
    known: Tensor
    known_mask: Tensor

    def all(self) -> tuple[Tensor, ...]:
        """Return the inputs as positional arguments."""
        return (
            self.x, self.level, self.mixture, self.mixture_kind, self.known, self.known_mask
        )  # fmt: skip


@dataclass
class Encoded:
    """Sources' spectra (B, S + 1, N, K), the stems' latents, and how much each cell is heard."""

    spectra: Tensor
    latents: Tensor
    heard: Tensor


@dataclass
class Noised:
    """One batch of diffusion: inputs, the clean latents, the target v, the cells' weights."""

    inputs: Inputs
    latents: Tensor
    target: Tensor
    weights: Tensor


class DenoiserTask(OneNetworkTask[Denoiser]):
    """The latents' diffusion under conditions drawn at random; the VAE is frozen."""

    kind = module = "denoiser"

    def __init__(
        self, spec: ModelSpec, config: DenoiserConfig, vae: Vae, validation: Tensor
    ) -> None:
        """Make the network; keep the validation examples (B, 5, N)."""
        super().__init__(spec, config, channels_last(Denoiser(spec, config)))
        self.vae = channels_last(vae.eval().requires_grad_(False))
        self.mel = LogMel(spec.mel)
        self.abar = alphas_cumprod(spec.schedule)
        self.stems, self.highest = len(spec.stems), spec.schedule.steps - 1
        self.validation = validation

    def header(self) -> dict[str, Any]:
        """Describe the network, and say whose latents it knows."""
        return super().header() | {"vae": fingerprint(self.vae.state_dict())}

    def update(
        self, step: int, batch: Tensor, generator: torch.Generator, optimisers: Optimisers
    ) -> dict[str, float]:
        """Do one step at random levels, under random conditions."""
        frames = batch.shape[-1] // self.spec.latent_hop
        count = REPEATS * len(batch)
        plans = [draw_plan(self.stems, frames, generator) for _ in range(count)]
        full = torch.tensor([plan.mixture is not None and plan.kind == FULL for plan in plans])
        level = self.draw_levels(full, generator)
        noised = self._noised(self.encode(batch), plans, level, generator)
        with autocast():
            v = self.network(*noised.inputs.all())
        errors = (v.float() - noised.target).square() * noised.weights
        loss = errors.sum() / noised.weights.sum()
        backward_and_step(loss, self.model, optimisers["denoiser"])
        return {"v": loss.item()}

    @torch.no_grad()
    def latents_of(self, mel: Tensor) -> Tensor:
        """Return the scaled mean latents (B, C, T, F) of log-mels (B, N, M)."""
        with autocast():
            mean, _ = self.vae.encode(mel)
        return mean.float() * self.vae.scale

    @torch.no_grad()
    def encode(self, sources: Tensor) -> Encoded:
        """Encode sources (B, S + 1, N)."""
        spectra = self.mel.stft(sources)
        mel = self.mel.log_mel(spectra[:, : self.stems])
        latents = self.latents_of(mel.flatten(0, 1)).unflatten(0, mel.shape[:2])
        return Encoded(spectra, latents, self._heard(mel).expand_as(latents))

    @torch.no_grad()
    def _noised(
        self,
        encoded: Encoded,
        plans: list[ConditionPlan],
        level: Tensor,
        generator: torch.Generator,
    ) -> Noised:
        """Hide what the plans hide, add noise of the levels.

        There are as many plans and levels as examples, or a multiple: then every example
        takes part several times.
        """
        repeats = len(plans) // len(encoded.latents)
        latents = encoded.latents.repeat(repeats, 1, 1, 1, 1)
        mixture, kind = self.mixtures(encoded.spectra, plans)
        mask = torch.stack([plan.known_mask for plan in plans])
        noise = torch.randn(latents.shape, generator=generator)
        alpha, sigma = signal_and_noise(self.abar, level)
        given = mask[:, :, None, :, None]
        inputs = Inputs(
            alpha * latents + sigma * noise, level.float(), mixture, kind, latents * given, mask
        )
        target = velocity(latents, noise, alpha, sigma)
        return Noised(
            inputs, latents, target, encoded.heard.repeat(repeats, 1, 1, 1, 1) * (1 - given)
        )

    def mixtures(self, spectra: Tensor, plans: list[ConditionPlan]) -> tuple[Tensor, Tensor]:
        """Return the latents (B, C, T, F) and kinds (B, 2) of the plans' mixtures."""
        ratio, channels = self.spec.latent_ratio, self.spec.latent_channels
        frames = spectra.shape[2] // ratio
        latents = torch.zeros(len(plans), channels, frames, self.spec.latent_bands)
        kind = torch.zeros(len(plans), KINDS)
        for row, plan in enumerate(plans):
            if plan.mixture is not None:
                parts = plan.mixture.to(spectra.dtype)
                mixture = torch.einsum("s,snk->nk", parts, spectra[row % len(spectra)])
                latents[row] = self.latents_of(self.mel.log_mel(mixture)[None])[0]
                kind[row, plan.kind] = 1
        return latents, kind

    def draw_levels(self, full: Tensor, generator: torch.Generator) -> Tensor:
        """Draw noise levels (B,); a share of the separation examples gets the highest.

        One level falls into each B-th part of the schedule: gradients vary less than with levels
        drawn apart (Kingma et al. 2021, "Variational diffusion models", appendix I).
        """
        place = torch.randperm(len(full), generator=generator)
        place = (place + torch.rand(full.shape, generator=generator)) / len(full)
        level = (place * (self.highest + 1)).long().clamp_max(self.highest)
        high = torch.rand(full.shape, generator=generator) < HIGHEST_LEVEL
        return torch.where(high & full, self.highest, level)

    def _heard(self, mel: Tensor) -> Tensor:
        """Return weights (B, S, 1, T, F): latent cells that can be heard count more.

        Five times at most; every stem counts as much as the others, for a bass is heard in
        few cells, and its pitch is in them.
        """
        loudest = nn.functional.max_pool2d(mel, self.spec.latent_ratio)
        heard = 0.2 + 0.8 * torch.sigmoid(loudest - _AUDIBLE)
        return (heard / heard.mean((0, 2, 3), keepdim=True))[:, :, None]

    def _checks(self, frames: int) -> dict[str, ConditionPlan]:
        """Return the conditions under which validation looks: one stem wanted, or all."""
        plans = {}
        for stem, name in enumerate(self.spec.stems):
            given = torch.ones(self.stems)
            given[stem] = 0
            plans[f"add_{name}"] = ConditionPlan(
                None, BACKING, given[:, None].expand(-1, frames).clone()
            )
        nothing = torch.zeros(self.stems, frames)
        plans["separate"] = ConditionPlan(torch.ones(self.stems + 1), FULL, nothing)
        plans["generate"] = ConditionPlan(None, FULL, nothing)
        return plans

    @torch.no_grad()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return the error of the estimated clean latents for each task, over all levels.

        A latent has variance one: an error of 1 is that of knowing nothing.
        """
        assert isinstance(model, Denoiser)
        frames = self.validation.shape[-1] // self.spec.latent_hop
        generator = torch.Generator().manual_seed(_CHECK_SEED)
        encoded = self.encode(self.validation[:8])
        count = len(encoded.latents)
        figures = {}
        for name, plan in self._checks(frames).items():
            errors, total = 0.0, 0.0
            for share in _CHECKED_LEVELS:
                level = torch.full((count,), int(share * self.spec.schedule.steps))
                noised = self._noised(encoded, [plan] * count, level, generator)
                with autocast():
                    v = model(*noised.inputs.all()).float()
                alpha, sigma = signal_and_noise(self.abar, level)
                clean = clean_from_velocity(noised.inputs.x, v, alpha, sigma)
                square = (clean - noised.latents).square() * noised.weights
                errors += square.sum().item()
                total += noised.weights.sum().item()
            figures[f"val_{name}"] = errors / total
        return figures

    @torch.no_grad()
    def picture(self, model: nn.Module, path: Path) -> None:
        """Draw a validation example's stems above what is estimated of each from the others.

        The estimate is the mean of all that might be: blurred, but in the right places.
        """
        assert isinstance(model, Denoiser)
        sources = self.validation[:1]
        encoded = self.encode(sources)
        generator = torch.Generator().manual_seed(_CHECK_SEED)
        level = torch.full((1,), self.highest)
        plans = self._checks(sources.shape[-1] // self.spec.latent_hop)
        estimates = []
        for stem, name in enumerate(self.spec.stems):
            noised = self._noised(encoded, [plans[f"add_{name}"]], level, generator)
            alpha, sigma = signal_and_noise(self.abar, level)
            clean = clean_from_velocity(noised.inputs.x, model(*noised.inputs.all()), alpha, sigma)
            estimates.append(self.vae.decode(clean[:, stem] / self.vae.scale)[0])
        true = list(self.mel(sources[0, : self.stems]))
        draw_mels(path, [true, estimates], self.spec.stems)
