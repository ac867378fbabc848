"""Which embedding the Frechet audio distance uses, and sets of embeddings by clip."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bandmate_training.evaluation.measures.musicnn import Musicnn
from bandmate_training.evaluation.measures.vggish import Vggish

FloatArray = npt.NDArray[np.float32]


class Embedding(Protocol):
    """A fixed network that embeds a wave."""

    name: str

    def embed(self, wave: FloatArray) -> FloatArray:
        """Return embeddings (stretches, dimensions) of a wave (N,) at 16 kHz."""
        ...


def open_embedding(vggish: Path | None) -> Embedding:
    """Open VGGish where its weights are given, else musicnn.

    Raises:
        SettingsError: if musicnn's weights are not installed.
        CheckpointError: if the VGGish file is no such network.
    """
    return Musicnn() if vggish is None else Vggish(vggish)
