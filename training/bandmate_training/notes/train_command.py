"""The commands `note-encoder`, `note-denoiser` and `note-decoder`: from songs to checkpoints."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from bandmate_server.spec import NOTES
from bandmate_training.learning.arguments import (
    TrainingDefaults,
    add_training,
    begin,
    trainer_options,
)
from bandmate_training.learning.trainer import Trainer, TrainingTask
from bandmate_training.notes.config import NOTE_DECODER, NOTE_DENOISER, TRANSCRIBER
from bandmate_training.notes.data.dataset import NoteWindows
from bandmate_training.notes.data.mixing import PlayedSources
from bandmate_training.notes.data.pairs import PlayedStems, find_noted_tracks
from bandmate_training.notes.grid import FRAME
from bandmate_training.notes.learning.sound_task import SoundTask
from bandmate_training.notes.learning.task import NoteTask
from bandmate_training.notes.learning.transcriber_task import TranscriberTask
from bandmate_training.notes.songs import load_songs

VALIDATION_EXAMPLES = 16
PRIOR_EXAMPLES = 1024  # from which the means of all cells are taken
DECODER_FRAMES = 96  # latent frames in one of the decoder's examples
ENCODER_FRAMES = 128  # and of the encoder's
_VALIDATION_SEED, _PRIOR_SEED = 1, 2
NETWORKS = {
    "note-denoiser": "train the denoiser of notes on songs made by `notes`",
    "note-decoder": "train what notes sound like on a corpus with its notes",
    "note-encoder": "train the transcriber of stems and mixtures on a corpus with its notes",
}
_DEFAULTS = {
    "note-denoiser": TrainingDefaults(16, "muon", 1.5e-3, warmup=20, save_every=15),
    "note-decoder": TrainingDefaults(24, "adamw", 1e-3, warmup=20, save_every=15),
    "note-encoder": TrainingDefaults(8, "adamw", 1e-3, warmup=20, save_every=15),
}


def add_arguments(parser: argparse.ArgumentParser, network: str) -> None:
    """Declare a network's training options."""
    add = parser.add_argument
    if network == "note-denoiser":
        add("--songs", type=Path, required=True, help="folder made by `bandmate-train notes`")
    else:
        add("--corpus", type=Path, required=True, help="folder made by `bandmate-train corpus`")
    add_training(parser, _DEFAULTS[network])
    add("--resume", action="store_true", help="go on from OUT's checkpoint")
    if network == "note-decoder":
        add(
            "--keep-timbre", action="store_true",
            help="leave the code of timbre as it is, once a denoiser has been trained on it",
        )  # fmt: skip


def run(args: argparse.Namespace, network: str) -> int:
    """Train a network; return the exit status."""
    begin(args)
    task, data = _MAKERS[network](args)
    ema_model = copy.deepcopy(task.model)
    return 0 if Trainer(task, ema_model, trainer_options(args)).run(data) else 130


def _denoiser(args: argparse.Namespace) -> tuple[TrainingTask, Dataset[Any]]:
    songs = load_songs(args.songs, "train")
    held_out = load_songs(args.songs, "validation")
    frames = NOTES.window_latents
    prior = NoteWindows(songs, PRIOR_EXAMPLES, frames, _PRIOR_SEED)[0]
    checked = NoteWindows(held_out, VALIDATION_EXAMPLES, frames, _VALIDATION_SEED, varied=False)
    task = NoteTask(NOTE_DENOISER, prior, checked[0])
    return task, NoteWindows(songs, args.batch, frames, args.seed)


def _decoder(args: argparse.Namespace) -> tuple[TrainingTask, Dataset[Any]]:
    seconds = 2 * DECODER_FRAMES * FRAME
    tracks = find_noted_tracks(args.corpus, "train", seconds)
    held_out = find_noted_tracks(args.corpus, "validation", seconds)
    checked = PlayedStems(
        held_out, VALIDATION_EXAMPLES, NOTES.window_latents, _VALIDATION_SEED, 0.0
    )
    task = SoundTask(NOTES, NOTE_DECODER, checked[0], args.keep_timbre)
    return task, PlayedStems(tracks, args.batch, DECODER_FRAMES, args.seed)


def _encoder(args: argparse.Namespace) -> tuple[TrainingTask, Dataset[Any]]:
    seconds = 2 * ENCODER_FRAMES * FRAME
    tracks = find_noted_tracks(args.corpus, "train", seconds)
    held_out = find_noted_tracks(args.corpus, "validation", seconds)
    frames = NOTES.window_latents
    checked = PlayedSources(held_out, 2 * VALIDATION_EXAMPLES, frames, _VALIDATION_SEED, 0.0)
    task = TranscriberTask(TRANSCRIBER, checked[0])
    return task, PlayedSources(tracks, args.batch, ENCODER_FRAMES, args.seed)


_MAKERS: dict[str, Callable[[argparse.Namespace], tuple[TrainingTask, Dataset[Any]]]] = {
    "note-denoiser": _denoiser,
    "note-decoder": _decoder,
    "note-encoder": _encoder,
}
