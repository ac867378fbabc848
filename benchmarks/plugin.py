"""What the plug-in costs, and how soon stems are in place.

    python benchmarks/plugin.py

Prints a line of JSON: the audio callback with all stems playing, at 48 kHz and 64 frames, as a
share of its period (mean and 99.9th percentile); and the time from the end of a capture of 10 s to
stems in place, less the engine's own, on the shipped model. The machine should be idle.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

ROOT = Path(__file__).parents[1]
SONG = ROOT / "examples" / "late-bus.flac"
RATE, BLOCK, SECONDS, RUNS = 48_000, 64, 10, 5
PERIOD = 1e6 * BLOCK / RATE  # microseconds


def tools() -> Any:
    """Return the headless host of the tests."""
    path = ROOT / "tests" / "plugin_bridge" / "plugin" / "conftest.py"
    spec = importlib.util.spec_from_file_location("plugin_tools", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["plugin_tools"] = module
    spec.loader.exec_module(module)
    return module


def engine_seconds(place: Any, job: str) -> float:
    """Return how long the server worked on a job."""
    state = json.loads((place.workdir / "jobs" / job / "state.json").read_text("utf-8"))
    return float(state["finished"] - state["started"])


def in_place(host: Any, server: Any, sound: Any, start: int) -> float:
    """Return the seconds from the end of a capture to stems in place, less the engine's."""
    host.track(sound, start)
    host.set(capture=1)
    host.play(start, len(sound))
    known = {job["job"] for job in server.jobs()}
    began = time.monotonic()
    host.set(capture=0)
    host.set(solo_drums=1)
    while np.array_equal(host.play(start, BLOCK, BLOCK), sound[:BLOCK]):
        time.sleep(0.002)
    seconds = time.monotonic() - began
    host.set(solo_drums=0)
    (job,) = {job["job"] for job in server.jobs()} - known
    return seconds - engine_seconds(server.place, job)


def main() -> None:
    """Measure and print."""
    module = tools()
    program = module.build_host(ROOT / "build" / "plugin-core")
    audio, _ = soundfile.read(SONG, dtype="float32", always_2d=True)
    long = np.resize(audio, (SECONDS * RATE * RUNS, audio.shape[1]))[:, [0, -1]]
    with tempfile.TemporaryDirectory() as folder:
        place = module.Place(Path(folder))
        server = module.Server(place, "mini")
        server.start()
        host = module.Headless(program, place, "core", "stems", RATE)
        delays = []
        for run in range(RUNS):
            part = long[run * SECONDS * RATE : (run + 1) * SECONDS * RATE]
            delays.append(in_place(host, server, part, 2 * run * SECONDS * RATE))
        mean, worst = map(float, host.say(f"bench 0 {SECONDS * RATE} {BLOCK}").split())
        host.close()
        server.stop()
    report = {
        "callback_percent": round(100 * mean / PERIOD, 2),
        "callback_percent_99.9": round(100 * worst / PERIOD, 2),
        "in_place_seconds": [round(delay, 3) for delay in sorted(delays)],
    }
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
