"""A model of latents: its ONNX files as plain callables on arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.model.bundle import Bundle
from bandmate_server.model.conditioning import rules_of
from bandmate_server.model.graphs import SEPARATOR
from bandmate_server.model.latent_cache import LatentCache
from bandmate_server.model.opened_bundle import OpenedBundle
from bandmate_server.model.schedule import cumulative_alphas
from bandmate_server.model.spectral_consistency import griffin_lim_refine
from bandmate_server.spec import ModelSpec


@dataclass(frozen=True)
class Encoded:
    """log_mel (B, N, M); latent, latent_std (B, C, T, F): scaled posterior mean and deviation."""

    log_mel: FloatArray
    latent: FloatArray
    latent_std: FloatArray


@dataclass(frozen=True)
class Condition:
    """What one term of the guidance is given; None is absent.

    mixture: latent (B, C, T, F) of the full mixture, or of the backing to which stems are added.
    full: whether it is the full mixture.
    known: clean latents (B, S, C, T, F) of given stems, zeros elsewhere.
    known_mask: (B, S, T), 1 = given.
    """

    mixture: FloatArray | None = None
    full: bool = True
    known: FloatArray | None = None
    known_mask: FloatArray | None = None


class Model(OpenedBundle):
    """The networks of a model of latents; what separates by default opens at once, the rest later.

    alphas: abar of every noise level (steps,).
    latents: of windows that were encoded for a new part.
    """

    spec: ModelSpec

    def __init__(self, bundle: Bundle, device: str = "auto", threads: int | None = None):
        super().__init__(bundle, device, threads)
        assert isinstance(bundle.spec, ModelSpec)
        self.spec = bundle.spec
        self.alphas = cumulative_alphas(self.spec.schedule)
        self.latents = LatentCache()
        for graph in (SEPARATOR,) if self.spec.masks else ("encoder", "denoiser"):
            self._session(graph)

    def encode(self, wave: FloatArray) -> Encoded:
        """Return mel and latents of waves (B, N), N a multiple of spec.block_samples."""
        return Encoded(*self._run("encoder", {"wave": wave}))

    def mask_logits(self, wave: FloatArray) -> FloatArray:
        """Return the separator's mask logits (B, S+1, N, bands), `other` last, of waves (B, N).

        N is a multiple of spec.block_samples; the grid is that of spec.masks.
        """
        return self._run(SEPARATOR, {"wave": wave})[0]

    def denoise(
        self, x: FloatArray, timestep: int, conditions: Sequence[tuple[float, Condition]]
    ) -> FloatArray:
        """Return the guided estimate of the clean latents (B, S, C, T, F).

        Args:
            x: noisy latents (B, S, C, T, F).
            timestep: noise level, 0 to 999.
            conditions: one or two weights with their conditions; they sum to 1.
        """
        feeds = condition_feeds([condition for _, condition in conditions], x.shape, self.spec)
        return self._denoised(x, timestep, [weight for weight, _ in conditions], feeds)

    def denoise_each(
        self, x: FloatArray, timestep: int, conditions: Sequence[Condition]
    ) -> FloatArray:
        """Return the estimate of the clean latents, each example under its own condition.

        Args:
            x: noisy latents (B, S, C, T, F).
            timestep: noise level, 0 to 999.
            conditions: B of them, for one example each.
        """
        each = [condition_feeds([one], (1, *x.shape[1:]), self.spec) for one in conditions]
        feeds = {name: np.concatenate([one[name] for one in each], axis=1) for name in each[0]}
        return self._denoised(x, timestep, [1.0], feeds)

    def _denoised(
        self, x: FloatArray, timestep: int, weights: list[float], conditions: dict[str, FloatArray]
    ) -> FloatArray:
        batch, alpha = np.ones(len(x), np.float32), float(self.alphas[timestep])
        feeds = {
            "x": x,
            "level": batch * timestep,
            "alpha": batch * math.sqrt(alpha),
            "sigma": batch * math.sqrt(1.0 - alpha),
            "guidance": np.array(weights, np.float32),
        }
        return self._run("denoiser", feeds | conditions)[0]

    def decode(self, latent: FloatArray) -> FloatArray:
        """Return log-mels (B, N, M) of scaled latents (B, C, T, F)."""
        return self._run("decoder", {"latent": latent})[0]

    def vocode(self, log_mel: FloatArray) -> FloatArray:
        """Return waves (B, N * hop) of log-mels (B, N, M), as near to them as the bundle asks."""
        waves = self._run("vocoder", {"log_mel": log_mel})[0]
        waves = waves[:, : log_mel.shape[1] * self.spec.mel.hop]
        return griffin_lim_refine(waves, log_mel, self.spec.mel, self.bundle.consistency_rounds)


def condition_feeds(
    conditions: Sequence[Condition], shape: tuple[int, ...], spec: ModelSpec
) -> dict[str, FloatArray]:
    """Stack conditions along G for latents of `shape` (B, S, C, T, F); absent ones are zeros."""
    batch, stems, channels, length, bands = shape
    halves = len(conditions)
    mixture = np.zeros((halves, batch, channels, length, bands), np.float32)
    kind = np.zeros((halves, batch, 2), np.float32)
    known = np.zeros((halves, *shape), np.float32)
    mask = np.zeros((halves, batch, stems, length), np.float32)
    for half, condition in enumerate(conditions):
        if condition.mixture is not None:
            mixture[half] = condition.mixture
            kind[half, :, 0 if condition.full else 1] = 1.0
        if condition.known is not None and condition.known_mask is not None:
            known[half], mask[half] = condition.known, condition.known_mask
    if not rules_of(spec).takes_stems:
        return {"mixture": mixture}
    return {"mixture": mixture, "mixture_kind": kind, "known": known, "known_mask": mask}
