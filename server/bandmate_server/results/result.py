"""What a task has written: the folder, its stems and the manifest."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Result:
    """Where the stems of a file are: folder, stem -> file (`other` last), and the manifest.

    midi: stem -> MIDI file of what it plays, where the model knows that.
    """

    folder: Path
    stems: dict[str, Path]
    manifest: dict[str, Any]
    midi: dict[str, Path] = field(default_factory=dict)
