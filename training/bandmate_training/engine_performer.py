"""Our models as performers: new parts as `bandmate add` makes them, and copies of true ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bandmate_server import PartSettings, add, generate
from bandmate_server.audio import ArraySource, measure_level, read_blocks
from bandmate_server.session import Model
from bandmate_server.spec import MEL
from bandmate_training.performers import Names, Performer
from bandmate_training.scenes import Scene, Stems


def played_by(model: Model, settings: PartSettings) -> Performer:
    """Return the engine with a model and settings; the seed comes with each call."""

    def perform(scene: Scene, given: Names, wanted: Names, seed: int) -> Stems:
        chosen = replace(settings, seed=seed)
        if not given:
            seconds = len(scene.mixture) / MEL.sample_rate
            found = generate(model, seconds, chosen, stems=wanted, rate=MEL.sample_rate)
            return {stem: wave.reshape(-1) for stem, wave in found.items()}
        stems = {stem: scene.stems[stem] for stem in given}
        return add(model, stems, MEL.sample_rate, wanted, chosen)

    return perform


def copied_by(model: Model) -> Performer:
    """Return what sends the true stems through the model's VAE and vocoder.

    That is the best that a part of the model can be.
    """

    def perform(scene: Scene, given: Names, wanted: Names, seed: int) -> Stems:
        source = ArraySource(scene.mixture[:, None], MEL.sample_rate)
        level = measure_level(read_blocks(source, 0, source.frames), source.rate, scene.track)
        gain, samples = np.float32(level.gain), len(scene.mixture)
        rest = -samples % model.spec.block_samples
        waves = np.stack([np.pad(gain * scene.stems[stem], (0, rest)) for stem in wanted])
        copies = model.vocode(model.decode(model.encode(waves).latent))[:, :samples]
        return dict(zip(wanted, copies / gain, strict=True))

    return perform
