"""The `vae`, `separator`, `denoiser` and `vocoder` commands: from a corpus to a checkpoint."""

from __future__ import annotations

import argparse
import copy
import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from bandmate_server.errors import SettingsError
from bandmate_server.spec import MEL, MINI
from bandmate_training.data.dataset import Examples, Mixing, find_tracks
from bandmate_training.learning.arguments import (
    TrainingDefaults,
    add_training,
    begin,
    trainer_options,
)
from bandmate_training.learning.denoiser_task import DenoiserTask
from bandmate_training.learning.separator_task import SeparatorTask
from bandmate_training.learning.trainer import Trainer, TrainingTask
from bandmate_training.learning.vae_task import VaeTask
from bandmate_training.learning.vocoder_task import VocoderTask
from bandmate_training.networks.config import MINI_DENOISER, MINI_SEPARATOR, MINI_VAE, MINI_VOCODER
from bandmate_training.networks.weights import load_module, load_vae

VALIDATION_EXAMPLES = 32
VALIDATION_SEED = 1
MIXING = {
    "vae": Mixing(),
    "separator": Mixing(remixed=0.0, untreated=0.2),  # it remixes whole batches itself
    "denoiser": Mixing(  # parts that fit
        remixed=0.0, foreign_other=0.0, gain_spread=2.0, untreated=0.2
    ),
    "vocoder": Mixing(),
}
COMPILED = ("separator", "denoiser")  # networks for which --compile was tried
DRY = Mixing(remixed=0.0, foreign_other=0.0, dropped=0.0, changed_speed=0.0, gain_spread=2.0)


def add_arguments(parser: argparse.ArgumentParser, network: str) -> None:
    """Add a network's training options to its parser."""
    defaults = {
        "vae": (8, 2.56),
        "separator": (6, 5.12),
        "denoiser": (4, 10.24),
        "vocoder": (8, 1.28),
    }
    batch, seconds = defaults[network]
    add = parser.add_argument
    add(
        "--corpus", "--data", type=Path, required=True,
        help="folder made by `bandmate-train corpus`, or laid out as Slakh2100's stems",
    )  # fmt: skip
    add_training(parser, TrainingDefaults(batch))
    add("--seconds", type=float, default=seconds, help=f"length of one (default {seconds})")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", action="store_true", help="go on from OUT's checkpoint")
    start.add_argument(
        "--init", type=Path, help="start from weights: a checkpoint, or a bundle's name or folder"
    )
    if network in COMPILED:
        add(
            "--compile", action="store_true",
            help="quicker steps by a sixth, after a minute's start; needs a C++ compiler",
        )  # fmt: skip
    if network == "denoiser":
        add("--vae", type=Path, help="VAE checkpoint, or a bundle of mel latents")
    if network == "vocoder":
        add(
            "--tones-only", action="store_true",
            help="train the tuning of the oscillators alone, which takes many but quick steps",
        )  # fmt: skip


def run(args: argparse.Namespace, network: str) -> int:
    """Train a network; return the exit status."""
    block = MINI.block_samples
    samples = round(args.seconds * MEL.sample_rate / block) * block
    if samples < block:
        raise SettingsError(f"--seconds {args.seconds}: the least is {block / MEL.sample_rate}")
    begin(args)
    task = TASKS[network](args, _validation(args.corpus))
    ema_model = copy.deepcopy(task.model)
    if args.init:
        load_module(args.init, network, task.model)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        torch.distributed.init_process_group("gloo")  # all tensors are on the CPU
    if network in COMPILED and args.compile:
        task.model.compile()
    tracks = find_tracks(args.corpus, "train", shortest=2 * samples)
    data = Examples(tracks, args.batch, samples, args.seed, MIXING[network])
    finished = Trainer(task, ema_model, trainer_options(args)).run(data)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    return 0 if finished else 130


def _validation(corpus: Path) -> Tensor:
    """Draw the fixed validation examples (B, 5, N) of one window each, songs as they are."""
    tracks = find_tracks(corpus, "validation", shortest=2 * MINI.window_samples)
    examples = Examples(tracks, VALIDATION_EXAMPLES, MINI.window_samples, VALIDATION_SEED, DRY)
    return examples[0]


def _vae_task(args: argparse.Namespace, validation: Tensor) -> TrainingTask:
    return VaeTask(MINI, MINI_VAE, validation)


def _denoiser_task(args: argparse.Namespace, validation: Tensor) -> TrainingTask:
    if args.vae is None:
        raise SettingsError("--vae is needed: a checkpoint of `bandmate-train vae`")
    return DenoiserTask(MINI, MINI_DENOISER, load_vae(args.vae), validation)


def _vocoder_task(args: argparse.Namespace, validation: Tensor) -> TrainingTask:
    return VocoderTask(MINI, MINI_VOCODER, validation, args.tones_only)


def _separator_task(args: argparse.Namespace, validation: Tensor) -> TrainingTask:
    return SeparatorTask(MINI, MINI_SEPARATOR, validation)


TASKS: dict[str, Callable[[argparse.Namespace, Tensor], TrainingTask]] = {
    "vae": _vae_task,
    "separator": _separator_task,
    "denoiser": _denoiser_task,
    "vocoder": _vocoder_task,
}
