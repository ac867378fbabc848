"""The array type that all signatures of the engine use, read between its places too."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


def between(values: FloatArray, positions: NDArray[np.float64], axis: int) -> FloatArray:
    """Return values at fractional positions (n,) of an axis: linear, constant beyond its ends."""
    last = values.shape[axis] - 1
    base = np.floor(positions).astype(np.int64)
    shape = [1] * values.ndim
    shape[axis] = -1
    share = (positions - base).astype(np.float32).reshape(shape)
    low = values.take(base.clip(0, last), axis)
    found: FloatArray = low + share * (values.take((base + 1).clip(0, last), axis) - low)
    return found
