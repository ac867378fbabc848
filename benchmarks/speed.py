"""Measure the engine: speed as ratios to real time, share inside ONNX Runtime, memory.

    python benchmarks/speed.py [--model NAME|PATH] [--threads N] [--long]

`--long` adds 6 and 60 minutes of 48 kHz stereo, file to file, each in a process of its own:
about 8 GB of temporary disk, a few minutes.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from bandmate_server import (
    PartSettings,
    add,
    open_model,
    separate,
    separate_file,
)
from bandmate_server.model.opening import open_latent_model

SECONDS = 10.24
REPEATS = 7
KINDS = ((16_000, 1), (44_100, 2), (48_000, 2))  # (Hz, channels)
MINUTES = (6, 60)
PART_SECONDS = (SECONDS, 60.0)
PART_REPEATS = 3


def music(seconds: float, rate: int, channels: int) -> NDArray[np.float32]:
    """Return decaying chords over a little noise (frames, channels)."""
    time_ = np.arange(round(seconds * rate)) / rate
    chord = sum(np.sin(2 * np.pi * f * time_) for f in (55.0, 220.0, 277.2, 659.3, 2637.0))
    noise = np.random.default_rng(0).standard_normal(len(time_))
    wave = 0.1 * chord * np.exp(-4.0 * (time_ % 0.5)) + 0.01 * noise
    return np.stack([wave * (1.0 - 0.2 * c) for c in range(channels)], axis=1).astype(np.float32)


def measure_load(name: str, threads: int | None) -> dict[str, Any]:
    """Return how long a model takes to open, with ONNX Runtime loaded already."""
    open_model(name, threads=threads)
    began = time.perf_counter()
    model = open_model(name, threads=threads)
    seconds = time.perf_counter() - began
    return {
        "load_seconds": round(seconds, 3),
        "provider": model.provider,
        "threads": model.threads,
        "model": model.bundle.name,
        "hash": model.bundle.hash[:12],
    }


def measure_region(name: str, threads: int | None, rate: int, channels: int) -> dict[str, Any]:
    """Return the median time of a 10.24 s region, and the mean share of it in ONNX Runtime."""
    model = open_model(name, threads=threads)
    audio = music(SECONDS, rate, channels)
    separate(model, audio, sample_rate=rate)
    walls, shares = [], []
    for _ in range(REPEATS):
        inside, began = model.ort_seconds, time.perf_counter()
        separate(model, audio, sample_rate=rate)
        walls.append(time.perf_counter() - began)
        shares.append((model.ort_seconds - inside) / walls[-1])
    seconds = statistics.median(walls)
    return {
        "rate": rate,
        "channels": channels,
        "seconds": round(seconds, 4),
        "realtime_factor": round(seconds / SECONDS, 5),
        "onnxruntime_share": round(statistics.mean(shares), 3),
    }


def measure_parts(name: str, threads: int | None) -> list[dict[str, Any]]:
    """Return how long adding a guitar to two 48 kHz stereo stems takes, by length of the region.

    The times of both lengths are taken in turn, so that their ratio holds on a busy machine too;
    what the model remembers of the given stems is forgotten every time.
    """
    model = open_latent_model(name, threads=threads)
    given = {seconds: _two_stems(seconds) for seconds in PART_SECONDS}
    add(model, "guitar", given[SECONDS], sample_rate=48_000, settings=PartSettings(steps=1))
    walls: dict[float, list[float]] = {seconds: [] for seconds in PART_SECONDS}
    for _ in range(PART_REPEATS):
        for seconds in PART_SECONDS:
            model.latents.clear()
            began = time.perf_counter()
            add(model, "guitar", given[seconds], sample_rate=48_000)
            walls[seconds].append(time.perf_counter() - began)
    shortest = statistics.median(walls[SECONDS])
    return [
        {
            "region_seconds": seconds,
            "seconds": round(statistics.median(found), 3),
            "realtime_factor": round(statistics.median(found) / seconds, 4),
            "against_one_window": round(statistics.median(found) / shortest, 2),
        }
        for seconds, found in walls.items()
    ]


def _two_stems(seconds: float) -> dict[str, NDArray[np.float32]]:
    sound = music(seconds, 48_000, 2)
    return {"bass": 0.5 * sound, "drums": 0.5 * sound[::-1].copy()}


def measure_long(name: str, threads: int | None, minutes: int) -> dict[str, Any]:
    """Return time and peak memory of a long file, separated in this process."""
    model = open_model(name, threads=threads)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.wav"
        minute = music(60.0, 48_000, 2)
        with soundfile.SoundFile(path, "w", 48_000, 2, "PCM_16") as file:
            for _ in range(minutes):
                file.write(minute)
        manifest = separate_file(model, path, folder).manifest
    return {
        "minutes": minutes,
        "seconds": manifest["timings"]["total"],
        "realtime_factor": manifest["realtime_factor"],
        "onnxruntime_share": round(
            manifest["timings"]["onnxruntime"] / manifest["timings"]["total"], 3
        ),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def run_long(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure each length in a fresh process, so that its peak memory is its own."""
    found = []
    for minutes in MINUTES:
        command = [sys.executable, __file__, "--model", options.model, "--minutes", str(minutes)]
        if options.threads:
            command += ["--threads", str(options.threads)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found.append(json.loads(done.stdout))
    return found


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--minutes", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.minutes:
        report: dict[str, Any] = measure_long(options.model, options.threads, options.minutes)
    else:
        report = {"machine": platform.platform(), "python": platform.python_version()}
        report |= measure_load(options.model, options.threads)
        report["regions"] = [
            measure_region(options.model, options.threads, *kind) for kind in KINDS
        ]
        report["parts"] = measure_parts(options.model, options.threads)
        if options.long:
            report["long"] = run_long(options)
            first, last = (entry["seconds"] for entry in report["long"])
            report["sixty_minutes_against_six"] = round(last / first, 2)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
