"""`denoiser --preset paper`: the published recipe on stems in Slakh2100's layout."""

from __future__ import annotations

import argparse
import copy
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from bandmate_server.errors import SettingsError
from bandmate_training.learning.arguments import begin
from bandmate_training.learning.trainer import Trainer, TrainerOptions
from bandmate_training.paper.checkpoint_names import Denoiser
from bandmate_training.paper.config import UNET, UNetConfig
from bandmate_training.paper.data.latents import KeptMoments, keep_moments, shifts
from bandmate_training.paper.data.slakh import Segment, Windows, find_segments
from bandmate_training.paper.published import load_autoencoder, load_denoiser
from bandmate_training.paper.recipe import RECIPE, published_options
from bandmate_training.paper.task import PaperTask, Setup

VALIDATION_EXAMPLES = 16
PUBLISHED = {
    "batch": RECIPE.batch,
    "learning_rate": RECIPE.learning_rate,
    "average": RECIPE.average,
    "minutes": float("inf"),
}
Run = Callable[[argparse.Namespace], int]


def add_presets(parser: argparse.ArgumentParser, run_mini: Run) -> None:
    """Let the denoiser's parser choose a preset; each has its own defaults.

    Args:
        parser: with the mini preset's options.
        run_mini: runs that preset.
    """
    mini = {name: parser.get_default(name) for name in PUBLISHED}
    parser.set_defaults(**dict.fromkeys(PUBLISHED))
    add = parser.add_argument
    add(
        "--preset", choices=["mini", "paper"], default="mini",
        help="paper: the published network and recipe (batch 3, learning rate 3e-5, average"
        " 0.9999, no time limit), for GPUs; --vae is then its autoencoder's file",
    )  # fmt: skip
    group = parser.add_argument_group("preset paper")
    add = group.add_argument
    add("--device", choices=["auto", "cpu", "cuda"], default="auto", help="default: a GPU if any")
    add(
        "--precision", choices=["float32", "bfloat16", "float16"], default="float32",
        help="of the U-Net's layers; its weights and their averages stay float32",
    )  # fmt: skip
    add("--checkpointing", action="store_true", help="less memory for a third more time")
    add("--dropout", type=float, default=RECIPE.dropout, help="of the condition (default 0.1)")
    add("--width", type=int, default=UNET.widths[0], help="of the first level (128; also: 192)")
    add("--latents", type=Path, help="keep latents in this folder instead of encoding each time")
    add("--latent-shifts", type=int, default=4, help="places of every window kept (default 4)")
    parser.set_defaults(run=partial(_run_preset, mini=mini, run_mini=run_mini))


def _run_preset(args: argparse.Namespace, mini: dict[str, object], run_mini: Run) -> int:
    paper = args.preset == "paper"
    for name, value in (PUBLISHED if paper else mini).items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    return run(args) if paper else run_mini(args)


def run(args: argparse.Namespace) -> int:
    """Train; return the exit status."""
    if args.vae is None:
        raise SettingsError("--preset paper needs --vae FILE: the published autoencoder's weights")
    if args.batch < 1 or args.latent_shifts < 1 or args.width % 32:
        raise SettingsError("--batch and --latent-shifts: at least 1; --width: a multiple of 32")
    device = _device(args.device)
    begin(args)
    segments = find_segments(args.corpus, "train")
    setup = Setup(device, args.precision, args.checkpointing, args.dropout)
    task = PaperTask(widths(args.width), load_autoencoder(args.vae), _validation(args), setup)
    if args.init:
        start(task.model, args.init)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        torch.distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        )
    data = _data(args, segments, task)
    trainer = Trainer(task, copy.deepcopy(task.model), _options(args))
    logging.getLogger(__name__).info(
        "%d windows, %d of them a step", len(segments), args.batch * trainer.world
    )
    finished = trainer.run(data)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    return 0 if finished else 130


def widths(first: int) -> UNetConfig:
    """Return the published U-Net with another width of the first level."""
    return replace(UNET, widths=tuple(first * width // UNET.widths[0] for width in UNET.widths))


def start(model: Denoiser, source: Path) -> None:
    """Fill a model with the averaged weights and the scale of a published or own checkpoint."""
    unet, scale = load_denoiser(source)
    model.unet.load_state_dict(unet.state_dict())
    model.scale_factor.fill_(scale)


def _device(word: str) -> torch.device:
    """Return the device of this process.

    Raises:
        SettingsError: if a GPU is wanted and there is none.
    """
    if word == "cpu" or (word == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise SettingsError("--device cuda: torch finds no GPU")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


def _options(args: argparse.Namespace) -> TrainerOptions:
    return replace(
        published_options(args.out, args.minutes),
        steps=args.steps,
        cooldown=args.cooldown,
        learning_rate=args.learning_rate,
        average=args.average,
        seed=args.seed,
        workers=args.workers,
        save_every=args.save_every,
        resume=args.resume,
    )


def _validation(args: argparse.Namespace) -> Tensor:
    """Read windows spread over the validation split, unmoved: waves (B, S + 1, N)."""
    segments = find_segments(args.corpus, "validation")
    stride = max(len(segments) // VALIDATION_EXAMPLES, 1)
    return torch.stack([s.read() for s in segments[::stride][:VALIDATION_EXAMPLES]])


def _data(args: argparse.Namespace, segments: list[Segment], task: PaperTask) -> Dataset[Tensor]:
    if args.latents is None:
        return Windows(segments, args.batch, args.seed)
    chosen = shifts(args.latent_shifts)
    identity = task.header()["vae"]

    def encode(waves: Tensor) -> Tensor:
        return task.moments(waves.to(task.setup.device))

    keep_moments(args.latents, segments, chosen, encode, identity)
    return KeptMoments(args.latents, segments, chosen, args.batch, args.seed)
