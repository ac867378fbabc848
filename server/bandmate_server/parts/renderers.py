"""The table of part renderers: how the latents of new parts become waves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.windows import Layout, cross_fade
from bandmate_server.errors import BundleError
from bandmate_server.model.model import Model


class PartRenderer(Protocol):
    """Makes waves of latents."""

    def __call__(
        self, model: Model, latents: FloatArray, layout: Layout, report: Callable[[float], None]
    ) -> FloatArray:
        """Return waves (n, R) at the model's rate, from the first window's beginning on.

        Args:
            model: any.
            latents: of R stems (R, C, L, F), from the first window's beginning on.
            layout: of the windows.
            report: called with the share done.
        """


def vocoded(
    model: Model, latents: FloatArray, layout: Layout, report: Callable[[float], None]
) -> FloatArray:
    """Decode windows to log-mels, of mels' latents or of notes, and vocode these."""
    hop = model.spec.latent_hop

    def pieces() -> Iterator[tuple[int, FloatArray]]:
        for index, start in enumerate(layout.starts):
            report(index / len(layout.starts))
            first = start - layout.starts[0]
            piece = np.ascontiguousarray(latents[:, :, first : first + layout.window])
            yield start * hop, model.vocode(model.decode(piece)).T

    return np.concatenate(list(cross_fade(pieces(), layout.overlap * hop)))


# A new renderer is a function and a row here; a bundle's manifest names it as "part_renderer".
PART_RENDERERS: dict[str, PartRenderer] = {"vocoder": vocoded}


def part_renderer(model: Model) -> PartRenderer:
    """Return a model's renderer.

    Raises:
        BundleError: if it names one that this version does not know.
    """
    name = model.bundle.manifest.get("part_renderer", "vocoder")
    if name not in PART_RENDERERS:
        known = ", ".join(PART_RENDERERS)
        raise BundleError(
            f"{model.bundle.name}: part_renderer is {name!r}: expected one of {known}"
        )
    return PART_RENDERERS[name]
