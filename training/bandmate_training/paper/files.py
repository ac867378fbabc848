"""Published files as dictionaries of tensors; nothing in them is executed."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bandmate_server.errors import CheckpointError
from bandmate_training.paper import keys

Weights = dict[str, Tensor]
KINDS = ("checkpoint", "vae", "vocoder")


def read_file(path: Path) -> dict[str, Any]:
    """Read a file written by `torch.save`, tensors as they lie on the disk where possible.

    Raises:
        CheckpointError: if it is missing or damaged, or reading it would run code.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        state = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        if found is None:
            raise CheckpointError(f"{path}: not a readable checkpoint: {_first(error)}") from error
        raise CheckpointError(
            f"{path}: refused, as reading it would run code: it asks for {found[1]}, and only"
            " tensors, numbers, texts and containers are read"
        ) from error
    except Exception as error:  # damaged files raise almost anything
        raise CheckpointError(f"{path}: not a readable checkpoint: {_first(error)}") from error
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{path}: holds a {type(state).__name__}, expected a dictionary")
    return dict(state)


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def tensors(state: Mapping[str, Any], path: Path, *inside: str) -> Weights:
    """Return the tensors of a file: those under the first key of `inside` that it has, or all.

    Raises:
        CheckpointError: if there are none.
    """
    part = next((state[key] for key in inside if key in state), state)
    found = {k: v for k, v in part.items() if isinstance(v, Tensor)}
    if not found:
        raise CheckpointError(f"{path}: holds no tensors, has {', '.join(map(str, state))}")
    return found


def kind_of(path: Path) -> str:
    """Tell what a file is by what is in it: "checkpoint", "vae" or "vocoder".

    Raises:
        CheckpointError: if it cannot be read, or is none of them.
    """
    state = read_file(path)
    if state.get("kind") == "denoiser":
        return "checkpoint"
    names = set(tensors(state, path, "generator", "state_dict"))
    marks = {
        "checkpoint": keys.UNET_PREFIX,
        "vae": "encoder.conv_in.",
        "vocoder": "conv_pre.",
    }
    for kind, prefix in marks.items():
        if any(name.startswith(prefix) for name in names):
            return kind
    raise CheckpointError(
        f"{path}: neither a checkpoint ({keys.UNET_PREFIX}*), nor a VAE (encoder.*), nor a"
        " vocoder (conv_pre.*)"
    )


def sort_files(paths: list[Path]) -> dict[str, Path]:
    """Return kind -> file of files in any order.

    Raises:
        CheckpointError: if two are of one kind, one is of none, or there is no checkpoint.
    """
    found: dict[str, Path] = {}
    for path in paths:
        kind = kind_of(path)
        if kind in found:
            raise CheckpointError(f"{path}: a second {kind}, beside {found[kind]}")
        found[kind] = path
    if "checkpoint" not in found:
        raise CheckpointError(f"none of the files is a checkpoint with {keys.UNET_PREFIX}*")
    return found
