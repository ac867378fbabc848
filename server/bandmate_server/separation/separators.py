"""The table of separators: which class separates by which kind of model."""

from __future__ import annotations

from typing import Any

from bandmate_server.errors import BundleError
from bandmate_server.model.opening import AnyModel
from bandmate_server.separation.latent import LatentSeparation
from bandmate_server.separation.separation import Separation
from bandmate_server.separation.waveform import WaveformSeparation

# A new kind of model is a subclass and a row here; the kind is that of its spec.
SEPARATORS: dict[str, type[Separation[Any]]] = {
    "latent": LatentSeparation,
    "waveform": WaveformSeparation,
}


def separator_of(model: AnyModel) -> type[Separation[Any]]:
    """Return what separates by a model.

    Raises:
        BundleError: if there is nothing for its kind.
    """
    kind = model.spec.kind
    if kind not in SEPARATORS:
        raise BundleError(f"the model is of kind {kind!r}: expected {', '.join(SEPARATORS)}")
    return SEPARATORS[kind]
