"""Training the denoiser: masks at the highest noise level, v-prediction at all others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bandmate_server.spec import ModelSpec
from bandmate_training.checkpoint import fingerprint
from bandmate_training.conditions import FULL, Plan, draw_plan
from bandmate_training.config import DenoiserConfig
from bandmate_training.dataset import SOURCES
from bandmate_training.denoiser import KINDS, Denoiser
from bandmate_training.diffusion import alphas_cumprod, signal_and_noise, velocity
from bandmate_training.layers import channels_last
from bandmate_training.masks import Bands, BandSums, distortion, share_loss, si_sdr
from bandmate_training.mel import LogMel
from bandmate_training.pictures import draw_mels
from bandmate_training.trainer import Optimisers, descend
from bandmate_training.vae import Vae

_MIXED = 20.0  # dB: a source so far above or below the rest is alone, or as good as silent
_AUDIBLE = -8.0  # log-mel around which a cell begins to be heard


@dataclass(frozen=True)
class Weights:
    """How much each part of the objective counts."""

    mask_share: float = 0.75  # of a batch's examples train the mask head
    distortion: float = 0.25  # per dB, beside the cross-entropy
    velocity: float = 0.3
    highest_level: float = 0.3  # share of separation examples at the highest noise level


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


def join(first: Inputs, second: Inputs) -> Inputs:
    """Put two batches of inputs behind one another."""
    return Inputs(*(torch.cat(pair) for pair in zip(first.all(), second.all(), strict=True)))


def mask_inputs(mixture: Tensor, stems: int, highest: int) -> Inputs:
    """Return the inputs that ask for the masks of full mixtures' latents (B, C, T, F)."""
    batch, channels, time, bands = mixture.shape
    kind = torch.zeros(batch, KINDS)
    kind[:, FULL] = 1
    none = torch.zeros(batch, stems, channels, time, bands)
    level = torch.full((batch,), float(highest))
    return Inputs(none, level, mixture, kind, none, torch.zeros(batch, stems, time))


class DenoiserTask:
    """One trunk for masks and for the latents' diffusion; the VAE is frozen."""

    def __init__(
        self,
        spec: ModelSpec,
        config: DenoiserConfig,
        vae: Vae,
        validation: Tensor,
        weights: Weights | None = None,
    ) -> None:
        """Make the network; keep the validation examples (B, 5, N)."""
        self.spec, self.config, self.weights = spec, config, weights or Weights()
        self.vae = channels_last(vae.eval().requires_grad_(False))
        self.mel, self.sums = LogMel(spec.mel), BandSums(spec.mel)
        self.model = channels_last(Denoiser(spec, config))
        self.network: nn.Module = self.model
        self.abar = alphas_cumprod(spec.schedule)
        self.stems, self.highest = len(spec.stems), spec.schedule.steps - 1
        self.validation = validation

    def header(self) -> dict[str, Any]:
        """Describe the network, and say whose latents it knows."""
        return {
            "kind": "denoiser",
            "spec": self.spec.to_json(),
            "config": asdict(self.config),
            "vae": fingerprint(self.vae.state_dict()),
        }

    def modules(self) -> dict[str, nn.Module]:
        """Return the one module that is trained."""
        return {"denoiser": self.model}

    def wrap(self, parallel: Callable[[nn.Module], nn.Module]) -> None:
        """Send gradients through DDP."""
        self.network = parallel(self.model)

    def update(
        self, step: int, batch: Tensor, generator: torch.Generator, optimisers: Optimisers
    ) -> dict[str, float]:
        """Do one step: the first examples train the masks, the rest the diffusion."""
        masked = min(max(round(self.weights.mask_share * len(batch)), 1), len(batch) - 1)
        spectra = self.mel.stft(batch)
        inputs = mask_inputs(self._latents(spectra[:masked].sum(1)), self.stems, self.highest)
        noisy, target, heard = self._noised(spectra[masked:], generator)
        with torch.autocast("cpu", torch.bfloat16):
            v, logits = self.network(*join(inputs, noisy).all())
        bands = self.sums(spectra[:masked])
        logits = logits[:masked].float()
        shares = share_loss(logits, bands)
        decibels = distortion(logits.softmax(1), bands).mean()
        error = ((v[masked:].float() - target).square() * heard).sum() / heard.sum()
        w = self.weights
        loss = shares + w.distortion * decibels + w.velocity * error + 0 * v[:masked].sum()
        descend(loss, self.model, optimisers["denoiser"])
        return {"shares": shares.item(), "dB": decibels.item(), "v": error.item()}

    @torch.no_grad()
    def _latents(self, spectra: Tensor) -> Tensor:
        """Return the scaled mean latents (B, C, T, F) of spectra (B, N, K)."""
        mel = self.mel.log_mel(spectra)
        with torch.autocast("cpu", torch.bfloat16):
            mean, _ = self.vae.encode(mel)
        return mean.float() * self.vae.scale

    @torch.no_grad()
    def _noised(self, spectra: Tensor, generator: torch.Generator) -> tuple[Inputs, Tensor, Tensor]:
        """Draw diffusion examples: their inputs, the target v, and the cells' weights."""
        batch = len(spectra)
        stems = spectra[:, : self.stems]
        latents = self._latents(stems.flatten(0, 1)).unflatten(0, (batch, self.stems))
        frames = latents.shape[3]
        plans = [draw_plan(self.stems, frames, generator) for _ in range(batch)]
        mixture, kind = self._mixtures(spectra, plans)
        mask = torch.stack([plan.known_mask for plan in plans])
        level = self._levels(kind, generator)
        noise = torch.randn(latents.shape, generator=generator)
        alpha, sigma = signal_and_noise(self.abar, level)
        inputs = Inputs(
            alpha * latents + sigma * noise,
            level.float(),
            mixture,
            kind,
            latents * mask[:, :, None, :, None],
            mask,
        )
        heard = self._heard(stems) * (1 - mask)[:, :, None, :, None]
        return inputs, velocity(latents, noise, alpha, sigma), heard.expand_as(latents)

    def _mixtures(self, spectra: Tensor, plans: list[Plan]) -> tuple[Tensor, Tensor]:
        """Return the latents (B, C, T, F) and kinds (B, 2) of the plans' mixtures."""
        parts = torch.stack(
            [p.mixture if p.mixture is not None else torch.zeros(spectra.shape[1]) for p in plans]
        )
        latents = self._latents((spectra * parts[..., None, None]).sum(1))
        kind = torch.zeros(len(plans), KINDS)
        for row, plan in enumerate(plans):
            if plan.mixture is None:
                latents[row] = 0
            else:
                kind[row, plan.kind] = 1
        return latents, kind

    def _levels(self, kind: Tensor, generator: torch.Generator) -> Tensor:
        """Draw noise levels (B,); a share of the separation examples gets the highest."""
        level = torch.randint(self.highest + 1, (len(kind),), generator=generator)
        high = torch.rand(len(kind), generator=generator) < self.weights.highest_level
        return torch.where(high & (kind[:, FULL] > 0), self.highest, level)

    def _heard(self, stems: Tensor) -> Tensor:
        """Return weights (B, S, 1, T, F) in 0.2..1: latent cells that can be heard count more."""
        loudest = nn.functional.max_pool2d(self.mel.log_mel(stems), self.spec.latent_ratio)
        return 0.2 + 0.8 * torch.sigmoid(loudest - _AUDIBLE)[:, :, None]

    @torch.no_grad()
    def _masks(self, model: Denoiser, sources: Tensor) -> tuple[Tensor, Bands]:
        """Return the masks (B, S + 1, N, M) of sources (B, S + 1, N), and their band sums."""
        spectra = self.mel.stft(sources)
        inputs = mask_inputs(self._latents(spectra.sum(1)), self.stems, self.highest)
        with torch.autocast("cpu", torch.bfloat16):
            _, logits = model(*inputs.all())
        return logits.float().softmax(1), self.sums(spectra)

    @torch.no_grad()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return the mean SI-SDR improvement in dB for each source, where mixed."""
        assert isinstance(model, Denoiser)
        gains: list[Tensor] = []
        active: list[Tensor] = []
        for sources in self.validation.split(8):
            masks, bands = self._masks(model, sources)
            before = si_sdr(torch.ones_like(masks), bands)
            gains.append(si_sdr(masks, bands) - before)
            active.append(before.abs() < _MIXED)
        gain, sounds = torch.cat(gains), torch.cat(active).float()
        means = ((gain * sounds).sum(0) / sounds.sum(0).clamp_min(1)).tolist()
        figures = {f"val_{n}_db": g for n, g in zip(SOURCES, means, strict=True)}
        return figures | {"val_db": sum(means[: self.stems]) / self.stems}

    @torch.no_grad()
    def picture(self, model: nn.Module, path: Path) -> None:
        """Draw a validation example's true stems above the masked mixture."""
        assert isinstance(model, Denoiser)
        sources = self.validation[:1]
        masks, _ = self._masks(model, sources)
        mixture = self.mel(sources.sum(1))
        masked = (mixture + masks[0].clamp_min(1e-6).log()).clamp_min(-11.5)
        draw_mels(path, [list(self.mel(sources[0])), list(masked)], list(SOURCES))

    def finish(self, model: nn.Module) -> None:
        """Nothing is measured at the end."""
