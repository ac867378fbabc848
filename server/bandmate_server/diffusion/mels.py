"""What the networks say of a mixture's stems: masks or mels, window by window.

Streams of pieces (start, values) go out, to be joined by `windows.cross_fade`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.windows import Layout, fade_weights
from bandmate_server.diffusion.noise import latent_noise
from bandmate_server.diffusion.sampler import (
    Inpainting,
    cfg_terms,
    sample,
)
from bandmate_server.diffusion.steps import sampling_steps
from bandmate_server.model.conditioning import rules_of
from bandmate_server.model.model import Condition, Encoded, Model
from bandmate_server.options import Solver
from bandmate_server.progress import Monitor

Waves = Iterator[tuple[int, FloatArray]]  # (start in latent frames, waves (R, N))
CHUNK_WINDOWS = 64  # denoised jointly: ten minutes, about 25 MB an array
POSTERIOR_DRAW = 2**32  # the noise of the mixture's latent: past all of the steps


@dataclass(frozen=True)
class Diffusion:
    """How to sample: all settings decided."""

    steps: int
    solver: Solver
    guidance: float
    eta: float
    seed: int


@dataclass(frozen=True)
class StemMels:
    """Log-mels of one window: stems (S, N, M) and the mixture (N, M), from latent frame `start`."""

    start: int
    stems: FloatArray
    mixture: FloatArray


def diffusion_mels(
    model: Model, waves: Waves, layout: Layout, how: Diffusion, monitor: Monitor
) -> Iterator[StemMels]:
    """Yield the log-mels of every window, denoised jointly with its neighbours.

    At every step the predictions of overlapping windows are averaged. Chunks of many windows
    follow each other; a chunk begins with the last window of the one before, which it takes
    as known.

    Args:
        model: any.
        waves: of the windows in `layout`, one row each.
        layout: where they lie.
        how: steps, solver, guidance, noise and seed.
        monitor: called for every window and step.
    """
    chunk: list[tuple[int, Encoded]] = []
    known: FloatArray | None = None
    done, count = 0, len(layout.starts)
    for index, (start, wave) in enumerate(waves):
        chunk.append((start, _drawn(model, model.encode(wave), how.seed, start)))
        if len(chunk) < CHUNK_WINDOWS and index + 1 < count:
            continue
        work = _Chunk(model, chunk, layout, how, known)
        latents = work.run(monitor, done / count, (index + 1) / count)
        fresh = chunk if known is None else chunk[1:]
        for begin, encoded in fresh:
            monitor.check()
            own = latents[:, :, begin - chunk[0][0] :][:, :, : layout.window]
            yield StemMels(begin, model.decode(np.ascontiguousarray(own)), encoded.log_mel[0])
        known = latents[:, :, -layout.window :]
        chunk, done = chunk[-1:], index + 1


def _drawn(model: Model, encoded: Encoded, seed: int, start: int) -> Encoded:
    """Draw the mixture's latent from its posterior if the model was trained on such draws."""
    spec = model.spec
    if not rules_of(spec).draws_mixture:
        return encoded
    cell = (1, spec.latent_channels, spec.latent_bands)
    noise = latent_noise(seed, POSTERIOR_DRAW, start, encoded.latent.shape[2], cell)
    return replace(encoded, latent=encoded.latent + encoded.latent_std * noise)


class _Chunk:
    """Windows that are denoised together.

    Args:
        model: the denoiser.
        windows: starts, and what the encoder returned.
        layout: of all windows.
        how: to sample.
        known: latents (S, C, T, F) of the first window, if a chunk before has found them.
    """

    def __init__(
        self,
        model: Model,
        windows: list[tuple[int, Encoded]],
        layout: Layout,
        how: Diffusion,
        known: FloatArray | None,
    ):
        self._model, self._windows, self._how, self._known = model, windows, how, known
        self._first, self._window = windows[0][0], layout.window
        self._length = windows[-1][0] + layout.window - self._first
        self._fade = fade_weights(layout.window, layout.overlap)[:, None]
        self._weight = np.zeros((self._length, 1), np.float32)
        for start, _ in windows:
            self._weight[self._place(start)] += self._fade

    def run(self, monitor: Monitor, begin: float, end: float) -> FloatArray:
        """Return the clean latents (S, C, T, F), reporting from `begin` to `end`."""
        how, steps = self._how, sampling_steps(self._model, self._how.steps)
        calls = 0

        def estimate(x: FloatArray, timestep: int) -> FloatArray:
            nonlocal calls
            total = np.zeros_like(x)
            for start, encoded in self._windows:
                monitor.report("separate", begin + (end - begin) * calls / self._calls(len(steps)))
                calls += 1
                place = self._place(start)
                total[:, :, place] += self._fade * self._denoise(x[:, :, place], timestep, encoded)
            total /= self._weight
            return total

        x = self._noise(0)
        return sample(
            estimate, x, steps, how.solver, how.eta, lambda k: self._noise(1 + 2 * k), self._given()
        )

    def _calls(self, steps: int) -> int:
        return steps * len(self._windows)

    def _place(self, start: int) -> slice:
        """Return where the window lies in the chunk."""
        return slice(start - self._first, start - self._first + self._window)

    def _denoise(self, x: FloatArray, timestep: int, encoded: Encoded) -> FloatArray:
        """Return one window's guided estimate."""
        halves = cfg_terms(self._how.guidance, Condition(encoded.latent), Condition())
        x0: FloatArray = self._model.denoise(np.ascontiguousarray(x[None]), timestep, halves)[0]
        return x0

    def _noise(self, draw: int) -> FloatArray:
        spec = self._model.spec
        cell = (len(spec.stems), spec.latent_channels, spec.latent_bands)
        return latent_noise(self._how.seed, draw, self._first, self._length, cell)

    def _given(self) -> Inpainting | None:
        """Return what the chunk before has settled."""
        if self._known is None:
            return None
        latents = np.zeros((*self._known.shape[:2], self._length, self._known.shape[3]), np.float32)
        latents[:, :, : self._window] = self._known
        mask = np.zeros((self._length, 1), np.float32)
        mask[: self._window] = 1.0
        return Inpainting(latents, mask, lambda k: self._noise(2 + 2 * k))
