"""What is asked for: add, fill, vary or generate, and which stems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TaskName = Literal["add", "fill", "vary", "generate"]


@dataclass(frozen=True)
class PartTask:
    """What is asked for: which stems, and for "vary" how far from what is there."""

    name: TaskName
    wanted: tuple[str, ...]
    strength: float = 1.0
