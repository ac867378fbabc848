"""The graph of what corrects the logits of keys."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandmate_export.graph import Graph
from bandmate_export.layers import conv
from bandmate_server.model.notes.layout import CELLS, PITCHES, note_count, packed_cells
from bandmate_training.notes.networks.keys import (
    GROUP,
    INPUTS,
    OTHERS,
    PITCHED,
    SURE,
    KeyCorrection,
)

Cells = npt.NDArray[np.int64]
_PLANES = 2
_KEYS = len(PITCHED) * _PLANES * PITCHES  # of a frame


def corrected(g: Graph, odds: str, angle: str, keys: KeyCorrection) -> str:
    """Write logits (B, T, notes) with their correction added.

    Args:
        g: to write into.
        odds: the logits.
        angle: of the noise (B, 1, 1), 0 to 1.
        keys: the network.
    """
    places, back = _places()
    sure = g.op("Tanh", g.op("Div", odds, g.constant(SURE)))
    sure = g.op("Pad", sure, g.integers(0, 0, 0, 0, 0, 1), g.constant(-1.0))
    own = g.op("Gather", sure, g.constant(places, np.int64), axis=2)
    own = g.reshape(own, 0, 0, len(PITCHED), _PLANES, PITCHES)
    others = g.op("Gather", own, g.constant(np.array(OTHERS), np.int64), axis=2)
    others = g.op("ReduceMax", others, g.integers(3), keepdims=0)
    one = g.op("Slice", own, g.integers(0), g.integers(1), g.integers(3))
    level = g.op("Expand", g.unsqueeze(angle, 3, 4), g.op("Shape", one))
    known = g.op("Concat", own, others, level, axis=3)  # (B, T, S, INPUTS, PITCHES)
    steps = g.reshape(known, 0, -1, GROUP, len(PITCHED), INPUTS, PITCHES)
    steps = g.op("Transpose", steps, perm=[0, 3, 5, 4, 2, 1])
    count = g.length(steps, 5)
    h = g.op("Reshape", steps, g.op("Concat", g.integers(-1, INPUTS * GROUP), count, axis=0))
    for layer in (keys.entry, keys.middle):
        h = g.op("Gelu", conv(g, h, layer))
    h = conv(g, h, keys.exit)
    shape = g.integers(-1, len(PITCHED), PITCHES, _PLANES, GROUP)
    h = g.op("Reshape", h, g.op("Concat", shape, count, axis=0))
    h = g.op("Transpose", h, perm=[0, 5, 4, 1, 3, 2])  # (B, N, GROUP, S, planes, PITCHES)
    h = g.reshape(h, 0, -1, _KEYS)
    h = g.op("Pad", h, g.integers(0, 0, 0, 0, 0, 1))
    return g.op("Add", odds, g.op("Gather", h, g.constant(back, np.int64), axis=2))


def _places() -> tuple[Cells, Cells]:
    """Return where each key lies among packed notes, and each of these among the keys.

    What is not there lies one past the end.
    """
    packed = packed_cells()[: note_count()]
    grid = np.array(PITCHED)[:, None, None] * _PLANES + np.arange(_PLANES)[:, None]
    keys = (grid * CELLS + np.arange(PITCHES)).ravel()
    return _found(keys, packed), _found(packed, keys)


def _found(cells: Cells, among: Cells) -> Cells:
    """Return the place of each cell among others, or one past their end."""
    place = {int(cell): index for index, cell in enumerate(among)}
    return np.array([place.get(int(cell), len(among)) for cell in cells])
