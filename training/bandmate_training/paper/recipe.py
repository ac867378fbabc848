"""How the published system was trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bandmate_training.learning.trainer import TrainerOptions


@dataclass(frozen=True)
class Recipe:
    """The published settings; the weight decay and betas are AdamW's usual ones."""

    batch: int = 3  # examples per device
    learning_rate: float = 3e-5
    warmup: int = 1000  # steps
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.01
    average: float = 0.9999
    dropout: float = 0.1  # share of examples whose condition is dropped
    seed: int = 0


RECIPE = Recipe()


def published_options(out: Path, minutes: float = float("inf")) -> TrainerOptions:
    """Return the training loop's options as published."""
    return TrainerOptions(
        out=out,
        minutes=minutes,
        learning_rate=RECIPE.learning_rate,
        betas=RECIPE.betas,
        warmup=RECIPE.warmup,
        rise_from=0,
        average=RECIPE.average,
        average_from=1,
        seed=RECIPE.seed,
    )
