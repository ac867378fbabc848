"""Our models as performers: new parts as `bandmate add` makes them, and copies of true ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bandmate_server import PartSettings, add, generate
from bandmate_server.audio.level import measure_level
from bandmate_server.audio.sources import ArraySource, read_blocks
from bandmate_server.model.model import Model
from bandmate_server.spec import MEL
from bandmate_training.evaluation.songs.excerpts import Excerpt, Stems
from bandmate_training.evaluation.systems.generators import Names, StemGenerator


def bandmate_generator(model: Model, settings: PartSettings) -> StemGenerator:
    """Return the engine with a model and settings; the seed comes with each call."""

    def perform(excerpt: Excerpt, given: Names, wanted: Names, seed: int) -> Stems:
        chosen = replace(settings, seed=seed)
        if not given:
            seconds = len(excerpt.mixture) / MEL.sample_rate
            found = generate(
                model, seconds, stems=wanted, sample_rate=MEL.sample_rate, settings=chosen
            )
            return {stem: wave.reshape(-1) for stem, wave in found.items()}
        stems = {stem: excerpt.stems[stem] for stem in given}
        return add(model, wanted, stems, sample_rate=MEL.sample_rate, settings=chosen)

    return perform


def vae_roundtrip(model: Model) -> StemGenerator:
    """Return what sends the true stems through the model's VAE and vocoder.

    That is the best that a part of the model can be.
    """

    def perform(excerpt: Excerpt, given: Names, wanted: Names, seed: int) -> Stems:
        source = ArraySource(excerpt.mixture[:, None], MEL.sample_rate)
        level = measure_level(read_blocks(source, 0, source.frames), source.rate, excerpt.track)
        gain, samples = np.float32(level.gain), len(excerpt.mixture)
        rest = -samples % model.spec.block_samples
        waves = np.stack([np.pad(gain * excerpt.stems[stem], (0, rest)) for stem in wanted])
        copies = model.vocode(model.decode(model.encode(waves).latent))[:, :samples]
        return dict(zip(wanted, copies / gain, strict=True))

    return perform
