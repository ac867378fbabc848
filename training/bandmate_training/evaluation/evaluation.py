"""One run of `evaluate`: what all its reports are made from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from bandmate_server.model.model import Model
from bandmate_training.evaluation.options import EvaluationOptions
from bandmate_training.evaluation.reporting import circumstances
from bandmate_training.evaluation.songs.clips import Clip
from bandmate_training.evaluation.songs.excerpts import Excerpt, read_excerpt

Files = dict[str, bytes]  # a report's files by name


@dataclass(frozen=True)
class Evaluation:
    """What is evaluated, on which clips; without a model only other systems and baselines."""

    options: EvaluationOptions
    model: Model | None
    clips: list[Clip]

    @cached_property
    def excerpts(self) -> list[Excerpt]:
        """The clips' stems, mono at the model's rate."""
        return [read_excerpt(clip) for clip in self.clips]

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What is needed to understand the figures and to measure them again."""
        return circumstances(self.options.command_line(), self.model) | {
            "clips": len(self.clips),
            "songs": len({clip.track for clip in self.clips}),
            "rates": sorted({clip.rate for clip in self.clips}),
        }

    def of(self, clips: list[Clip]) -> Evaluation:
        """Return the same of fewer clips."""
        return replace(self, clips=clips)
