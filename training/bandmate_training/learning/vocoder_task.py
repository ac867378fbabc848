"""Training the vocoder: spectral distances, tuned oscillators, and discriminators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bandmate_server.spec import ModelSpec
from bandmate_training.data.dataset import SOURCES
from bandmate_training.learning.pictures import draw_mels
from bandmate_training.learning.trainer import Optimisers, backward_and_step
from bandmate_training.networks.config import VocoderConfig
from bandmate_training.networks.discriminators import SpectralDiscriminators
from bandmate_training.networks.layers import autocast
from bandmate_training.networks.mel import LogMel
from bandmate_training.networks.oscillators import (
    Partials,
    analyse_partials,
    pitch_error,
    tuning_loss,
)
from bandmate_training.networks.vocoder import Vocoder, normal

RESOLUTIONS = (256, 512, 1024, 2048)  # samples per window; the hop is a quarter
MEL_WEIGHT, SPECTRAL_WEIGHT, TUNING_WEIGHT = 2.0, 1.0, 0.3
ADVERSARIAL_WEIGHT, FEATURE_WEIGHT = 0.1, 0.2
ADVERSARY_FROM = 10_000  # steps: the spectral losses lead until then
_QUIET = 1e-3  # RMS below which a wave teaches nothing


def spectral_distance(wave: Tensor, target: Tensor) -> Tensor:
    """Return spectral convergence plus log-magnitude error of waves (B, N), averaged.

    Source: Yamamoto et al. 2020 (Parallel WaveGAN), eqs. 4 to 6.
    """
    total = wave.new_zeros(())
    for size in RESOLUTIONS:
        window = torch.hann_window(size, device=wave.device)
        a, b = (
            torch.view_as_real(torch.stft(x, size, size // 4, window=window, return_complex=True))
            .square()
            .sum(-1)
            .clamp_min(1e-8)
            for x in (wave, target)
        )
        convergence = (a.sqrt() - b.sqrt()).norm(dim=(1, 2)) / b.sum(dim=(1, 2)).sqrt()
        total = total + convergence.mean() + 0.5 * (a.log() - b.log()).abs().mean()
    return total / len(RESOLUTIONS)


class _Player(nn.Module):
    """Both halves of the vocoder in one call, as DDP wants it."""

    def __init__(self, vocoder: Vocoder) -> None:
        super().__init__()
        self.vocoder = vocoder

    def forward(self, mels: Tensor, heard_mels: Tensor) -> tuple[Tensor, Partials]:
        """Return the waves of some mels, and the partials of others."""
        return self.vocoder(mels), self.vocoder.tones(normal(heard_mels))


class VocoderTask:
    """Generator and discriminators; the wave to copy is a stem or a mixture."""

    def __init__(
        self, spec: ModelSpec, config: VocoderConfig, validation: Tensor, tones_only: bool = False
    ) -> None:
        """Make generator and discriminators; keep the validation examples (B, 5, N).

        With `tones_only` nothing but the oscillators' tuning learns, which is much quicker.
        """
        self.spec, self.config, self.tones_only = spec, config, tones_only
        self.mel = LogMel(spec.mel)
        self.model = Vocoder(spec, config)
        self.network: nn.Module = _Player(self.model)
        self.tuner: nn.Module = self.model.tones
        self.judges = SpectralDiscriminators()
        self.judge: nn.Module = self.judges
        self.steps = 0
        self.validation = validation

    def header(self) -> dict[str, Any]:
        """Describe the network."""
        return {"kind": "vocoder", "spec": self.spec.to_json(), "config": asdict(self.config)}

    def modules(self) -> dict[str, nn.Module]:
        """Return generator and discriminators."""
        return {"vocoder": self.model, "judges": self.judges}

    def wrap(self, parallel: Callable[[nn.Module], nn.Module]) -> None:
        """Send gradients through DDP."""
        self.judge = parallel(self.judges)
        if self.tones_only:
            self.tuner = parallel(self.model.tones)
        else:
            self.network = parallel(self.network)

    def update(
        self, step: int, batch: Tensor, generator: torch.Generator, optimisers: Optimisers
    ) -> dict[str, float]:
        """Do one step of the discriminators, once they are on, and one of the generator."""
        waves = torch.cat([batch, batch.sum(1, keepdim=True)], dim=1).clamp(-1, 1)
        audible = waves.square().mean(-1) > _QUIET**2
        pick = torch.multinomial(audible.float() + 1e-6, 1, generator=generator)[:, 0]
        target = waves[torch.arange(len(waves)), pick]
        every = waves[audible] if audible.any() else target
        every_mel, true = self.mel(every), analyse_partials(every, self.spec.mel)
        if self.tones_only:
            tuning = tuning_loss(self.tuner(normal(every_mel)), true)
            backward_and_step(tuning, self.model, optimisers["vocoder"])
            return {"tuning": tuning.item()}
        mels = self.mel(target)
        with autocast():
            wave, partials = self.network(mels, every_mel)
        spectral = spectral_distance(wave, target)
        mel = (self.mel(wave) - mels).abs().mean()
        tuning = tuning_loss(partials, true)
        loss = SPECTRAL_WEIGHT * spectral + MEL_WEIGHT * mel + TUNING_WEIGHT * tuning
        figures = {"spectral": spectral.item(), "mel": mel.item(), "tuning": tuning.item()}
        if step >= ADVERSARY_FROM:
            judging = self._judge_loss(wave.detach(), target)
            backward_and_step(judging, self.judges, optimisers["judges"])
            adversarial, features = self._fool_loss(wave, target)
            loss = loss + ADVERSARIAL_WEIGHT * adversarial + FEATURE_WEIGHT * features
            figures |= {"judges": judging.item(), "fooled": adversarial.item()}
        backward_and_step(loss, self.model, optimisers["vocoder"])
        return figures

    def _judge_loss(self, wave: Tensor, target: Tensor) -> Tensor:
        loss = wave.new_zeros(())
        with autocast():
            for (fake, _), (real, _) in zip(self.judge(wave), self.judge(target), strict=True):
                loss = loss + F.relu(1 + fake.float()).mean() + F.relu(1 - real.float()).mean()
        return loss

    def _fool_loss(self, wave: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        adversarial, features = wave.new_zeros(()), wave.new_zeros(())
        with autocast():
            for (fake, made), (_, true) in zip(self.judge(wave), self.judge(target), strict=True):
                adversarial = adversarial + F.relu(1 - fake.float()).mean()
                for a, b in zip(made, true, strict=True):
                    features = features + (a.float() - b.detach().float()).abs().mean() / len(made)
        return adversarial, features

    @torch.no_grad()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return the errors of validation mixtures, and of the stems' tones."""
        target = self.validation.sum(1).clamp(-1, 1)
        wave = torch.cat([model(self.mel(part)) for part in target.split(4)])
        stems = self.validation[:, : len(self.spec.stems)].flatten(0, 1).clamp(-1, 1)
        assert isinstance(model, Vocoder)
        off = [
            pitch_error(model.tones(normal(self.mel(part))), analyse_partials(part, self.spec.mel))
            for part in stems.split(16)
        ]
        return {
            "val_spectral": spectral_distance(wave, target).item(),
            "val_mel_mse": (self.mel(wave) - self.mel(target)).square().mean().item(),
            "val_pitch_hz": torch.cat(off).mean().item(),
        }

    @torch.no_grad()
    def picture(self, model: nn.Module, path: Path) -> None:
        """Draw log-mels of validation sources above those of their copies."""
        true = self.mel(self.validation[0])
        draw_mels(path, [list(true), list(self.mel(model(true)))], list(SOURCES))

    def finish(self, model: nn.Module) -> None:
        """Nothing is measured at the end."""
