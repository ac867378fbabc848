"""A bank of oscillators: steady low tones of any pitch, which frames alike cannot make.

A network that sees frames one hop apart turns a steady sound into frames that are all alike, and
those add up to a wave that repeats every hop: at 100 frames a second its partials lie at
multiples of 100 Hz. An oscillator remembers its phase, so its pitch is free. There is one
for each narrow band, at most as wide as the partials of a low bass lie apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bandmate_server.spec import MelSpec
from bandmate_training.networks.config import VocoderConfig
from bandmate_training.networks.layers import ConvNeXtBlock

WINDOW = 2048  # samples in which the tones of a true wave are found
_WIDTH, _COUNT = 4, 12  # bins of WINDOW per band, 31 Hz, and how many: up to 387 Hz
_FIRST = 2  # bin
_REACH = 1.2  # half a band's width: how far from its middle an oscillator can be tuned
_QUIET = -6.0  # log amplitude at the start
LOUDEST = 1.0  # log amplitude
_AUDIBLE = 1e-3  # amplitude that is added where errors are divided by
_CLOSE, _FAR = 2.0, 20.0  # Hz: an error that counts 1, and beyond which none counts more
_AT_ONE = 1e-3  # bins
_APART = 4  # frames before and after, between which a tone keeps its pitch


@dataclass(frozen=True)
class Partials:
    """What every oscillator does: amplitudes and frequencies in Hz, both (B, J, N)."""

    amplitude: Tensor
    frequency: Tensor


def band_bins() -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the bins (J + 1,) of WINDOW at which bands begin, and the end."""
    return _FIRST + _WIDTH * np.arange(_COUNT + 1)


def tone_lobes(size: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Return the power (bins, J) that oscillators of amplitude 1 have in spectra of `size` samples.

    An oscillator counts everywhere as if it were tuned as near to the bin as it can be.
    """
    edges = (band_bins() - 0.5) * size / WINDOW
    bins = np.arange(size // 2 + 1)[:, None]
    away = np.maximum(np.maximum(edges[:-1] - bins, bins - edges[1:]), 0.0)
    lobe = _main_lobe(torch.from_numpy(away)).numpy() * (away < 2)
    peak = size / 4  # half the sum of a Hann window
    return np.asarray((peak * lobe) ** 2, np.float32)


class HarmonicOscillators(nn.Module):
    """The network that tunes the oscillators, and their sound."""

    middle: Tensor
    reach: Tensor
    course: Tensor
    ramp: Tensor

    def __init__(self, spec: MelSpec, config: VocoderConfig) -> None:
        """Make the layers on mel frames."""
        super().__init__()
        self.hop, self.rate, width = spec.hop, spec.sample_rate, config.tones_width
        bins = torch.from_numpy(band_bins()).float()
        hertz = (bins - 0.5) * spec.sample_rate / WINDOW
        self.register_buffer("middle", 0.5 * (hertz[1:] + hertz[:-1]), persistent=False)
        self.register_buffer("reach", 0.5 * _REACH * hertz.diff(), persistent=False)
        share = torch.arange(spec.hop) / spec.hop  # of the way to the next frame
        one, second = torch.ones(spec.hop), spec.hop / spec.sample_rate * share
        self.register_buffer(
            "course", torch.stack([one, second, 0.5 * second * share]), persistent=False
        )
        self.register_buffer("ramp", torch.stack([one, share]), persistent=False)
        count = config.tones_blocks
        self.entry = nn.Conv1d(spec.bands, width, 5, padding=2)
        self.blocks = nn.Sequential(
            *(ConvNeXtBlock(width, config.tones_expansion, 1 / count) for _ in range(count))
        )
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, 2 * _COUNT)
        nn.init.constant_(self.out.bias[:_COUNT], _QUIET)

    def forward(self, x: Tensor) -> Partials:
        """Map normal log-mels (B, N, M) to what the oscillators do.

        It is computed in float32: a tone's pitch shows in small differences between bands.
        """
        with torch.autocast("cpu", enabled=False):
            h = self.norm(self.blocks(self.entry(x.transpose(1, 2))).transpose(1, 2))
            level, tuning = self.out(h).chunk(2, dim=2)
        frequency = self.middle + self.reach * tuning.tanh()
        amplitude = level.clamp(max=LOUDEST).exp()
        return Partials(amplitude.transpose(1, 2), frequency.transpose(1, 2))

    def sound(self, partials: Partials) -> Tensor:
        """Return the oscillators' sum (B, hop N): straight lines between the frames.

        The frequency gets no gradient from the wave, whose phases say nothing of where to tune
        to: it is taught by `tuning_loss`.
        """
        frequency, amplitude = partials.frequency.detach(), partials.amplitude
        following = _following(frequency)
        turns = (frequency + following).double() * (0.5 * self.hop / self.rate)
        phase = turns.cumsum(-1) - turns
        phase = (phase - phase.floor()).float()
        steps = torch.stack([phase, frequency, following - frequency], dim=-1)
        wave = torch.sin(2 * torch.pi * (steps @ self.course))
        louder = _following(amplitude) - amplitude
        envelope = torch.stack([amplitude, louder], dim=-1) @ self.ramp
        return (envelope * wave).sum(1).flatten(1)


def _following(x: Tensor) -> Tensor:
    """Return every frame's successor in (B, J, N); the last one is its own."""
    return torch.cat([x[..., 1:], x[..., -1:]], dim=-1)


@torch.no_grad()
def analyse_partials(wave: Tensor, spec: MelSpec) -> Partials:
    """Find the strongest steady tone of every band and frame in waves (B, N), N in whole hops.

    What belongs to a tone of another band, or changes its pitch, has the amplitude 0.
    """
    strength = _strengths(wave, spec.hop)
    peak, place = _strongest(strength[:, 1:-1])
    place = place + 1
    below, above = strength.gather(1, place - 1), strength.gather(1, place + 1)
    beside = torch.maximum(below, above)
    # A Hann window's response to a tone between two bins: Grandke 1983, eq. 9.
    offset = (2 * beside - peak) / (beside + peak).clamp_min(1e-9) * (above - below).sign()
    place = place + _FIRST - 1  # `strength` begins one bin before the first band
    position = place + offset
    edges = torch.from_numpy(band_bins()).float()[:, None] - 0.5
    inside = (position >= edges[:-1]) & (position < edges[1:])
    around = F.pad(position, (_APART, _APART), mode="replicate")
    drift = around[..., 2 * _APART :] - around[..., : -2 * _APART]
    amplitude = peak / _main_lobe(offset) * inside * torch.exp(-drift.square())
    return Partials(amplitude, position * spec.sample_rate / WINDOW)


def pitch_error(partials: Partials, true: Partials) -> Tensor:
    """Return the mean error of the oscillators' pitch in Hz (B,), by true amplitude."""
    off = (partials.frequency - true.frequency).abs().clamp(max=_FAR)
    return (true.amplitude * off).sum((1, 2)) / (true.amplitude.sum((1, 2)) + _AUDIBLE)


def tuning_loss(partials: Partials, true: Partials) -> Tensor:
    """Return how far the oscillators are from true tones, in pitch and in loudness.

    Loudness is the square root of amplitude. Its squared error makes the mean, not the median, of
    what may be: a median of tones that come and go is silence.
    """
    louder = partials.amplitude.sqrt() - true.amplitude.sqrt()
    loudness = louder.square().sum((1, 2)) / (true.amplitude.sum((1, 2)) + _AUDIBLE)
    return pitch_error(partials, true).mean() / _CLOSE + loudness.mean()


def _strengths(wave: Tensor, hop: int) -> Tensor:
    """Return the magnitudes (B, bins, N / hop) of all bands' bins and one more on either side.

    A full-scale sine has 1.
    """
    window = torch.hann_window(WINDOW, device=wave.device)
    found = torch.stft(wave, WINDOW, hop, window=window, pad_mode="reflect", return_complex=True)
    bins = band_bins()
    return found[:, bins[0] - 1 : bins[-1] + 1, :-1].abs() * (2 / window.sum())


def _strongest(strength: Tensor) -> tuple[Tensor, Tensor]:
    """Return height and place (B, J, N) of each band's strongest bin."""
    peak, place = strength.unflatten(1, (_COUNT, _WIDTH)).max(dim=2)
    return peak, place + _WIDTH * torch.arange(_COUNT)[:, None]


def _main_lobe(offset: Tensor) -> Tensor:
    """Return a Hann window's response, `offset` bins from a tone; 1 at 0, 0 at 2."""
    near = torch.where((offset.abs() - 1).abs() < _AT_ONE, 1 - _AT_ONE, offset)  # where it is 0 / 0
    return torch.sinc(near) / (1 - near.square())
