"""Published files as dictionaries of tensors; nothing in them is executed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from bandmate_server.errors import CheckpointError
from bandmate_training.networks.safe_file import Weights, read_file
from bandmate_training.paper import keys

KINDS = ("checkpoint", "vae", "vocoder")


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
