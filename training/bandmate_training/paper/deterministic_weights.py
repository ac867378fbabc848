"""Weights that anybody can make again from the names of the tensors.

Two implementations of a network that are filled by this rule must give the same outputs, so
no weights need to be passed around to compare them.
"""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from bandmate_training.paper.config import Shapes
from bandmate_training.paper.keys import (
    FIRST_STAGE_PREFIX,
    UNET_PREFIX,
    published_names,
    published_shapes,
    unfolded_shapes,
)
from bandmate_training.paper.unet import UNet
from bandmate_training.paper.vae import Vae
from bandmate_training.paper.vocoder import Vocoder, folded_weights

FloatArray = npt.NDArray[np.float32]

PREFIXES = {UNet: UNET_PREFIX, Vae: FIRST_STAGE_PREFIX, Vocoder: "vocoder."}
_SHARPENED = ("qkv.weight", "attn_1.q.weight", "attn_1.k.weight")  # else attention is even


def unit_values(key: str, count: int, salt: str) -> FloatArray:
    """Return `count` values in [-1, 1) that depend on the salt, the key and their place.

    Source: SplitMix64 (Steele et al. 2014) of the place, started at the CRC-32 of the key.
    """
    start = np.uint64(zlib.crc32((salt + key).encode()))
    with np.errstate(over="ignore"):
        z = (start << np.uint64(32)) + np.arange(count, dtype=np.uint64)
        z *= np.uint64(0x9E3779B97F4A7C15)
        z ^= z >> np.uint64(30)
        z *= np.uint64(0xBF58476D1CE4E5B9)
        z ^= z >> np.uint64(27)
        z *= np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)


def deterministic_weight(key: str, shape: tuple[int, ...], salt: str) -> FloatArray:
    """Return the weight that the rule gives a tensor.

    Args:
        key: its published name with the prefix.
        shape: of the tensor.
        salt: put before the key; another one gives other weights.
    """
    count = int(np.prod(shape, dtype=np.int64))
    value = unit_values(key, count, salt).reshape(shape)
    one, tenth = np.float32(1), np.float32(0.1)
    if key.endswith("weight_g"):
        scale = 0.25 if "conv_pre" in key else 1.5 if "conv_post" in key else 1.0
        return np.float32(scale) * (one + tenth * value)
    if key.endswith("weight_v"):
        return value
    if len(shape) >= 2:
        sharp = 1.5 if key.endswith(_SHARPENED) else 1.0
        return np.float32(sharp * np.sqrt(3.0 / (count / shape[0]))) * value
    return one + tenth * value if key.endswith("weight") else tenth * value


def file_shapes(network: nn.Module) -> Shapes:
    """Return published name -> shape as the files hold them: the vocoder's are split."""
    shapes = published_shapes(network)
    return unfolded_shapes(shapes) if isinstance(network, Vocoder) else shapes


def fill(network: nn.Module, salt: str) -> None:
    """Give a whole network the weights of the rule."""
    prefix = PREFIXES[type(network)]
    shapes = file_shapes(network)
    values = {
        name: torch.from_numpy(deterministic_weight(prefix + name, shape, salt))
        for name, shape in shapes.items()
    }
    if isinstance(network, Vocoder):
        values = folded_weights(values)
    names = published_names(network)
    network.load_state_dict({ours: values[theirs] for ours, theirs in names.items()}, assign=True)
    network.eval().requires_grad_(False)
