"""The vocoder's table: what waves made from true log-mels are worth, beside Griffin-Lim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from bandmate_server.audio.level import measure_level
from bandmate_server.audio.sources import ArraySource, read_blocks
from bandmate_server.model.model import Model
from bandmate_server.spec import MEL, STEMS
from bandmate_training.evaluation.measures.embedding import Embedding
from bandmate_training.evaluation.measures.metrics import mel_error
from bandmate_training.evaluation.scores.arrangements import distance, first_half
from bandmate_training.evaluation.songs.excerpts import Excerpt, FloatArray
from bandmate_training.evaluation.systems.griffin_lim import griffin_lim
from bandmate_training.learning.vocoder_task import spectral_distance
from bandmate_training.networks.mel import LogMel

MIXTURE = "mixture"
SOUNDS = (*STEMS, MIXTURE)
TRUE = "true wave"
Maker = Callable[[FloatArray], FloatArray]  # log-mel (N, M) -> wave (hop * N,)


@dataclass(frozen=True)
class Copy:
    """How near one maker comes to one kind of sound.

    spectral: multi-resolution STFT distance; mel: squared error of the re-analysed log-mel;
    distance: Frechet audio distance to the true waves; halves: between the true halves.
    """

    maker: str
    sound: str
    clips: int
    spectral: float
    mel: float
    distance: float
    halves: float


def makers(model: Model, mel: LogMel) -> dict[str, Maker]:
    """Return the ways from a log-mel to a wave.

    "VAE and vocoder" first sends the mel through the VAE, as everything generated comes.
    """

    def vocode(log_mel: FloatArray) -> FloatArray:
        return model.vocode(log_mel[None])[0]

    def classic(log_mel: FloatArray) -> FloatArray:
        wave: FloatArray = griffin_lim(torch.from_numpy(log_mel)[None], mel)[0].numpy()
        return wave

    return {"vocoder": vocode, "Griffin-Lim": classic}


def measure(
    excerpts: list[Excerpt], model: Model, embedding: Embedding, progress: Callable[[], None]
) -> list[Copy]:
    """Copy every sounding stem and every mixture in every way.

    Args:
        excerpts: clips; the mel of each wave is what the makers get.
        model: whose vocoder and VAE are judged.
        embedding: of the Frechet distance.
        progress: is called after each scene.
    """
    mel = LogMel(model.spec.mel)
    ways = makers(model, mel)
    names = [TRUE, *ways, "VAE and vocoder"]
    errors: dict[tuple[str, str], list[tuple[float, float]]] = {}
    analyse_partials: dict[tuple[str, str], list[FloatArray]] = {}
    tracks: dict[str, list[str]] = {sound: [] for sound in SOUNDS}
    for excerpt in excerpts:
        for sound, true in _sounds(excerpt, model.spec.block_samples):
            tracks[sound].append(excerpt.track)
            log_mel = _log_mel(true, mel)
            latent = model.encode(true[None]).latent
            waves = {name: make(log_mel) for name, make in ways.items()}
            waves |= {TRUE: true, "VAE and vocoder": ways["vocoder"](model.decode(latent)[0])}
            for name in names:
                wave = waves[name][: len(true)]
                pair = (_spectral(wave, true), mel_error(_log_mel(wave, mel), log_mel))
                errors.setdefault((name, sound), []).append(pair)
                analyse_partials.setdefault((name, sound), []).append(embedding.embed(wave))
        progress()
    return [
        _copy(name, sound, errors[name, sound], analyse_partials, tracks[sound])
        for name in names
        for sound in SOUNDS
        if tracks[sound]
    ]


def _sounds(excerpt: Excerpt, block: int) -> list[tuple[str, FloatArray]]:
    """Return the sounding stems and the mixture, whole blocks at the engine's level, in -1 .. 1."""
    source = ArraySource(excerpt.mixture[:, None], MEL.sample_rate)
    blocks = read_blocks(source, 0, source.frames)
    gain = np.float32(measure_level(blocks, source.rate, excerpt.track).gain)
    waves = {stem: wave for stem, wave in excerpt.stems.items() if excerpt.active(stem)}
    samples = len(excerpt.mixture) // block * block
    return [
        (name, np.clip(gain * wave[:samples], -1.0, 1.0))
        for name, wave in (waves | {MIXTURE: excerpt.mixture}).items()
    ]


@torch.no_grad()
def _log_mel(wave: FloatArray, mel: LogMel) -> FloatArray:
    found: FloatArray = mel(torch.from_numpy(np.ascontiguousarray(wave))).numpy()
    return found


@torch.no_grad()
def _spectral(wave: FloatArray, true: FloatArray) -> float:
    pair = (torch.from_numpy(np.ascontiguousarray(x))[None] for x in (wave, true))
    return float(spectral_distance(*pair))


def _copy(
    name: str,
    sound: str,
    errors: list[tuple[float, float]],
    analyse_partials: dict[tuple[str, str], list[FloatArray]],
    tracks: list[str],
) -> Copy:
    true, mine = analyse_partials[TRUE, sound], analyse_partials[name, sound]
    first = first_half(tracks)
    one, other = (
        [v for v, mark in zip(true, first, strict=True) if mark is way] for way in (True, False)
    )
    spectral, mel = (float(value) for value in np.mean(np.asarray(errors), axis=0))
    return Copy(name, sound, len(true), spectral, mel, distance(mine, true), distance(one, other))
