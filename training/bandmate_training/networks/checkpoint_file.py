"""A checkpoint on disk: reading it, and the fingerprint of its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bandmate_server.errors import CheckpointError


def fingerprint(weights: Mapping[str, Tensor]) -> str:
    """Return a hash of weights, hex, that rounding them to float16 leaves as it is."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].detach().cpu().half().contiguous().numpy().tobytes())
    return digest.hexdigest()


State = dict[str, Any]
CHECKPOINT = "checkpoint.pt"


def read_checkpoint(path: Path) -> State:
    """Read a training checkpoint; nothing in it is executed.

    Raises:
        CheckpointError: if the file is missing, or is not one of ours.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no checkpoint there")
    try:
        state: State = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path}: not a readable checkpoint: {reason}") from error
    missing = {"kind", "spec", "config", "average"} - set(state)
    if missing:
        raise CheckpointError(f"{path}: not a bandmate checkpoint: lacks {sorted(missing)}")
    return state
