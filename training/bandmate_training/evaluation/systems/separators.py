"""What an evaluation compares: the engine's ways to separate, baselines, and other systems.

A system takes an example, a clip with all that is known of it, and returns its stems.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from bandmate_server.audio.sources import ArraySource
from bandmate_server.audio.windows import Layout, Region, cross_fade, model_waves, plan_windows
from bandmate_server.diffusion.mels import StemMels, diffusion_mels
from bandmate_server.model.model import Model
from bandmate_server.model.opening import AnyModel
from bandmate_server.options import Solver
from bandmate_server.progress import Monitor
from bandmate_server.separation.api import separate
from bandmate_server.separation.latent import decide_diffusion
from bandmate_server.separation.masks import MASK_POWER, mel_masks
from bandmate_server.separation.render import FrameStream, render_masks
from bandmate_server.settings import SeparateSettings
from bandmate_server.spec import MEL, MINI, OTHER, STEMS, BandSpec, MelSpec
from bandmate_training.evaluation.songs.analysis import Analysis
from bandmate_training.evaluation.songs.clips import Clip, ClipAudio
from bandmate_training.evaluation.songs.estimates import read_estimates
from bandmate_training.learning.mask_targets import BandSums
from bandmate_training.networks.separator import Spectrum

FloatArray = npt.NDArray[np.float32]

_SILENT_POWER = 1e-9  # of a band: what is in it gets no mask


@dataclass(frozen=True)
class Example:
    """A clip, its audio, and how the engine analyses it.

    decoded: what the model's VAE makes of all that is heard (S + 2, N, M): stems, `other`,
        mixture; None without a model.
    """

    clip: Clip
    song: ClipAudio
    analysis: Analysis
    decoded: FloatArray | None = None


@dataclass(frozen=True)
class Estimate:
    """Separated stems (N, channels), with `other` if the system gives it.

    mels: the log-mels (S, N, M) that the system predicted itself, if any, at the heard level.
    """

    stems: dict[str, FloatArray]
    mels: FloatArray | None = None


@dataclass(frozen=True)
class Prediction:
    """Log-mels of a clip's windows, where the windows lie, and mel frames per latent frame."""

    layout: Layout
    pieces: list[StemMels]
    ratio: int


System = Callable[[Example], Estimate]


def mixture_as_stem(example: Example) -> Estimate:
    """Take the mixture for every stem."""
    return Estimate(dict.fromkeys(STEMS, example.song.mixture))


def equal_split(example: Example) -> Estimate:
    """Give every stem the same share of the mixture, and `other` nothing."""
    share = example.song.mixture / np.float32(len(STEMS))
    return Estimate(dict.fromkeys(STEMS, share) | {OTHER: np.zeros_like(share)})


def oracle_masks(example: Example) -> Estimate:
    """Mask by the true log-mels: what perfect estimates of them would give."""
    analysis = example.analysis
    return Estimate(_masked(example.song, np.concatenate([analysis.stems, analysis.other[None]])))


def oracle_bands(example: Example) -> Estimate:
    """Mask by the best masks there are on the separator's own bands, from the true stems."""
    spec = MINI.masks
    assert spec is not None
    sources = torch.from_numpy(example.analysis.waves[:-1])[None]  # stems and `other`
    sums = BandSums(spec)(Spectrum(spec).stft(sources))
    best = (sums.cross / sums.mixture[:, None].clamp_min(_SILENT_POWER)).clamp(0, 1)
    shares = best[0, : len(STEMS)].swapaxes(0, 1).numpy()  # (N, S, bands)
    return Estimate(_render(example.song, FrameStream(iter([shares[:, None, None]]), 0), spec))


def oracle_through_vae(example: Example) -> Estimate:
    """Mask by the true log-mels as the VAE reconstructs them."""
    assert example.decoded is not None
    return Estimate(_masked(example.song, example.decoded[:-1]), example.decoded[: len(STEMS)])


def _masked(song: ClipAudio, log_mels: FloatArray) -> dict[str, FloatArray]:
    """Mask a clip by the power shares of log-mels (S + 1, N, M), by the engine's renderer."""
    powers = np.exp(MASK_POWER * log_mels)
    shares = (powers / powers.sum(axis=0)).swapaxes(0, 1)  # (N, S + 1, M)
    return _render(song, FrameStream(iter([shares[:, None, None, : len(STEMS)]]), 0))


def _render(
    song: ClipAudio, masks: FrameStream, grid: MelSpec | BandSpec = MEL
) -> dict[str, FloatArray]:
    source = ArraySource(song.mixture, song.rate)
    blocks = render_masks(source, Region(0, source.frames), masks, 0, grid, threads=1)
    stems = np.concatenate([stems for _, stems in blocks], axis=1)
    other = song.mixture.copy()
    for stem in stems:
        other -= stem
    return dict(zip(STEMS, stems, strict=True)) | {OTHER: other}


def masks_of_separator(model: Model, example: Example) -> Estimate:
    """Separate with the separator, as `bandmate separate` does."""
    song, settings = example.song, SeparateSettings(steps=0)
    return Estimate(separate(model, song.mixture, sample_rate=song.rate, settings=settings))


def separated(model: AnyModel, example: Example) -> Estimate:
    """Separate with a model of any kind, as `bandmate separate` does without options."""
    return Estimate(separate(model, example.song.mixture, sample_rate=example.song.rate))


def at_one_speed(model: Model) -> Model:
    """Return the model as it separates when it hears every window once."""
    return Model(replace(model.bundle, mask_speeds=(1.0,)), model.device, model.threads)


def diffusion(model: Model, steps: int, solver: Solver, seed: int, example: Example) -> Estimate:
    """Separate by diffusion, as `bandmate separate --steps` does, and keep the log-mels."""
    return render_mels(example, diffused(model, steps, solver, seed, example))


def diffused(model: Model, steps: int, solver: Solver, seed: int, example: Example) -> Prediction:
    """Return the log-mels that the diffusion predicts of every window."""
    song = example.song
    source = ArraySource(song.mixture, song.rate)
    layout = plan_windows(Region(0, source.frames), source.rate, source.frames, model.spec)
    waves = model_waves(source, layout, example.analysis.gain, model.spec)
    how = decide_diffusion(model, SeparateSettings(steps=steps, solver=solver, seed=seed))
    assert how is not None
    monitor = Monitor(None, None, {"separate": 1.0})
    pieces = list(diffusion_mels(model, waves, layout, how, monitor))
    return Prediction(layout, pieces, model.spec.latent_ratio)


def render_mels(example: Example, predicted: Prediction) -> Estimate:
    """Mask a clip by predicted log-mels, as the engine does."""
    layout, pieces, ratio = predicted.layout, predicted.pieces, predicted.ratio
    shares = ((start, mask[..., : len(STEMS), :]) for start, mask in mel_masks(iter(pieces), ratio))
    masks = FrameStream(cross_fade(shares, layout.overlap * ratio), layout.starts[0] * ratio)
    joined = np.concatenate(list(cross_fade(_by_time(pieces, ratio), layout.overlap * ratio)))
    mels = joined.swapaxes(0, 1)[:, : example.analysis.frames]
    return Estimate(_render(example.song, masks), mels)


def _by_time(pieces: list[StemMels], ratio: int) -> Iterator[tuple[int, FloatArray]]:
    return ((piece.start * ratio, piece.stems.swapaxes(0, 1)) for piece in pieces)


def mean_mels(takes: list[Prediction]) -> Prediction:
    """Return the mean of the log-mels that several seeds gave."""
    pieces = []
    for index, piece in enumerate(takes[0].pieces):
        stems = np.stack([take.pieces[index].stems for take in takes]).mean(axis=0)
        pieces.append(StemMels(piece.start, stems, piece.mixture))
    return replace(takes[0], pieces=pieces)


def stored(folder: Path, example: Example) -> Estimate:
    """Read the stems that another system left in a folder."""
    return Estimate(read_estimates(folder, example.clip, example.song))
