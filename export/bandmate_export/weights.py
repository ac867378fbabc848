"""Weights in fewer bytes: as float16, or as 8-bit integers with one scale per output channel.

A network is rounded first, then stored: what a graph computes is what the rounded network does.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bandmate_server.errors import CheckpointError

Precision = Literal["float32", "float16", "int8"]
SMALLEST = 1024  # values: smaller weights stay float32
LARGEST_CODE = 127
_MANTISSA = 2048  # a scale has 11 bits, so that its products with codes are exact in float32

_Module = TypeVar("_Module", bound=nn.Module)


def stored_as(shape: tuple[int, ...], precision: Precision) -> Precision:
    """Return how a weight of a network is stored; what has no output channels is never int8."""
    if np.prod(shape) < SMALLEST:
        return "float32"
    if precision == "int8" and (len(shape) < 2 or shape[0] < 2):
        return "float16"
    return precision


def precision_of(weights: Iterable[Tensor]) -> Precision:
    """Return the smallest precision that loses nothing of weights, by their types."""
    return "float16" if all(weight.dtype == torch.float16 for weight in weights) else "float32"


def precision_words(precisions: Mapping[str, Precision]) -> str:
    """Say how networks are stored: the commonest precision, then those that differ."""
    common = Counter(precisions.values()).most_common(1)[0][0]
    others = [f"{kind} {value}" for kind, value in precisions.items() if value != common]
    return ", ".join([common, *others])


def channel_scales(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the scale (outputs, 1, ...) of each output channel of a weight (outputs, ...).

    The same for the weight that they round, so that rounding twice changes nothing.
    """
    largest = np.abs(weight.astype(np.float64)).max(
        axis=tuple(range(1, weight.ndim)), keepdims=True
    )
    mantissa, exponent = np.frexp(largest / LARGEST_CODE)
    scales = np.ldexp(np.ceil(mantissa * _MANTISSA) / _MANTISSA, exponent)
    return np.where(largest > 0, scales, 1.0).astype(np.float32)


def codes(weight: NDArray[np.float32], scales: NDArray[np.float32]) -> NDArray[np.int8]:
    """Return a weight in whole steps of its scales, -127 to 127."""
    return np.rint(weight / scales).astype(np.int8)


def rounded(module: _Module, precision: Precision) -> _Module:
    """Return a copy whose weights have the values that are stored with a precision.

    Raises:
        CheckpointError: if a weight is too large for float16.
    """
    twin = copy.deepcopy(module)
    for name, tensor in twin.state_dict().items():
        tensor.copy_(_rounded(name, tensor, precision))
    return twin


def _rounded(name: str, tensor: Tensor, precision: Precision) -> Tensor:
    storage = stored_as(tuple(tensor.shape), precision)
    if storage == "float32":
        return tensor
    if storage == "int8":
        weight = tensor.contiguous().numpy()
        scales = channel_scales(weight)
        return torch.from_numpy(codes(weight, scales) * scales)
    value = tensor.half().float()
    if not torch.isfinite(value).all():
        raise CheckpointError(f"{name} has weights too large for float16")
    return value
