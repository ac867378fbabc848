"""Measure a running server: how fast it answers while a job runs, moves audio, and ends jobs.

python benchmarks/serve.py SONG

SONG is an audio file of 10 s or more. Prints one JSON object.
"""

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from bandmate_bridge.client import Client, Progress, connect

QUESTIONS = 500
BEATS = 20  # progress events that are timed
UPLOAD_SECONDS, UPLOAD_RATE = 60, 48_000


def main() -> None:
    """Start a server, measure, and print what was found."""
    song = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        long = Path(folder) / "long.wav"
        audio, rate = soundfile.read(song, dtype="float32", always_2d=True)
        soundfile.write(long, np.tile(audio, (30, 1)), rate, "FLOAT")
        command = [sys.executable, "-m", "bandmate_bridge.cli", "serve", "--port", "0", "--json"]
        command += ["--workdir", f"{folder}/work", "--allow", folder]
        server = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert server.stdout is not None
        try:
            port = json.loads(server.stdout.readline())["port"]
            with connect(port=port, timeout=60) as client, connect(port=port) as watcher:
                soundfile.write(Path(folder) / "ten.wav", audio[: 10 * rate], rate, "FLOAT")
                found = {
                    "separate 10 s, first": one_job(client, Path(folder) / "ten.wav"),
                    "separate 10 s, warm": one_job(client, Path(folder) / "ten.wav"),
                }
                found |= answers(client, watcher, long) | transfers(client)
        finally:
            server.terminate()
            server.wait()
            server.stdout.close()
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


def one_job(client: Client, path: Path) -> dict[str, float]:
    """Return the seconds from request to done, and of them those of the engine."""
    began = time.perf_counter()
    status = client.wait(client.separate(path))
    total = time.perf_counter() - began
    manifest = json.loads(Path(status["manifest"]).read_text())
    engine = manifest["timings"]["total"]
    return {"seconds": round(total, 3), "engine": round(engine, 3)}


def answers(client: Client, watcher: Client, path: Path) -> dict[str, Any]:
    """Return how long answers take, and how far progress events are apart, while a job runs."""
    job = client.separate(path)
    while client.status(job)["stage"] in ("", "start"):
        time.sleep(0.05)
    times = []
    for _ in range(QUESTIONS):
        began = time.perf_counter()
        client.hello()
        times.append((time.perf_counter() - began) * 1000)
        time.sleep(0.002)
    beats = []
    for event in watcher.events(job):
        if isinstance(event, Progress):
            beats.append(time.perf_counter())
        if len(beats) == BEATS:
            break
    client.cancel(job)
    gaps = [later - earlier for earlier, later in itertools.pairwise(beats)]
    return {
        "answer, ms": {
            "median": round(statistics.median(times), 2),
            "99 %": round(sorted(times)[QUESTIONS * 99 // 100], 2),
            "worst": round(max(times), 2),
        },
        "progress, longest gap, s": round(max(gaps, default=0.0), 3),
    }


def transfers(client: Client) -> dict[str, float]:
    """Return the seconds that 60 s of stereo float take there and back."""
    data = np.random.default_rng(0).bytes(UPLOAD_SECONDS * UPLOAD_RATE * 2 * 4)
    began = time.perf_counter()
    name = client.put(data)
    between = time.perf_counter()
    client.get(name)
    ended = time.perf_counter()
    return {"put 60 s, s": round(between - began, 3), "get 60 s, s": round(ended - between, 3)}


if __name__ == "__main__":
    main()
