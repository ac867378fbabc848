"""What the networks say of a mixture's stems: masks or mels, window by window.

Streams of pieces (start, values) go out, to be joined by `windows.cross_fade`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.windows import Layout
from bandmate_server.diffusion.joint import Diffusion, JointSampler
from bandmate_server.diffusion.noise import latent_noise
from bandmate_server.diffusion.sampler import Inpainting, cfg_terms
from bandmate_server.model.conditioning import rules_of
from bandmate_server.model.model import Condition, Encoded, Model
from bandmate_server.progress import Monitor

Waves = Iterator[tuple[int, FloatArray]]  # (start in latent frames, waves (R, N))
CHUNK_WINDOWS = 64  # denoised jointly: ten minutes, about 25 MB an array
POSTERIOR_DRAW = 2**32  # the noise of the mixture's latent: past all of the steps


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
    done, total = 0, len(layout.starts)
    for index, (start, wave) in enumerate(waves):
        chunk.append((start, _drawn(model, model.encode(wave), how.seed, start)))
        if len(chunk) < CHUNK_WINDOWS and index + 1 < total:
            continue
        report = partial(_report, monitor, done / total, (index + 1) / total)
        latents = _sampled(model, chunk, layout, how, known, report)
        fresh = chunk if known is None else chunk[1:]
        for begin, encoded in fresh:
            monitor.check()
            own = latents[:, :, begin - chunk[0][0] :][:, :, : layout.window]
            yield StemMels(begin, model.decode(np.ascontiguousarray(own)), encoded.log_mel[0])
        known = latents[:, :, -layout.window :]
        chunk, done = chunk[-1:], index + 1


def _report(monitor: Monitor, begin: float, end: float, share: float) -> None:
    monitor.report("separate", begin + (end - begin) * share)


def _drawn(model: Model, encoded: Encoded, seed: int, start: int) -> Encoded:
    """Draw the mixture's latent from its posterior if the model was trained on such draws."""
    spec = model.spec
    if not rules_of(spec).draws_mixture:
        return encoded
    cell = (1, spec.latent_channels, spec.latent_bands)
    noise = latent_noise(seed, POSTERIOR_DRAW, start, encoded.latent.shape[2], cell)
    return replace(encoded, latent=encoded.latent + encoded.latent_std * noise)


def _sampled(
    model: Model,
    windows: list[tuple[int, Encoded]],
    layout: Layout,
    how: Diffusion,
    known: FloatArray | None,
    report: Callable[[float], None],
) -> FloatArray:
    """Return the clean latents (S, C, L, F) of windows that are denoised together.

    Args:
        model: any.
        windows: starts, and what the encoder returned.
        layout: of all windows.
        how: to sample.
        known: latents (S, C, T, F) of the first window, if a chunk before has found them.
        report: called with the share done.
    """
    joint = JointSampler(model, replace(layout, starts=tuple(start for start, _ in windows)), how)
    calls = count()

    def estimate(x: FloatArray, timestep: int) -> FloatArray:
        found = []
        for place, (_, encoded) in zip(joint.places, windows, strict=True):
            report(next(calls) / len(joint.steps) / len(windows))
            halves = cfg_terms(how.guidance, Condition(encoded.latent), Condition())
            noisy = np.ascontiguousarray(x[None, :, :, place])
            found.append(model.denoise(noisy, timestep, halves)[0])
        return joint.mean(found)

    x, given = joint.noise(0), None
    if known is not None:
        latents, mask = np.zeros_like(x), np.zeros((joint.length, 1), np.float32)
        latents[:, :, : layout.window], mask[: layout.window] = known, 1.0
        given = Inpainting(latents, mask, lambda draw: joint.noise(2 + 2 * draw))
    return joint.run(estimate, x, given)
