"""One comparison with a reference array: error, tolerance, verdict."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bandmate_server.errors import CheckpointError
from bandmate_training.conformance.networks import Networks

Array = npt.NDArray[Any]
Arrays = dict[str, Array]

RELATIVE = 1e-5  # L2, of network outputs
ABSOLUTE = 5e-5  # of predicted noise


@dataclass(frozen=True)
class Check:
    """The result of one comparison; an error that is no number fails."""

    name: str
    error: float
    tolerance: float
    measure: str

    @property
    def passed(self) -> bool:
        """Whether the error is within the tolerance."""
        return self.error <= self.tolerance

    def line(self) -> str:
        """Return the check as one line of the report."""
        verdict = "pass" if self.passed else "FAIL"
        return (
            f"{verdict}  {self.error:9.2e} <= {self.tolerance:7.0e}  {self.measure:13}{self.name}"
        )


@dataclass(frozen=True)
class Reference:
    """A folder of reference data, the salt of the weights, and the networks filled with them."""

    folder: Path
    networks: Networks
    tiny: Networks

    def arrays(self, file: Path) -> Arrays:
        """Read an npz file.

        Raises:
            CheckpointError: if it cannot be read.
        """
        try:
            with np.load(file) as data:
                return dict(data)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{file}: not readable as arrays: {error}") from error

    def json(self, file: Path) -> Any:
        """Read a JSON file."""
        return json.loads(file.read_text("utf-8"))


Checker = Callable[[Reference, Path], Iterator[Check]]


def _pair(found: Tensor | Array | float, expected: Any) -> tuple[Array, Array]:
    have = found.detach().numpy() if isinstance(found, Tensor) else np.asarray(found)
    return have.astype(np.float64), np.asarray(expected).astype(np.float64)


def relative(name: str, found: Any, expected: Any, tolerance: float = RELATIVE) -> Check:
    """Compare by the L2 norm of the difference, as a share of the expected array's norm."""
    have, want = _pair(found, expected)
    if have.shape != want.shape:
        return Check(
            f"{name}: shape {have.shape}, expected {want.shape}", math.inf, tolerance, "L2"
        )
    norm = float(np.linalg.norm(want))
    difference = float(np.linalg.norm(have - want))
    return Check(name, difference / norm if norm else difference, tolerance, "relative L2")


def absolute(name: str, found: Any, expected: Any, tolerance: float = ABSOLUTE) -> Check:
    """Compare by the largest difference."""
    have, want = _pair(found, expected)
    if have.shape != want.shape:
        return Check(
            f"{name}: shape {have.shape}, expected {want.shape}", math.inf, tolerance, "max"
        )
    error = float(np.abs(have - want).max()) if have.size else 0.0
    return Check(name, error, tolerance, "max abs")


def elementwise(name: str, found: Any, expected: Any, tolerance: float) -> Check:
    """Compare by the largest difference as a share of the expected value in the same place."""
    have, want = _pair(found, expected)
    if have.shape != want.shape:
        return Check(
            f"{name}: shape {have.shape}, expected {want.shape}", math.inf, tolerance, "max"
        )
    difference = np.abs(have - want) / np.maximum(np.abs(want), np.finfo(np.float32).tiny)
    error = float(difference[have != want].max()) if (have != want).any() else 0.0
    return Check(name, error, tolerance, "max relative")


def mean_absolute(name: str, found: Any, expected: Any, tolerance: float) -> Check:
    """Compare by the mean difference."""
    have, want = _pair(found, expected)
    return Check(name, float(np.abs(have - want).mean()), tolerance, "mean abs")


def count(name: str, problems: Sequence[object]) -> Check:
    """Report problems that there must be none of, naming the first."""
    detail = f" ({problems[0]})" if problems else ""
    return Check(f"{name}{detail}", float(len(problems)), 0.0, "differences")


def tensor(array: Array) -> Tensor:
    """Return an array as a tensor: integers as int64, others as float32."""
    kind = np.int64 if np.issubdtype(array.dtype, np.integer) else np.float32
    return torch.from_numpy(np.ascontiguousarray(array.astype(kind)))
