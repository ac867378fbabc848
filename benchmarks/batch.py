"""Measure `bandmate batch`: workers against one, against `bandmate separate`, windows together.

    python benchmarks/batch.py [--model NAME|PATH] [--songs N] [--seconds S] [--repeats N]

All as ratios of times in one run, the median of the repeats, on one thread a worker; and both
commands as they come, on all cores. Times are whole processes, with Python and the model loading.
"""

from __future__ import annotations

import argparse
import json
import os
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

from bandmate_server.model.opening import open_latent_model

RATE = 44_100
TOGETHER = (1, 2, 4, 8)  # windows of several songs in one call of the network


def music(seconds: float, seed: int) -> NDArray[np.float32]:
    """Return decaying chords over a little noise (frames, 2)."""
    rng = np.random.default_rng(seed)
    time_ = np.arange(round(seconds * RATE)) / RATE
    pitches = 55.0 * 2.0 ** (rng.integers(0, 48, 5) / 12.0)
    chord = sum(np.sin(2 * np.pi * pitch * time_) for pitch in pitches)
    wave = 0.08 * chord * np.exp(-4.0 * (time_ % 0.5)) + 0.01 * rng.standard_normal(len(time_))
    return np.stack([wave, 0.8 * wave], axis=1).astype(np.float32)


def timed(arguments: list[str]) -> tuple[float, float]:
    """Return how long a `bandmate` command takes, and its processor time, workers included."""
    command = [sys.executable, "-m", "bandmate_bridge.cli", *arguments]
    single = {"OMP_NUM_THREADS": "1"} if "--threads" in arguments else {}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, env={**os.environ, **single})
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, spent


def measure_commands(model: str, songs: int, seconds: float, repeats: int) -> dict[str, Any]:
    """Return the commands' times and their ratios."""
    names = ("separate", "one worker", "two workers", "separate, all cores", "batch, all cores")
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "songs").mkdir()
        for number in range(songs):
            path = place / "songs" / f"{number:03}.wav"
            soundfile.write(path, music(seconds, number), RATE, "PCM_16")
        paths = [str(path) for path in sorted((place / "songs").iterdir())]
        common = ["--model", model, "--device", "cpu", "--quiet", "--force"]
        out = ["--out", str(place / "out"), *common]
        separate, batch = ["separate", *paths, *out], ["batch", str(place / "songs"), *out]
        thread = ["--threads", "1"]
        for _ in range(repeats):
            times["separate"].append(timed([*separate, *thread]))
            times["one worker"].append(timed([*batch, *thread, "--jobs", "1"]))
            times["two workers"].append(timed([*batch, *thread, "--jobs", "2"]))
            times["separate, all cores"].append(timed(separate))
            times["batch, all cores"].append(timed(batch))
    middle = {name: statistics.median(wall for wall, _ in runs) for name, runs in times.items()}
    spent = {name: statistics.median(cpu for _, cpu in runs) for name, runs in times.items()}
    audio = songs * seconds
    return {
        "songs": songs,
        "seconds_each": seconds,
        "realtime_factors": {name: round(value / audio, 5) for name, value in middle.items()},
        "processor_seconds_per_second": {
            name: round(value / audio, 5) for name, value in spent.items()
        },
        "two_workers_against_one": round(middle["one worker"] / middle["two workers"], 3),
        "batch_against_separate": round(middle["separate"] / middle["one worker"], 3),
        "batch_against_separate_processor": round(spent["separate"] / spent["one worker"], 3),
        "batch_against_separate_all_cores": round(
            middle["separate, all cores"] / middle["batch, all cores"], 3
        ),
    }


def measure_windows(name: str, repeats: int) -> dict[str, float]:
    """Return the processor time per window of the separator, relative to one at a time.

    The least of the repeats, on one thread.
    """
    model = open_latent_model(name, "cpu", threads=1)
    rng = np.random.default_rng(0)
    times: dict[int, list[float]] = {count: [] for count in TOGETHER}
    for repeat in range(repeats + 1):
        for count in TOGETHER:
            waves = rng.standard_normal((count, 32 * model.spec.block_samples)).astype(np.float32)
            began = time.process_time()
            for _ in range(max(TOGETHER) // count):
                model.mask_logits(0.1 * waves)
            if repeat:  # The first is for warming up.
                times[count].append(time.process_time() - began)
    least = {count: min(values) for count, values in times.items()}
    return {str(count): round(value / least[1], 3) for count, value in least.items()}


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--songs", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    report: dict[str, Any] = {"machine": platform.platform(), "cores": os.cpu_count()}
    report |= measure_commands(options.model, options.songs, options.seconds, options.repeats)
    report["windows_together_time_each"] = measure_windows(options.model, options.repeats)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
