"""What one conversion is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """One conversion.

    kind: its row in `KINDS`.
    files: role -> file.
    config: a file of settings beside the weights, where the kind has one.
    folder: to write the bundle into.
    name, version, licence: for its manifest.
    report: is called with the share done (0 to 1) and what is being done.
    """

    kind: str
    files: Mapping[str, Path]
    config: Path | None
    folder: Path
    name: str
    version: str
    licence: str
    report: Callable[[float, str], None]
