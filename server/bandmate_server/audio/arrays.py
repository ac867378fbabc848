"""The array type that all signatures of the engine use; arrays of callers as such arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandmate_server.errors import AudioError
from bandmate_server.option_kinds import shown
from bandmate_server.spec import MAX_CHANNELS

FloatArray = NDArray[np.float32]
FULL_SCALE = {"int16": 2.0**15, "int32": 2.0**31}


def float_audio(audio: ArrayLike, name: str) -> FloatArray:
    """Return a caller's audio as float32 (frames, channels), full scale 1.0.

    Args:
        audio: (frames, channels) or (frames,); floats, or int16 or int32, which are scaled.
        name: what errors call it.

    Raises:
        AudioError: if it is no such array.
    """
    try:
        values = np.asarray(audio)
    except (TypeError, ValueError, RuntimeError) as error:
        raise AudioError(f"{name} is no array: {error}") from error
    if values.ndim == 0:
        raise AudioError(f"{name} is {shown(audio)}: expected an array (frames, channels)")
    if values.ndim > 2:
        raise AudioError(f"{name} has shape {values.shape}: expected (frames, channels)")
    if values.dtype.kind != "f" and values.dtype.name not in FULL_SCALE:
        kinds = f"float with full scale 1.0, or {' or '.join(FULL_SCALE)}"
        raise AudioError(f"{name} has samples of the type {values.dtype}: expected {kinds}")
    columns = values[:, None] if values.ndim == 1 else values
    if len(columns) <= MAX_CHANNELS < columns.shape[1]:
        raise AudioError(
            f"{name} has {columns.shape[1]} channels of {len(columns)} frames: expected"
            f" (frames, channels), with up to {MAX_CHANNELS} channels; if it is"
            " (channels, frames), transpose it: audio.T"
        )
    with np.errstate(over="ignore"):  # What float32 cannot hold is refused as not finite.
        found: FloatArray = columns.astype(np.float32, copy=False)
    scale = FULL_SCALE.get(values.dtype.name)
    return found if scale is None else found / np.float32(scale)


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
