"""What the model is given of a session: the given stems and the backing, on one time line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.downmix import aligned_mean
from bandmate_server.audio.level import measure_level
from bandmate_server.audio.loudness import measure_lufs, power_sum_db, stem_db
from bandmate_server.audio.resampler import Resampler
from bandmate_server.audio.sources import Source, read_blocks
from bandmate_server.audio.windows import Layout, cross_fade
from bandmate_server.model.model import Model
from bandmate_server.progress import Monitor
from bandmate_server.spec import BACKING, ModelSpec

SIDES = 2  # channels that loudness is measured on at most
SILENCE_RMS = 1e-4  # -80 dBFS: what is given below this is taken for silence
LENGTHS_DIFFER = 0.5  # seconds, from which on the user is warned
REGION_SECONDS = 3.0  # of music, below which its loudness says little


@dataclass(frozen=True)
class ContextAudio:
    """Given audio that begins at one moment, and what the result has to fit.

    sources: name -> audio of one stem; a backing, a mix of what else sounds, is the last.
    rate: Hz.
    channels, frames: of the session, at its rate.
    """

    sources: Mapping[str, Source]
    rate: int
    channels: int
    frames: int

    @property
    def stems(self) -> dict[str, Source]:
        """All but the backing."""
        return {name: source for name, source in self.sources.items() if name != BACKING}

    @property
    def has_backing(self) -> bool:
        """Whether there is one."""
        return BACKING in self.sources

    @property
    def warnings(self) -> list[str]:
        """What does not fit together, for the user."""
        found = []
        for source in self.sources.values():
            if source.rate != self.rate:
                rates = f"{source.rate} Hz, the session {self.rate} Hz"
                found.append(f"{source.name} has {rates}: it is resampled for the model")
            short = self.frames / self.rate - source.frames / source.rate
            if short > LENGTHS_DIFFER:
                found.append(
                    f"{source.name} ends {short:.2f} s before the session:"
                    " it counts as silent from there on"
                )
        return found


def align_sources(given: Mapping[str, Source], lead: str | None = None) -> ContextAudio:
    """Put sources on one time line.

    Args:
        given: name -> audio of one stem, or of a backing.
        lead: the stem whose rate, channels and length are the session's; None: the first
            one's rate, and the most channels and the longest time of all.
    """
    counted = [*given.values()] if lead is None else [given[lead]]
    rate = counted[0].rate
    channels = max(source.channels for source in counted)
    frames = max(math.ceil(source.frames * rate / source.rate) for source in counted)
    return ContextAudio(given, rate, channels, frames)


@dataclass(frozen=True)
class ContextInput:
    """Audio of the windows' span at the model's rate, from model time 0 on.

    waves: source -> mono (n,), at its own level.
    gain: the factor that brings them to the level the model knows; 0 if all is silent.
    sides: all of them together (n, 1 or 2), as loudness sees the session's channels.
    """

    waves: dict[str, FloatArray]
    gain: float
    sides: FloatArray


def read_context(
    context_audio: ContextAudio, layout: Layout, spec: ModelSpec, monitor: Monitor
) -> ContextInput:
    """Read what is given around the region, resampled to the model's rate.

    Raises:
        AudioError: if a sample is NaN or infinite, or a file is damaged.
    """
    samples, rate = layout.stop * spec.latent_hop, spec.mel.sample_rate
    sides = np.zeros((samples, min(context_audio.channels, SIDES)), np.float32)
    waves: dict[str, FloatArray] = {}
    for index, (name, source) in enumerate(context_audio.sources.items()):
        monitor.report("read", index / len(context_audio.sources))
        origin = round(layout.origin * source.rate / context_audio.rate)
        audio = np.concatenate(list(_resampled(source, origin, samples, rate, monitor)))[:samples]
        audio = np.pad(audio, ((0, samples - len(audio)), (0, 0)))
        measure_level(iter([audio]), rate, source.name)  # All of it is finite.
        sides += to_sides(audio, context_audio.channels)
        waves[name] = aligned_mean(audio)
    mono = mixed(waves.values(), samples)
    level = measure_level(iter([mono[:, None]]), rate, "the sum of what is given")
    if level.rms < SILENCE_RMS:
        return ContextInput(waves, 0.0, sides)
    return ContextInput(waves, level.gain * 10.0 ** (_share_db(context_audio) / 20.0), sides)


def to_sides(audio: FloatArray, channels: int) -> FloatArray:
    """Return audio (n, any) as a session of `channels` plays it, on one or two sides (n, 1..2).

    Mono goes to every channel; more than two are summed by power into left and right.
    """
    sides = min(channels, SIDES)
    if audio.shape[1] == 1:
        return np.repeat(audio, sides, axis=1) * np.float32(math.sqrt(channels / sides))
    if sides == 1:  # A leading mono stem beside wider ones.
        return aligned_mean(audio)[:, None]
    out = np.empty((len(audio), sides), np.float32)
    for side in range(sides):
        half = audio[:, side::sides]
        out[:, side] = aligned_mean(half) * np.float32(math.sqrt(half.shape[1]))
    return out


def mixed(waves: Iterable[FloatArray], samples: int) -> FloatArray:
    """Return the sum of waves (samples,)."""
    total = np.zeros(samples, np.float32)
    for wave in waves:
        total += wave
    return total


def encode_windows(
    model: Model, wave: FloatArray, layout: Layout, report: Callable[[float], None]
) -> FloatArray:
    """Return the latents (C, L, F) of a wave, from the first window's beginning on.

    Windows are encoded one by one, or found in `model.latents`, and cross-faded; `report`
    is called with the share that is done.
    """
    hop = model.spec.latent_hop

    def pieces() -> Iterator[tuple[int, FloatArray]]:
        for index, start in enumerate(layout.starts):
            report(index / len(layout.starts))
            piece = wave[start * hop : (start + layout.window) * hop]
            latent = model.latents.find(piece, lambda one: model.encode(one[None]).latent[0])
            yield start, latent.swapaxes(0, 1)

    track = np.concatenate(list(cross_fade(pieces(), layout.overlap)))
    latents: FloatArray = np.ascontiguousarray(track.swapaxes(0, 1))
    return latents


def span_lufs(audio: FloatArray, span: slice, rate: int) -> float:
    """Return the loudness of a span of audio, or of all where that is too short or silent."""
    if span.stop - span.start >= REGION_SECONDS * rate:
        found = measure_lufs(audio[span], rate)
        if math.isfinite(found):
            return found
    return measure_lufs(audio, rate)


def _share_db(context_audio: ContextAudio) -> float:
    """Return how loud what is given usually is beside the whole band, in dB."""
    if context_audio.has_backing:
        return 0.0
    return power_sum_db([stem_db(name) for name in context_audio.stems])


def _resampled(
    source: Source, origin: int, samples: int, rate: int, monitor: Monitor
) -> Iterator[FloatArray]:
    """Yield at least `samples` at `rate` from a frame of the source on, fewer where it ends."""
    resampler = Resampler(source.rate, rate, source.channels)
    second = source.rate  # more than the resampler's filter reaches ahead
    stop = min(origin + math.ceil(samples * source.rate / rate) + second, source.frames)
    for block in read_blocks(source, origin, stop):
        monitor.check()
        yield resampler.push(block)
    yield resampler.push(np.zeros((0, source.channels), np.float32), last=True)
