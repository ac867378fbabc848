"""Separation by a model of latents: masks from its separator or its diffusion, or its vocoder."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.resampler import resample_stream
from bandmate_server.audio.sources import Source, read_blocks
from bandmate_server.audio.windows import (
    FrameReader,
    cross_fade,
    model_waves,
    plan_windows,
)
from bandmate_server.diffusion.joint import Diffusion
from bandmate_server.diffusion.mels import StemMels, diffusion_mels
from bandmate_server.errors import SettingsError
from bandmate_server.model.conditioning import rules_of
from bandmate_server.model.model import Model
from bandmate_server.options import Solver
from bandmate_server.progress import Monitor
from bandmate_server.separation.masks import mel_masks, separator_masks
from bandmate_server.separation.render import FrameStream, render_masks
from bandmate_server.separation.separation import Blocks, Separation
from bandmate_server.settings import SeparateSettings
from bandmate_server.spec import BandSpec, MelSpec

VOCODER_WARNING = "the vocoder's waves are not the mixture's: `other` is what they leave of it"
DEFAULT_STEPS = 8  # of a bundle that neither has a separator nor names a default
DEFAULT_SOLVER: Solver = "ddim"


def decide_diffusion(model: Model, settings: SeparateSettings) -> Diffusion | None:
    """Fill in what the settings leave open; None means the separator.

    A bundle's manifest may name "defaults" for steps, guidance and eta.

    Raises:
        SettingsError: if the model has no separator but is asked for it.
    """
    spec, defaults = model.spec, model.bundle.manifest.get("defaults", {})
    steps = settings.steps
    needs_mels = renderer_of(settings.render).needs_mels
    if steps is None and (needs_mels or not spec.masks):
        steps = int(defaults.get("steps", DEFAULT_STEPS))
    if not steps:
        if needs_mels:
            raise SettingsError(f"the {settings.render} needs at least 1 step, not 0")
        if not spec.masks:
            raise SettingsError(f"{model.bundle.name!r} has no separator: ask for 1 step or more")
        return None
    guidance = settings.guidance if settings.guidance is not None else defaults.get("guidance", 1.0)
    eta = settings.eta if settings.eta is not None else defaults.get("eta", rules_of(spec).eta)
    solver = settings.solver or DEFAULT_SOLVER
    return Diffusion(steps, solver, float(guidance), float(eta), settings.seed)


class LatentSeparation(Separation[Model]):
    """A separation by masks from the separator or from diffusion, or by the vocoder.

    how: the diffusion; None takes the separator.
    layout: of the windows.
    gain: that brings the audio to the level that the model knows.
    """

    def __init__(self, model: Model, source: Source, settings: SeparateSettings, monitor: Monitor):
        super().__init__(model, source, settings, monitor)
        self.refuse("overlap", "shifts")
        self.how = decide_diffusion(model, settings)
        self.layout = plan_windows(self.region, source.rate, source.frames, model.spec)
        self.gain = 1.0

    @classmethod
    def uses_seed(cls, model: Model, settings: SeparateSettings) -> bool:
        """Whether there is diffusion."""
        return decide_diffusion(model, settings) is not None

    @property
    def seen(self) -> tuple[int, int]:
        """What the windows cover of the source."""
        spec, first = self.model.spec, self.layout.origin
        per_latent = spec.latent_hop * self.source.rate / spec.sample_rate
        return first, min(first + math.ceil(self.layout.stop * per_latent), self.source.frames)

    @property
    def warnings(self) -> list[str]:
        """Those of the render."""
        return list(filter(None, [renderer_of(self.settings.render).warning]))

    def describe(self) -> dict[str, Any]:
        """Return method, diffusion, level and windows."""
        drawn = {"steps": 0} if self.how is None else asdict(self.how)
        return {
            "method": "separator" if self.how is None else "diffusion",
            **drawn,
            "gain_db": round(20.0 * math.log10(self.gain), 3),
            "windows": len(self.layout.starts),
        }

    def separated(self) -> Blocks:
        """Yield the original and the wanted stems, as the render makes them."""
        self.gain = self.level.gain if rules_of(self.model.spec).matches_level else 1.0
        yield from renderer_of(self.settings.render).blocks(self)

    def masked(self) -> Blocks:
        """Filter the original by the model's masks."""
        spec, layout = self.model.spec, self.layout
        grid: BandSpec | MelSpec
        if self.how is None:
            assert spec.masks is not None
            grid, ratio = spec.masks, spec.mask_ratio
            waves = model_waves(self.source, layout, self.gain, spec, apart=True)
            pieces = separator_masks(self.model, waves, len(layout.starts), self.monitor)
        else:
            grid, ratio = spec.mel, spec.latent_ratio
            pieces = mel_masks(self._mels(self.how), ratio)
        chosen = ((start, masks[..., self.wanted, :]) for start, masks in pieces)
        masks = FrameStream(cross_fade(chosen, layout.overlap * ratio), layout.starts[0] * ratio)
        blocks = render_masks(
            self.source, self.region, masks, layout.origin, grid, self.model.threads
        )
        for block in blocks:
            self.monitor.check()
            yield block

    def vocoded(self) -> Blocks:
        """Synthesise the stems from their mels; the same wave on all channels."""
        spec, layout, source = self.model.spec, self.layout, self.source
        assert self.how is not None
        waves = cross_fade(self._voices(self._mels(self.how)), layout.overlap * spec.latent_hop)
        width, lead = len(self.wanted), layout.starts[0] * spec.latent_hop
        stream = resample_stream(waves, spec.sample_rate, source.rate, width, lead)
        tape = FrameReader(stream, width)
        tape.take(self.region.start - layout.origin)
        for block in read_blocks(source, self.region.start, self.region.stop):
            stems = tape.take(len(block)).T[:, :, None] / self.gain
            yield block, np.repeat(stems, source.channels, axis=2)

    def _mels(self, how: Diffusion) -> Iterator[StemMels]:
        waves = model_waves(self.source, self.layout, self.gain, self.model.spec)
        return diffusion_mels(self.model, waves, self.layout, how, self.monitor)

    def _voices(self, mels: Iterator[StemMels]) -> Iterator[tuple[int, FloatArray]]:
        """Yield (first sample, waves (N, S)) of the wanted stems."""
        for piece in mels:
            self.monitor.check()
            waves = self.model.vocode(np.ascontiguousarray(piece.stems[self.wanted]))
            yield piece.start * self.model.spec.latent_hop, waves.T


@dataclass(frozen=True)
class Renderer:
    """A way from what the networks say to stems at the source's rate.

    blocks: yields the audio of a job and its stems, block by block.
    needs_mels: the separator's masks are not enough: at least one step of diffusion.
    warning: what the user should know of the result.
    """

    blocks: Callable[[LatentSeparation], Blocks]
    needs_mels: bool = False
    warning: str = ""


# A new render is a function and a row here, and a name in `Render`.
RENDERERS = {
    "mask": Renderer(LatentSeparation.masked),
    "vocoder": Renderer(LatentSeparation.vocoded, needs_mels=True, warning=VOCODER_WARNING),
}


def renderer_of(name: str) -> Renderer:
    """Return a renderer.

    Raises:
        SettingsError: if there is none of that name.
    """
    if name not in RENDERERS:
        raise SettingsError(f"render is {name!r}: expected one of {', '.join(RENDERERS)}")
    return RENDERERS[name]
