"""Measure one full-size step of the published denoiser: time and memory, torch and ONNX Runtime.

    python benchmarks/paper_step.py [--frames 256] [--runs 3] [--threads 2] [--half] [--keep DIR]

Each way runs in a process of its own, one after the other, so that its peak memory is its own:

    materialised   torch, the matrix of attention scores held as a whole, as the original does
    torch          torch, attention block by block
    onnxruntime    the exported graph

Weights follow from the tensors' names. Needs 4 GB of disk and, for the first way, 8 GB of memory.
`--keep` leaves the files there for the next time.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bandmate_export.paper.unet import denoiser_graph
from bandmate_export.storage import write_graph
from bandmate_server.model.devices import CPU
from bandmate_server.model.graphs import open_session
from bandmate_server.model.schedule import cumulative_alphas
from bandmate_server.spec import PAPER
from bandmate_training.paper.config import UNET
from bandmate_training.paper.deterministic_weights import fill
from bandmate_training.paper.unet import UNet

WAYS = ("materialised", "torch", "onnxruntime")
WEIGHTS, GRAPH = "unet.pt", "denoiser.onnx"
LEVEL = 500
Array = NDArray[np.float32]
Step = Callable[[dict[str, Array]], Array]


def prepare(folder: Path, half: bool) -> None:
    """Write weights and graph, unless they are there."""
    if (folder / GRAPH).is_file():
        return
    with torch.device("meta"):
        unet = UNet(UNET)
    if (folder / WEIGHTS).is_file():
        unet.load_state_dict(torch.load(folder / WEIGHTS, mmap=True), assign=True)
    else:
        fill(unet, "")
        torch.save(unet.state_dict(), folder / WEIGHTS)
    write_graph(folder, GRAPH, denoiser_graph(unet, PAPER, "float16" if half else "float32"))


def inputs(frames: int) -> dict[str, Array]:
    """Return one step's inputs."""
    rng = np.random.default_rng(0)
    shape = (PAPER.latent_channels, frames, PAPER.latent_bands)
    alpha = float(cumulative_alphas(PAPER.schedule)[LEVEL])
    return {
        "x": rng.standard_normal((1, len(PAPER.stems), *shape), np.float32),
        "level": np.array([LEVEL], np.float32),
        "alpha": np.array([alpha**0.5], np.float32),
        "sigma": np.array([(1 - alpha) ** 0.5], np.float32),
        "guidance": np.ones(1, np.float32),
        "mixture": rng.standard_normal((1, 1, *shape), np.float32),
    }


def torch_step(folder: Path, materialised: bool) -> Step:
    """Return the module's step."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with torch.device("meta"):
        unet = UNet(UNET)
    unet.load_state_dict(torch.load(folder / WEIGHTS), assign=True)
    backend = SDPBackend.MATH if materialised else SDPBackend.FLASH_ATTENTION

    def step(feeds: dict[str, Array]) -> Array:
        given = {name: torch.from_numpy(value) for name, value in feeds.items()}
        with torch.no_grad(), sdpa_kernel(backend):
            noise = unet(given["x"], given["level"], given["mixture"][0])
        return np.asarray(((given["x"] - given["sigma"] * noise) / given["alpha"]).numpy())

    return step


def graph_step(session: Any) -> Step:
    """Return the graph's step."""

    def step(feeds: dict[str, Array]) -> Array:
        found: Array = session.run(None, feeds)[0]
        return found

    return step


def peak_rss() -> float:
    """Return this process' peak memory in GB.

    Linux counts what the parent held at the start into `ru_maxrss`, but not into VmHWM.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure(way: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return the least wall and processor time of a step in this process, and its peak memory."""
    torch.set_num_threads(options.threads)
    feeds = inputs(options.frames)
    if way == "onnxruntime":
        began = time.perf_counter()
        session = open_session(folder / GRAPH, (CPU,), options.threads)
        loaded = time.perf_counter() - began

        step = graph_step(session)
    else:
        step, loaded = torch_step(folder, way == "materialised"), 0.0
    walls, cpus = [], []
    for _ in range(options.runs):
        began, spent = time.perf_counter(), time.process_time()
        result = step(feeds)
        walls.append(time.perf_counter() - began)
        cpus.append(time.process_time() - spent)
    np.save(folder / f"{way}.npy", result)
    return {
        "way": way,
        "seconds": round(min(walls), 2),
        "processor_seconds": round(min(cpus), 2),
        "load_seconds": round(loaded, 2),
        "peak_rss_gb": round(peak_rss(), 2),
    }


def report(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure every way in a fresh process; return the figures, ratios and differences."""
    prepare(folder, options.half)
    found: dict[str, Any] = {"frames": options.frames, "threads": options.threads}
    for way in WAYS:
        command = [sys.executable, __file__, "--way", way, "--keep", str(folder)]
        for option in ("frames", "runs", "threads"):
            command += [f"--{option}", str(getattr(options, option))]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[way] = json.loads(done.stdout)
        sys.stderr.write(done.stdout)
    slow, expected = found["materialised"], np.load(folder / "materialised.npy")
    for way in WAYS[1:]:
        error = np.linalg.norm(np.load(folder / f"{way}.npy") - expected)
        found[way]["relative_error"] = float(error / np.linalg.norm(expected))
        for measure_ in ("seconds", "processor_seconds"):
            found[way][f"{measure_}_ratio"] = round(found[way][measure_] / slow[measure_], 3)
    return found


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--frames", type=int, default=PAPER.window_latents)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--half", action="store_true")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        found = measure(options.way, options.keep, options)
    elif options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        found = report(options.keep, options)
    else:
        with tempfile.TemporaryDirectory() as folder:
            found = report(Path(folder), options)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
