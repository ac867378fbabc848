"""Measure HTDemucs here and in PyPI's demucs: processor time and peak memory, file to stems.

    python benchmarks/separators.py [--seconds 180] [--threads 2] [--runs 1] [--sources 4|6]

Both have the same random weights, of the published size. Each run is a process of its own, which
reads the song, loads the network, separates and writes the stems as float WAV; the two take
turns. What counts is the processor time of the process, all its threads together, as other programs
may run at the same time. Needs the extras `export` and `dev`, and prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

RATE = 44_100
WAYS = ("demucs", "bandmate")
SOURCES = ("drums", "bass", "other", "vocals", "guitar", "piano")
SEGMENT = 7.8  # seconds


def prepare(folder: Path, seconds: float, sources: int) -> None:
    """Write a package with random weights, the bundle that is made of it, and a song."""
    import torch
    from demucs.htdemucs import HTDemucs

    from bandmate_export.published import convert

    torch.manual_seed(0)
    network = HTDemucs(list(SOURCES[:sources]), bottom_channels=512, dconv_mode=3, segment=SEGMENT)
    args, kwargs = network._init_args_kwargs
    state = {name: value.half() for name, value in network.state_dict().items()}
    package = {"klass": HTDemucs, "args": args, "kwargs": kwargs, "state": state}
    torch.save(package, folder / "package.th")
    convert("htdemucs", {"0": folder / "package.th"}, folder / "bundle")
    noise = np.random.default_rng(0).standard_normal((round(seconds * RATE), 2), np.float32)
    soundfile.write(folder / "song.wav", 0.1 * noise, RATE, "FLOAT")


def with_demucs(folder: Path, threads: int) -> None:
    """Separate as the reference does."""
    import torch
    from demucs import states
    from demucs.apply import apply_model

    torch.set_num_threads(threads)
    load: Any = states.load_model
    network = load(folder / "package.th").eval()
    song, _ = soundfile.read(folder / "song.wav", dtype="float32")
    mix = torch.from_numpy(song.T.copy())[None]
    stems = apply_model(network, mix, shifts=0, overlap=0.25)[0]
    for name, stem in zip(network.sources, stems, strict=True):
        soundfile.write(folder / f"{name}.wav", stem.T.numpy(), RATE, "FLOAT")


def with_bandmate(folder: Path, threads: int) -> None:
    """Separate with the command."""
    from bandmate_bridge.cli import main

    words = ["--model", str(folder / "bundle"), "--threads", str(threads), "--device", "cpu"]
    words += ["--out", str(folder / "stems"), "--format", "wav", "--bit-depth", "32f", "--force"]
    code = main(["separate", str(folder / "song.wav"), "--quiet", *words])
    if code:
        raise SystemExit(code)


def one(way: str, folder: Path, threads: int) -> dict[str, float]:
    """Run one way in this process; return seconds and megabytes."""
    began = time.perf_counter()
    {"demucs": with_demucs, "bandmate": with_bandmate}[way](folder, threads)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB on Linux
    return {
        "cpu_seconds": round(time.process_time(), 1),
        "seconds": round(time.perf_counter() - began, 1),
        "peak_mb": round(peak / 1024, 0),
    }


def compare(seconds: float, threads: int, runs: int, sources: int) -> dict[str, Any]:
    """Return the least of all runs of both ways, and ours as shares of theirs."""
    with tempfile.TemporaryDirectory() as name:
        words = [sys.executable, "-W", "ignore", __file__, "--folder", name]
        words += ["--threads", str(threads), "--seconds", str(seconds), "--sources", str(sources)]
        subprocess.run([*words, "--way", "prepare"], check=True)
        found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(runs):
            for way in WAYS:
                done = subprocess.run([*words, "--way", way], check=True, capture_output=True)
                found[way].append(json.loads(done.stdout.splitlines()[-1]))
    least = {way: {k: min(run[k] for run in rows) for k in rows[0]} for way, rows in found.items()}
    ratios = {
        key: round(least["bandmate"][key] / least["demucs"][key], 2)
        for key in ("cpu_seconds", "peak_mb")
    }
    return {"song_seconds": seconds, "threads": threads, "runs": runs, **least, "ratio": ratios}


def main() -> None:
    """Read the command line and print what was measured."""
    parser = argparse.ArgumentParser(description="Compare with PyPI's demucs.")
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--sources", type=int, choices=(4, 6), default=4)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--way", choices=("prepare", *WAYS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way == "prepare":
        prepare(options.folder, options.seconds, options.sources)
        return
    if options.way:
        found: dict[str, Any] = one(options.way, options.folder, options.threads)
    else:
        found = compare(options.seconds, options.threads, options.runs, options.sources)
    sys.stdout.write(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    main()
