"""The vocoder's table: what waves made from true log-mels are worth, beside Griffin-Lim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from bandmate_server.audio import ArraySource, measure_level, read_blocks
from bandmate_server.session import Model
from bandmate_server.spec import MEL, STEMS
from bandmate_training.arrangements import distance, first_half
from bandmate_training.griffin_lim import griffin_lim
from bandmate_training.measures.embedding import Embedding
from bandmate_training.mel import LogMel
from bandmate_training.metrics import mel_error
from bandmate_training.scenes import FloatArray, Scene
from bandmate_training.vocoder_task import spectral_distance

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
    scenes: list[Scene], model: Model, embedding: Embedding, progress: Callable[[], None]
) -> list[Copy]:
    """Copy every sounding stem and every mixture in every way.

    Args:
        scenes: clips; the mel of each wave is what the makers get.
        model: whose vocoder and VAE are judged.
        embedding: of the Frechet distance.
        progress: is called after each scene.
    """
    mel = LogMel(model.spec.mel)
    ways = makers(model, mel)
    names = [TRUE, *ways, "VAE and vocoder"]
    errors: dict[tuple[str, str], list[tuple[float, float]]] = {}
    heard: dict[tuple[str, str], list[FloatArray]] = {}
    tracks: dict[str, list[str]] = {sound: [] for sound in SOUNDS}
    for scene in scenes:
        for sound, true in _sounds(scene, model.spec.block_samples):
            tracks[sound].append(scene.track)
            log_mel = _log_mel(true, mel)
            latent = model.encode(true[None]).latent
            waves = {name: make(log_mel) for name, make in ways.items()}
            waves |= {TRUE: true, "VAE and vocoder": ways["vocoder"](model.decode(latent)[0])}
            for name in names:
                wave = waves[name][: len(true)]
                pair = (_spectral(wave, true), mel_error(_log_mel(wave, mel), log_mel))
                errors.setdefault((name, sound), []).append(pair)
                heard.setdefault((name, sound), []).append(embedding.embed(wave))
        progress()
    return [
        _copy(name, sound, errors[name, sound], heard, tracks[sound])
        for name in names
        for sound in SOUNDS
        if tracks[sound]
    ]


def _sounds(scene: Scene, block: int) -> list[tuple[str, FloatArray]]:
    """Return the sounding stems and the mixture, whole blocks at the engine's level, in -1 .. 1."""
    source = ArraySource(scene.mixture[:, None], MEL.sample_rate)
    blocks = read_blocks(source, 0, source.frames)
    gain = np.float32(measure_level(blocks, source.rate, scene.track).gain)
    waves = {stem: wave for stem, wave in scene.stems.items() if scene.active(stem)}
    samples = len(scene.mixture) // block * block
    return [
        (name, np.clip(gain * wave[:samples], -1.0, 1.0))
        for name, wave in (waves | {MIXTURE: scene.mixture}).items()
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
    heard: dict[tuple[str, str], list[FloatArray]],
    tracks: list[str],
) -> Copy:
    true, mine = heard[TRUE, sound], heard[name, sound]
    first = first_half(tracks)
    one, other = (
        [v for v, mark in zip(true, first, strict=True) if mark is way] for way in (True, False)
    )
    spectral, mel = (float(value) for value in np.mean(np.asarray(errors), axis=0))
    return Copy(name, sound, len(true), spectral, mel, distance(mine, true), distance(one, other))
