"""What a musician waits beyond the model: from the action to the tracks, in the real Ardour.

    python -m pytest -s tests/plugin_bridge/daw/ardour/measure_latency.py

Separates 10 s of stereo on the shipped model and prints a line of JSON per run; the machine should
be idle. Beside the clock it has the processor time that Ardour took, less what it takes at rest.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

SONG = Path(__file__).parents[4] / "examples" / "late-bus.flac"
SECONDS = 10
RUNS = 4


@pytest.fixture(scope="module")
def served_model() -> str:
    return "mini"


def processor_time(pid: int) -> float:
    """Return the seconds that a process has run so far."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("rate", [48_000])
def test_how_long_it_takes(
    open_ardour: Callable[[int], Any], server: Any, tmp_path: Path, wait: Any, rate: int
) -> None:
    audio, _ = soundfile.read(SONG, dtype="float32", always_2d=True)
    stereo = np.resize(audio, (SECONDS * rate, audio.shape[1]))[:, [0, -1]]
    ardour = open_ardour(rate)
    for run in range(RUNS):
        soundfile.write(tmp_path / f"mix {run}.wav", stereo, rate, "FLOAT")
        ardour.import_sound(tmp_path / f"mix {run}.wav", rate)
    time.sleep(5)
    resting = processor_time(ardour.process.pid)
    time.sleep(5)
    rest = (processor_time(ardour.process.pid) - resting) / 5
    for run in range(RUNS):
        ardour.select_regions(f"mix {run}")
        done = server.mail("imported")
        spent, began = processor_time(ardour.process.pid), time.monotonic()
        ardour.action("bandmate: Separate selection")
        while server.mail("imported") == done:
            time.sleep(0.005)
        seconds = time.monotonic() - began
        spent = processor_time(ardour.process.pid) - spent - rest * seconds
        (job,) = server.mail("imported") - done
        status = wait("job done", lambda job=job: {j["job"]: j for j in server.jobs()}[job])
        manifest = json.loads(Path(status["manifest"]).read_text())
        model = manifest["timings"]["total"]
        figures = {"action to tracks": seconds, "model": model, "beyond": seconds - model}
        figures |= {"Ardour, processor": spent}
        sys.stdout.write(json.dumps({k: round(v, 2) for k, v in figures.items()}) + "\n")
    ardour.quit()
