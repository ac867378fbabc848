"""The `slakh` command: from Slakh2100 as it is distributed to one file per stem.

Slakh2100 has a file for every MIDI instrument and says in `metadata.yaml` what each is; the
published system sums those of a kind at 22,050 Hz.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import numpy as np
import soundfile as sf
import torch

from bandmate_server.errors import CorpusError
from bandmate_server.spec import STEMS
from bandmate_training.paper.data.resample import resample

RATE = 22_050  # Hz, of the files to write
SPLITS = ("train", "validation", "test")
HELP = "sum Slakh2100's instruments to bass, drums, guitar and piano"
EXAMPLES = """examples:
  bandmate-train slakh slakh2100_flac_redux --out slakh
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.epilog = EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("source", type=Path, help="folder with train, validation and test")
    add("--out", type=Path, required=True, help="folder to write <split>/<track>/<stem>.wav into")


def run(args: argparse.Namespace) -> int:
    """Convert every track that has all four kinds; those already there are kept."""
    done = skipped = 0
    for split in SPLITS:
        for folder in sorted((args.source / split).glob("*")):
            if not (folder / "metadata.yaml").is_file():
                continue
            target = args.out / split / folder.name
            if target.is_dir() or convert(folder, target):
                done += 1
            else:
                skipped += 1
    if not done:
        raise CorpusError(f"{args.source}: expected <split>/<track>/metadata.yaml with all stems")
    sys.stdout.write(f"{args.out}: {done} tracks; {skipped} lack one of {', '.join(STEMS)}\n")
    return 0


def instruments(metadata: str) -> dict[str, list[str]]:
    """Return stem -> names of the files that belong to it, of the text of a `metadata.yaml`."""
    found: dict[str, list[str]] = {stem: [] for stem in STEMS}
    name = ""
    for line in metadata.splitlines():
        if header := re.fullmatch(r"\s+(S\d+):\s*", line):
            name = header[1]
        kind = re.fullmatch(r"\s+inst_class:\s*(\w+).*", line)
        if kind and name and kind[1].lower() in found:
            found[kind[1].lower()].append(name)
    return found


def convert(folder: Path, target: Path) -> bool:
    """Write a track's stems, whole or not at all; return whether it has all four.

    Raises:
        CorpusError: if a file cannot be read.
    """
    wanted = instruments((folder / "metadata.yaml").read_text("utf-8"))
    files = {s: [p for n in names for p in _audio(folder, n)] for s, names in wanted.items()}
    if not all(files.values()):
        return False
    fresh = target.with_name(f".{target.name}")
    fresh.mkdir(parents=True, exist_ok=True)
    waves = {stem: [_read(path) for path in paths] for stem, paths in files.items()}
    length = max(len(wave) for parts in waves.values() for wave in parts)
    for stem, parts in waves.items():
        total = np.zeros(length, np.float32)
        for wave in parts:
            total[: len(wave)] += wave
        sf.write(fresh / f"{stem}.wav", total, RATE, "FLOAT")
    fresh.rename(target)
    return True


def _audio(folder: Path, name: str) -> list[Path]:
    """Return an instrument's file; none if it was not rendered."""
    places = [folder / "stems" / f"{name}.{ending}" for ending in ("flac", "wav")]
    return [place for place in places if place.is_file()][:1]


def _read(path: Path) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Return the first channel at the rate to write."""
    try:
        wave, rate = sf.read(path, dtype="float32", always_2d=True)
    except sf.SoundFileError as error:
        raise CorpusError(f"{path} is not audio that can be read: {error}") from error
    found = resample(torch.from_numpy(wave[:, 0].copy()), rate, RATE)
    return np.asarray(found.numpy())
