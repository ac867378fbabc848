"""Sampling of all stems' latents over all windows, denoised jointly.

At every step the estimates of overlapping windows are averaged, so that neighbours agree.
`JointSampler` does that, for separation too (`mels`); `PartSampler` samples new parts with it. The
learnt presets have what is given as input; for the paper's, given latents replace the noisy ones at
every step. Guidance compares that with an estimate that knows of nothing at all: it starts from
the same noise, and what is given never enters its latents. A guidance of more than 1 begins, for
learnt presets, below GUIDANCE_MAX_TIMESTEP: near pure noise it costs calls and brings nothing
(Kynkäänniemi et al. 2024, "Applying guidance in a limited interval"); until then the latents of the
other estimate are conditional, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.windows import Layout, fade_weights
from bandmate_server.diffusion.noise import latent_noise
from bandmate_server.diffusion.sampler import Estimate, Inpainting, add_noise, cfg_terms, sample
from bandmate_server.diffusion.steps import sampling_steps
from bandmate_server.model.conditioning import rules_of
from bandmate_server.model.model import Condition, Model
from bandmate_server.options import Solver

GUIDANCE_MAX_TIMESTEP = 750  # noise level; above it a guidance of more than 1 counts as 1
ROWS = 4  # windows and halves of the guidance that are denoised in one call


@dataclass(frozen=True)
class Diffusion:
    """How to sample: all settings decided."""

    steps: int
    solver: Solver
    guidance: float
    eta: float
    seed: int


@dataclass(frozen=True)
class Sampling(Diffusion):
    """How to sample a new part: all settings decided.

    drafts: of every take, of which one is kept.
    resample: how often every step is done.
    """

    drafts: int = 1
    resample: int = 1


@dataclass(frozen=True)
class Conditioning:
    """What is given over all windows; L latent frames from the first window's beginning.

    known: clean latents (S, C, L, F), zeros where none are given.
    mask: (S, L), 1 = given.
    mixture: latent (C, L, F) of a mix, or None.
    full: whether the stems sum to the mix; else they come on top of it.
    """

    known: FloatArray
    mask: FloatArray
    mixture: FloatArray | None = None
    full: bool = False


@dataclass(frozen=True)
class InitLatents:
    """Where a variation starts: clean latents (S, C, L, F), noised to `timestep`."""

    latents: FloatArray
    timestep: int


class JointSampler:
    """Latents (S, C, L, F) of all windows of a layout; L latent frames from the first window on.

    places: of the windows on that axis.
    steps: that are done.

    Args:
        model: any.
        layout: of the windows.
        how: to sample.
        highest: the timestep to start at; None is the last.
    """

    def __init__(self, model: Model, layout: Layout, how: Diffusion, highest: int | None = None):
        self._model, self._how, self._first = model, how, layout.starts[0]
        self.length = layout.stop - self._first
        begins = [start - self._first for start in layout.starts]
        self.places = [slice(begin, begin + layout.window) for begin in begins]
        self.steps = sampling_steps(model, how.steps, highest)
        self._fade = fade_weights(layout.window, layout.overlap)[:, None]
        self._weight = np.zeros((self.length, 1), np.float32)
        for place in self.places:
            self._weight[place] += self._fade

    def noise(self, draw: int) -> FloatArray:
        """Return the noise of a draw; 0 is where sampling starts."""
        spec = self._model.spec
        cell = (len(spec.stems), spec.latent_channels, spec.latent_bands)
        return latent_noise(self._how.seed, draw, self._first, self.length, cell)

    def run(
        self, estimate: Estimate, x: FloatArray, known: Inpainting | None = None, resample: int = 1
    ) -> FloatArray:
        """Return clean latents, from noisy ones; see `sampler.sample`."""
        how = self._how
        return sample(
            estimate, x, self.steps, how.solver, how.eta,
            lambda draw: self.noise(1 + 2 * draw), known, resample,
        )  # fmt: skip

    def mean(self, estimates: Sequence[FloatArray]) -> FloatArray:
        """Return the weighted mean (S, C, L, F) of every window's estimate (S, C, T, F)."""
        shape = (*estimates[0].shape[:2], self.length, estimates[0].shape[3])
        total = np.zeros(shape, np.float32)
        for place, estimate in zip(self.places, estimates, strict=True):
            total[:, :, place] += self._fade * estimate
        total /= self._weight
        return total


class PartSampler(JointSampler):
    """One draft in the making.

    Args:
        model: any.
        conditioning: what is given.
        layout: of the windows.
        how: to sample.
        report: called before every call of the denoiser which share of the draft is done.
        init: where to start; None is nothing but noise.
    """

    def __init__(
        self,
        model: Model,
        conditioning: Conditioning,
        layout: Layout,
        how: Sampling,
        report: Callable[[float], None],
        init: InitLatents | None = None,
    ):
        super().__init__(model, layout, how, init.timestep if init else None)
        self._conditioning, self._report, self._init = conditioning, report, init
        self._resample = how.resample
        self._mask = conditioning.mask[:, None, :, None]
        self._takes_stems = rules_of(model.spec).takes_stems
        unconditional = not conditioning.mask.any() and conditioning.mixture is None
        self._guidance = 0.0 if unconditional else how.guidance
        self._calls, self._expected = 0, (len(self.steps) - 1) * how.resample + 1

    def latents(self) -> FloatArray:
        """Return the clean latents (S, C, L, F), given ones as they are."""
        x = self.noise(0)
        if self._init is not None:
            x = add_noise(self._init.latents, x, self.steps[0].alpha)
        found = self.run(self._estimate, x, resample=self._resample)
        return self._replaced(found, self._conditioning.known)

    def _estimate(self, x: FloatArray, timestep: int) -> FloatArray:
        """Return the guided estimate.

        Where latents are given, it is that of what knows nothing, or if that is not asked, they.
        """
        weights = self._weights(timestep)
        alpha = float(self._model.alphas[timestep])
        fresh = self.noise(0 if self._takes_stems else 2 + 2 * self._calls)
        conditional = self._replaced(x, add_noise(self._conditioning.known, fresh, alpha))
        rows = [(place, half) for place in self.places for _, half in weights]
        found: list[FloatArray] = []
        for first in range(0, len(rows), ROWS):
            self._report((self._calls + first / len(rows)) / self._expected)
            some = rows[first : first + ROWS]
            noisy = np.stack([(conditional if half else x)[:, :, place] for place, half in some])
            conditions = [self._condition(place) if half else Condition() for place, half in some]
            found.extend(self._model.denoise_each(noisy, timestep, conditions))
        self._calls += 1
        halves = {
            half: self.mean(found[index :: len(weights)]) for index, (_, half) in enumerate(weights)
        }
        guided = np.sum([weight * halves[half] for weight, half in weights], axis=0)
        return self._replaced(guided, halves.get(False, self._conditioning.known))

    def _weights(self, timestep: int) -> list[tuple[float, bool]]:
        """Return the weights of the guidance's terms, and which is conditional."""
        conditional = self._guidance
        if self._takes_stems and timestep > GUIDANCE_MAX_TIMESTEP:
            conditional = min(conditional, 1.0)
        return cfg_terms(conditional, True, False)

    def _condition(self, place: slice) -> Condition:
        """Return the condition of one window."""
        conditioning = self._conditioning
        mixture = None if conditioning.mixture is None else conditioning.mixture[None, :, place]
        if not self._takes_stems:
            return Condition(mixture)
        known, mask = conditioning.known[None, :, :, place], conditioning.mask[None, :, place]
        return Condition(mixture, conditioning.full, known, mask)

    def _replaced(self, x: FloatArray, other: FloatArray) -> FloatArray:
        """Return x with `other` where latents are given."""
        return np.where(self._mask > 0.0, other, x).astype(np.float32, copy=False)
