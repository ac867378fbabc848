"""Small digests of what the engine makes, compared with those kept in golden.json.

    pytest tests/golden -rP                       shows how far each case is
    BANDMATE_GOLDEN=write pytest tests/golden     keeps today's digests, for a change that is meant

A digest is an array's shape, some of its samples, the levels of its parts and a hash. One machine
gives the same bits again; others round differently, hence a tolerance.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

KEPT = Path(__file__).with_name("golden.json")
TOLERANCE = 2e-3  # of the kept array's peak; another seed, solver or mask is much further
SAMPLES = 24
PARTS = 8

Check = Callable[..., None]


def digest(array: Any) -> dict[str, Any]:
    """Return an array's shape, evenly spaced samples, levels of its parts, peak and hash."""
    values = np.ascontiguousarray(array, np.float32)
    flat = values.ravel()
    assert np.isfinite(flat).all()
    places = np.linspace(0, len(flat) - 1, SAMPLES).astype(int)
    levels = [float(np.sqrt(np.mean(np.square(part)))) for part in np.array_split(flat, PARTS)]
    return {
        "shape": list(values.shape),
        "peak": float(f"{np.abs(flat).max():.6g}"),
        "samples": [float(f"{value:.6g}") for value in flat[places]],
        "levels": [float(f"{value:.6g}") for value in levels],
        "sha256": hashlib.sha256(values.tobytes()).hexdigest()[:16],
    }


def distance(found: dict[str, Any], kept: dict[str, Any]) -> float:
    """Return the largest difference of samples and levels, in peaks of the kept array."""
    assert found["shape"] == kept["shape"]
    values = [np.array(item["samples"] + item["levels"]) for item in (found, kept)]
    return float(np.abs(values[0] - values[1]).max() / max(kept["peak"], 1e-6))


@pytest.fixture(scope="session")
def kept() -> Iterator[dict[str, Any]]:
    """The digests by case; written again at the end if asked for."""
    writing = os.environ.get("BANDMATE_GOLDEN") == "write"
    cases: dict[str, Any] = {} if writing else json.loads(KEPT.read_text("utf-8"))
    yield cases
    if writing:
        rows = [
            f"{json.dumps(case)}: {{\n"
            + ",\n".join(
                f"  {json.dumps(name)}: {json.dumps(item)}" for name, item in found.items()
            )
            + "\n}"
            for case, found in cases.items()
        ]
        KEPT.write_text("{\n" + ",\n".join(rows) + "\n}\n", "utf-8")


@pytest.fixture
def golden(kept: dict[str, Any], request: pytest.FixtureRequest) -> Check:
    """Return a function that compares a case's arrays, by name, with those kept."""

    def check(**arrays: Any) -> None:
        found = {name: digest(array) for name, array in arrays.items()}
        case = request.node.name
        if os.environ.get("BANDMATE_GOLDEN") == "write":
            kept[case] = found
        before = kept[case]
        assert found.keys() == before.keys()
        far = {name: distance(item, before[name]) for name, item in found.items()}
        same = sum(item["sha256"] == before[name]["sha256"] for name, item in found.items())
        said = f"{case}: {same} of {len(far)} bit-equal, difference {max(far.values()):.2e}\n"
        sys.stdout.write(said)  # shown by -rP
        assert max(far.values()) <= TOLERANCE, far

    return check
