"""Training the separator: masks that leave little of the other stems, at any level."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from bandmate_server.spec import ModelSpec
from bandmate_training.data.dataset import SOURCES
from bandmate_training.data.remix import remixed
from bandmate_training.learning.mask_targets import Bands, BandSums, distortion, mask_loss, si_sdr
from bandmate_training.learning.one_network import OneNetworkTask
from bandmate_training.learning.pictures import draw_mels
from bandmate_training.learning.trainer import Optimisers, backward_and_step
from bandmate_training.networks.config import SeparatorConfig
from bandmate_training.networks.layers import autocast, channels_last
from bandmate_training.networks.separator import LOG_SCALE, Separator

_MIXED = 20.0  # dB: a source so far above or below the rest is alone, or as good as silent
_DISTORTION = 0.25  # weight per dB, beside the cross-entropy
_SILENT = 0.3  # weight of a silent source's distortion: it is easily won, and pulls hard
_SILENCE = 1e-3  # of the mixture's energy


class SeparatorTask(OneNetworkTask[Separator]):
    """Cross-entropy with the sources' power shares, and the masked mixtures' distortion."""

    kind = module = "separator"

    def __init__(self, spec: ModelSpec, config: SeparatorConfig, validation: Tensor) -> None:
        """Make the network; keep the validation examples (B, 5, N)."""
        super().__init__(spec, config, channels_last(Separator(spec, config)))
        self.sums = BandSums(self.model.spectrum.spec)
        self.validation = validation

    def update(
        self, step: int, batch: Tensor, generator: torch.Generator, optimisers: Optimisers
    ) -> dict[str, float]:
        """Do one step on the examples and on as many new mixtures of their sources."""
        batch = torch.cat([batch, remixed(batch, generator)])
        logits, bands = self._heard(self.network, batch)
        shares = mask_loss(logits, bands)
        decibels = distortion(logits.softmax(1), bands)
        sounds = bands.source.sum((2, 3)) > _SILENCE * bands.mixture.sum((1, 2))[:, None]
        weight = torch.where(sounds, 1.0, _SILENT)
        error = (decibels * weight).sum() / weight.sum()
        backward_and_step(shares + _DISTORTION * error, self.model, optimisers["separator"])
        return {
            "shares": shares.item(),
            "dB": (decibels * sounds).sum().item() / max(sounds.sum().item(), 1),
            "silent_dB": (decibels * ~sounds).sum().item() / max((~sounds).sum().item(), 1),
        }

    def _heard(self, network: nn.Module, sources: Tensor) -> tuple[Tensor, Bands]:
        """Return the mask logits (B, S + 1, N, bands) of sources (B, S + 1, N), and their sums."""
        spectra = self.model.spectrum.stft(sources)
        features = self.model.spectrum.features(spectra.sum(1))
        with autocast():
            logits = network(features)
        return logits.float(), self.sums(spectra)

    @torch.no_grad()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return the mean SI-SDR improvement in dB for each source, where mixed."""
        assert isinstance(model, Separator)
        gains: list[Tensor] = []
        active: list[Tensor] = []
        for sources in self.validation.split(8):
            logits, bands = self._heard(model, sources)
            masks = logits.softmax(1)
            before = si_sdr(torch.ones_like(masks), bands)
            gains.append(si_sdr(masks, bands) - before)
            active.append(before.abs() < _MIXED)
        gain, sounds = torch.cat(gains), torch.cat(active).float()
        means = ((gain * sounds).sum(0) / sounds.sum(0).clamp_min(1)).tolist()
        figures = {f"val_{n}_db": g for n, g in zip(SOURCES, means, strict=True)}
        stems = len(self.spec.stems)
        return figures | {"val_db": sum(means[:stems]) / stems}

    @torch.no_grad()
    def picture(self, model: nn.Module, path: Path) -> None:
        """Draw a validation example's true stems above the masked mixture."""
        assert isinstance(model, Separator)
        sources = self.validation[:1]
        logits, _ = self._heard(model, sources)
        spectrum = model.spectrum
        waves = torch.cat([sources[0], sources.sum(1)])
        *true, mixture = spectrum.features(spectrum.stft(waves)) / (2 * LOG_SCALE)
        masked = mixture + logits[0].log_softmax(0)
        draw_mels(path, [true, list(masked)], list(SOURCES))
