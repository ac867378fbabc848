"""Checks of the weight rule and of the names and shapes in published files."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bandmate_training.conformance.check import Check, Reference, count
from bandmate_training.networks.safe_file import differences
from bandmate_training.paper import config, keys
from bandmate_training.paper.deterministic_weights import deterministic_weight, file_shapes
from bandmate_training.paper.unet import UNet
from bandmate_training.paper.vae import Vae
from bandmate_training.paper.vocoder import Vocoder

SUM = 1e-6  # of a tensor's sums, as a share of the sum of absolute values


def _read(file: Path) -> Any:
    return json.loads(gzip.decompress(file.read_bytes()))


def rule(reference: Reference, file: Path) -> Iterator[Check]:
    """Check that the rule gives every tensor the recorded values, bit by bit, and sums."""
    wrong, worst = [], 0.0
    for key, expected in _read(file).items():
        value = deterministic_weight(key, tuple(expected["shape"]), reference.networks.salt)
        flat = value.reshape(-1)
        first = np.asarray(expected["first"], np.float32)
        last = np.float32(expected["last"])
        if not np.array_equal(flat[: len(first)], first) or flat[-1] != last:
            wrong.append(key)
        total = float(flat.sum(dtype=np.float64)) - expected["sum"]
        magnitude = float(np.abs(flat).sum(dtype=np.float64)) - expected["abs_sum"]
        worst = max(worst, abs(total) / expected["abs_sum"], abs(magnitude) / expected["abs_sum"])
    yield count(f"{file.name} first and last values", wrong)
    yield Check(f"{file.name} sums", worst, SUM, "relative")


def names(_reference: Reference, file: Path) -> Iterator[Check]:
    """Check that our networks have the recorded names and shapes, and know of all others."""
    data = {
        what: {row[0]: row for row in rows} for what, rows in _read(file).items() if what[0] != "o"
    }
    shapes = {
        what: {name: tuple(row[1]) for name, row in rows.items()} for what, rows in data.items()
    }
    state = shapes["lightning_state_dict"]
    vae, generator = shapes["vae_ckpt_state_dict_minimum"], shapes["hifigan_ckpt_generator"]
    unet = {k: state[v] for k, v in keys.without_prefix(state, keys.UNET_PREFIX).items()}
    folded = {k: state[v] for k, v in keys.without_prefix(state, keys.VOCODER_PREFIX).items()}
    with torch.device("meta"):
        ours = UNet(config.unet_config(unet))
        coder = Vae(config.vae_config(vae))
        generators = Vocoder(config.vocoder_config(folded))
    yield count(f"{file.name} U-Net", differences(unet, keys.published_shapes(ours)))
    yield count(f"{file.name} VAE", differences(vae, keys.published_shapes(coder)))
    folded_shapes = keys.published_shapes(generators)
    yield count(f"{file.name} vocoder inside", differences(folded, folded_shapes))
    yield count(f"{file.name} vocoder", differences(generator, file_shapes(generators)))
    first_stage = {
        k: state[v] for k, v in keys.without_prefix(state, keys.FIRST_STAGE_PREFIX).items()
    }
    inside = {name: shape for name, shape in first_stage.items() if name in vae}
    yield count(f"{file.name} VAE inside", differences(inside, vae))
    known = {keys.UNET_PREFIX + name for name in unet} | {keys.SCALE_FACTOR}
    known |= {keys.shadow_name(name) for name in unet}
    known |= {keys.FIRST_STAGE_PREFIX + name for name in vae}
    known |= {keys.VOCODER_PREFIX + name for name in folded}
    rest = [name for name in state if name not in known and not keys.NOT_NEEDED.fullmatch(name)]
    yield count(f"{file.name} names nobody knows", rest)
    missing = [name for name in unet if keys.shadow_name(name) not in state]
    yield count(f"{file.name} averaged weights", missing)
    order = [name.removeprefix("diffusion_model.") for name in _read(file)["optimizer_param_order"]]
    same = order == list(keys.published_shapes(ours))
    yield Check(f"{file.name} order of the optimiser", 0.0 if same else math.inf, 0.0, "order")
