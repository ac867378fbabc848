"""Our models as performers: parts made as `bandmate add` and `bandmate generate` make them."""

from __future__ import annotations

from dataclasses import replace

from bandmate_server import PartSettings, add, generate
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
