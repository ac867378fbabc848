"""The command `bandmate-train note-denoiser`: from songs as notes to a checkpoint."""

from __future__ import annotations

import argparse
import copy
import logging
from pathlib import Path

import torch

from bandmate_server.errors import SettingsError
from bandmate_server.spec import MINI
from bandmate_training.notes.config import NOTE_DENOISER
from bandmate_training.notes.dataset import NoteWindows
from bandmate_training.notes.songs import load_songs
from bandmate_training.notes.task import NoteTask
from bandmate_training.trainer import CHECKPOINT, Options, Trainer

HELP = "train the denoiser of notes on songs made by `notes`"
VALIDATION_EXAMPLES = 16
PRIOR_EXAMPLES = 1024  # from which the means of all cells are taken
_VALIDATION_SEED, _PRIOR_SEED = 1, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    add("--songs", type=Path, required=True, help="folder made by `bandmate-train notes`")
    add("--out", type=Path, required=True, help="folder of the run: checkpoint and figures")
    add("--minutes", type=float, default=60.0, help="time limit (default 60)")
    add("--steps", type=int, default=10**9, help="stop at this step, counted over all resumes")
    add("--cooldown", type=int, default=0, help="lower the rate to zero over the last of --steps")
    add("--batch", type=int, default=16, help="windows per step (default 16)")
    add("--optimiser", choices=("adamw", "muon"), default="muon", help="default muon")
    add("--learning-rate", type=float, default=1.5e-3, help="default 1.5e-3")
    add("--warmup", type=int, default=20, help="steps in which the rate rises (default 20)")
    add("--average", type=float, default=0.999, help="decay of the averaged weights")
    add("--seed", type=int, default=0, help="decides every example and all noise")
    add("--workers", type=int, default=1, help="processes that draw examples (default 1)")
    add("--threads", type=int, default=0, help="torch threads (default: all cores)")
    add("--save-every", type=float, default=15.0, help="minutes between checkpoints (default 15)")
    add("--resume", action="store_true", help="go on from OUT's checkpoint")


def run(args: argparse.Namespace) -> int:
    """Train; return the exit status."""
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.resume and not (args.out / CHECKPOINT).exists():
        raise SettingsError(f"--resume: there is no {CHECKPOINT} in {args.out}")
    torch.manual_seed(args.seed)  # the weights' start
    torch.set_flush_denormal(True)
    songs = load_songs(args.songs, "train")
    held_out = load_songs(args.songs, "validation")
    logging.getLogger(__name__).info("%d songs, %d for validation", len(songs), len(held_out))
    frames = MINI.window_latents
    prior = NoteWindows(songs, PRIOR_EXAMPLES, frames, _PRIOR_SEED)[0]
    checked = NoteWindows(held_out, VALIDATION_EXAMPLES, frames, _VALIDATION_SEED, varied=False)
    task = NoteTask(NOTE_DENOISER, prior, checked[0])
    shadow = copy.deepcopy(task.model)
    data = NoteWindows(songs, args.batch, frames, args.seed)
    return 0 if Trainer(task, shadow, _options(args)).run(data) else 130


def _options(args: argparse.Namespace) -> Options:
    return Options(
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
