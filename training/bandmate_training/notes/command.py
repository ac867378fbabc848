"""The command `bandmate-train notes`: songs as lists of notes, to train on."""

from __future__ import annotations

import argparse
import multiprocessing
import signal
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from bandmate_server.errors import CorpusError
from bandmate_training.corpus.build import SPLITS, Sources
from bandmate_training.corpus.command import check_tools
from bandmate_training.notes.songs import SHARD, ShardMaker

VALIDATION = 1 / 16  # validation songs for each training song, at least a shard
HELP = "compose songs as lists of notes, without rendering them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--out", type=Path, required=True, help="folder of the set")
    parser.add_argument("--songs", type=int, default=8000, help="training songs (default 8000)")
    parser.add_argument("--seed", type=int, default=1, help="decides every song")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--pop909", type=Path, help="POP909 (folder or zip); left out without it")


def plan_shards(songs: int) -> list[tuple[str, int]]:
    """Return the shards (split, number) for a number of training songs, validation first."""
    train = -(-songs // SHARD)
    validation = max(1, round(train * VALIDATION))
    return [(split, k) for split, n in zip(SPLITS[::-1], (validation, train), strict=True)
            for k in range(n)]  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Compose what is missing of the set.

    Raises:
        CorpusError: if a source is missing, or an option is out of range.
    """
    if args.songs < 1 or args.jobs < 1 or args.seed < 0:
        raise CorpusError("--songs and --jobs must be positive, --seed not negative")
    check_tools(args.pop909)
    args.out.mkdir(parents=True, exist_ok=True)
    shards = plan_shards(args.songs)
    maker = ShardMaker(args.out, args.seed, Sources(args.pop909))
    with tqdm(total=len(shards) * SHARD, unit="song") as bar:
        for _ in _made(shards, maker, args.jobs):
            bar.update(SHARD)
    return 0


def _quiet() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _made(shards: list[tuple[str, int]], maker: ShardMaker, jobs: int) -> Iterator[int]:
    if jobs < 2:
        yield from map(maker, shards)
        return
    pool = multiprocessing.get_context("spawn").Pool(jobs, _quiet)
    try:
        yield from pool.imap_unordered(maker, shards)
    finally:
        pool.terminate()
        pool.join()
