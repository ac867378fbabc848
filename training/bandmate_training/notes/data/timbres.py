"""Songs of a rendered corpus as notes with timbres: what the whole denoiser trains on."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from bandmate_server.spec import NOTES, STEMS
from bandmate_training.corpus.build import SPLITS
from bandmate_training.networks.layers import autocast
from bandmate_training.networks.mel import LogMel
from bandmate_training.networks.weights import load_module
from bandmate_training.notes.config import NOTE_DECODER
from bandmate_training.notes.data.pairs import NotedTrack, find_noted_tracks
from bandmate_training.notes.grid import FRAME, FloatArray
from bandmate_training.notes.networks.sound import NoteDecoder, Timbre
from bandmate_training.notes.songs import (
    SHARD,
    SOURCES,
    TIMBRE_STEP,
    NoteSong,
    as_notes,
    shard_path,
    write_songs,
)

HELP = "measure the timbres of a corpus: its songs join those of `notes`"
FIRST = 5000  # number of the first shard: those of `notes` count from 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--corpus", type=Path, required=True, help="with its notes")
    parser.add_argument("--decoder", type=Path, required=True, help="checkpoint of `note-decoder`")
    parser.add_argument("--out", type=Path, required=True, help="folder of the set of songs")


def run(args: argparse.Namespace) -> int:
    """Write the songs of both splits.

    Raises:
        BandmateError: if the corpus has no notes, or the checkpoint does not fit.
    """
    decoder = NoteDecoder(NOTES, NOTE_DECODER)
    load_module(args.decoder, "note-decoder", decoder)
    args.out.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        tracks = find_noted_tracks(args.corpus, split, 1.0)
        songs = with_timbres(tqdm(tracks, unit="song", disable=None), decoder.timbre.eval())
        for number, shard in enumerate(_shards(songs)):
            write_songs(shard_path(args.out, split, FIRST + number), shard)
    return 0


def with_timbres(tracks: Iterable[NotedTrack], timbre: Timbre) -> Iterator[NoteSong]:
    """Yield the tracks as songs with the timbres of the stems that play."""
    mel = LogMel(NOTES.mel)
    for one in tracks:
        notes = {source: one.notes.get(source, as_notes([])) for source in SOURCES}
        codes = {
            stem: code_of(one.track.read(stem, 0, one.track.samples), mel, timbre)
            for stem in STEMS
            if len(notes[stem])
        }
        yield NoteSong(one.track.samples / NOTES.mel.sample_rate, notes, codes)


@torch.no_grad()
def code_of(wave: FloatArray, mel: LogMel, timbre: Timbre) -> FloatArray:
    """Return the timbre (n, TIMBRE) of a wave (N,) at every TIMBRE_STEP seconds from 0."""
    rest = -len(wave) % NOTES.block_samples
    log_mel = mel(torch.from_numpy(np.pad(wave, (0, rest)))[None])
    with autocast():
        code: FloatArray = timbre(log_mel)[0].numpy()
    return code[:: round(TIMBRE_STEP / FRAME)]


def _shards(songs: Iterator[NoteSong]) -> Iterator[list[NoteSong]]:
    shard: list[NoteSong] = []
    for song in songs:
        shard.append(song)
        if len(shard) == SHARD:
            yield shard
            shard = []
    if shard:
        yield shard
