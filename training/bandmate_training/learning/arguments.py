"""What the commands that train a network have in common: options, and how a run begins."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch

from bandmate_server.errors import SettingsError
from bandmate_training.learning.trainer import TrainerOptions
from bandmate_training.networks.checkpoint_file import CHECKPOINT


@dataclass(frozen=True)
class TrainingDefaults:
    """Of a network's options, those that differ; `save_every` in minutes."""

    batch: int
    optimiser: str = "adamw"
    learning_rate: float = 4e-4
    warmup: int = 500
    save_every: float = 5.0


def add_training(parser: argparse.ArgumentParser, defaults: TrainingDefaults) -> None:
    """Add the options of the loop."""
    add = parser.add_argument
    batch, rate, warmup = defaults.batch, defaults.learning_rate, defaults.warmup
    add("--out", type=Path, required=True, help="folder of the run: checkpoint, figures, pictures")
    add("--minutes", type=float, default=60.0, help="time limit (default 60)")
    add("--steps", type=int, default=10**9, help="stop at this step, counted over all resumes")
    add("--cooldown", type=int, default=0, help="lower the rate to zero over the last of --steps")
    add("--batch", type=int, default=batch, help=f"examples per step (default {batch})")
    add("--optimiser", choices=("adamw", "muon"), default=defaults.optimiser,
        help=f"default {defaults.optimiser}")  # fmt: skip
    add("--learning-rate", type=float, default=rate, help=f"default {rate}")
    add("--warmup", type=int, default=warmup, help=f"steps of a rising rate (default {warmup})")
    add("--average", type=float, default=0.999, help="decay of the averaged weights")
    add("--seed", type=int, default=0, help="decides every example and all noise")
    add("--workers", type=int, default=1, help="processes that draw examples (default 1)")
    add("--threads", type=int, default=0, help="torch threads (default: all cores)")
    add("--save-every", type=float, default=defaults.save_every,
        help=f"minutes between checkpoints (default {defaults.save_every:g})")  # fmt: skip


def begin(args: argparse.Namespace) -> None:
    """Set torch's threads and seed for a run.

    Raises:
        SettingsError: if there is nothing to resume.
    """
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.resume and not (args.out / CHECKPOINT).exists():
        raise SettingsError(f"--resume: there is no {CHECKPOINT} in {args.out}")
    torch.manual_seed(args.seed)  # the weights' start
    torch.set_flush_denormal(True)  # silence must not be slower than sound


def trainer_options(args: argparse.Namespace) -> TrainerOptions:
    """Return the trainer's options of a command line."""
    return TrainerOptions(
        out=args.out,
        minutes=args.minutes,
        steps=args.steps,
        cooldown=args.cooldown,
        optimiser=args.optimiser,
        learning_rate=args.learning_rate,
        warmup=args.warmup,
        average=args.average,
        seed=args.seed,
        workers=args.workers,
        save_every=args.save_every,
        resume=args.resume,
    )
