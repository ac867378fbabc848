"""Files of weights that others wrote: nothing in them is executed, everything is accounted for."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bandmate_server.errors import CheckpointError

Weights = dict[str, Tensor]
Shapes = Mapping[str, tuple[int, ...]]
KeptAs = Callable[[tuple[int, ...]], torch.dtype]
WRAPPERS = ("module.", "model.", "_orig_mod.")  # what programs put before all names
MOST_NAMES = 20  # of weights in a message
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)|Unsupported (?:class|global):? ([\w.]+)")


def read_file(path: Path, allowed: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Read a file of `torch.save` or of safetensors, tensors as they lie on the disk if possible.

    Args:
        path: of the file.
        allowed: what may stand in it beside tensors, numbers, texts and containers: the name it
            has there -> what is taken for it.

    Raises:
        CheckpointError: if it is missing or damaged, or reading it would run code.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    names: list[Any] = [(stand_in, name) for name, stand_in in (allowed or {}).items()]
    try:
        with torch.serialization.safe_globals(names):
            state = torch.load(
                path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
            )
    except pickle.UnpicklingError as error:
        found = _GLOBAL.search(str(error))
        if found is None:
            raise CheckpointError(f"{path}: not a readable checkpoint: {_first(error)}") from error
        raise CheckpointError(
            f"{path}: refused, as reading it would run code: it asks for"
            f" {found[1] or found[2]}, and only tensors, numbers, texts and containers are read"
        ) from error
    except Exception as error:  # damaged files raise almost anything
        raise CheckpointError(f"{path}: not a readable checkpoint: {_first(error)}") from error
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{path}: holds a {type(state).__name__}, expected a dictionary")
    return dict(state)


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise CheckpointError(f"{path}: to read it, install bandmate[export]") from error
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not readable as safetensors: {_first(error)}") from error


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def differences(found: Shapes, expected: Shapes) -> list[str]:
    """Say which names are missing, surplus or of another shape; empty if none is."""
    missing = [name for name in expected if name not in found]
    surplus = [name for name in found if name not in expected]
    misshapen = [
        f"{name} {list(found[name])} instead of {list(expected[name])}"
        for name in expected
        if name in found and tuple(found[name]) != tuple(expected[name])
    ]
    lists = {"missing": missing, "surplus": surplus, "misshapen": misshapen}
    return [f"{what}: {_listed(names)}" for what, names in lists.items() if names]


def unwrapped(weights: Weights, mark: str, assume: Callable[[str], None]) -> Weights:
    """Return weights without what wrappers put before their names.

    Args:
        weights: as they are called in the file.
        mark: what some names begin with where there is no wrapper; "" takes off what all have.
        assume: is called with what was taken off.
    """

    def wraps(prefix: str) -> bool:
        if not mark:
            return bool(weights) and all(name.startswith(prefix) for name in weights)
        return any(name.startswith(prefix + mark) for name in weights)

    while (mark == "" or not any(name.startswith(mark) for name in weights)) and (
        prefix := next((one for one in WRAPPERS if wraps(one)), "")
    ):
        assume(f"names begin with {prefix}: it is left out")
        weights = {name.removeprefix(prefix): value for name, value in weights.items()}
    return weights


def _listed(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def whole(_shape: tuple[int, ...]) -> torch.dtype:
    """Return the type that every weight is kept in usually."""
    return torch.float32


def fill(network: nn.Module, weights: Weights, path: Path, kept: KeptAs = whole) -> None:
    """Put weights into a network of the same names, and make it ready for inference.

    Args:
        network: may lie on torch's meta device.
        weights: of any floating type.
        path: of the file, for messages.
        kept: the type that a weight of a shape is cast to.

    Raises:
        CheckpointError: naming all weights that are missing, surplus, misshapen or not finite.
    """
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    problems = differences({name: tuple(value.shape) for name, value in weights.items()}, expected)
    if problems:
        raise CheckpointError(f"{path}: does not fit the network: {'; '.join(problems)}")
    # A copy: the file may go.
    copies = {name: value.to(kept(value.shape), copy=True) for name, value in weights.items()}
    broken = [name for name, value in copies.items() if not torch.isfinite(value).all()]
    if broken:
        raise CheckpointError(f"{path}: not finite: {_listed(broken)}")
    network.load_state_dict(copies, assign=True)
    network.eval().requires_grad_(False)
