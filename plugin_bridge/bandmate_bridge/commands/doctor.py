"""`bandmate doctor`: what is used, how fast it is, and why anything is not used."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import time
from typing import Any

import numpy as np

from bandmate_bridge.commands import models, recommend
from bandmate_bridge.terminal.console import print_error, print_json, print_result, print_warning
from bandmate_bridge.terminal.interrupts import Interrupt
from bandmate_server import open_model, separate
from bandmate_server.errors import BandmateError
from bandmate_server.model import bundle
from bandmate_server.model.devices import ACCELERATORS, CPU, device_report
from bandmate_server.model.library.choice import model_for, models_by_task

RATE = 44_100  # Hz, of the music that the speed is measured on
DEVICES = {CPU: "cpu"} | {one.provider: word for word, one in ACCELERATORS.items()}


def run(options: argparse.Namespace, _interrupt: Interrupt) -> int:
    """Report on devices, models and speed, and return 0 if the model asked for works."""
    report = examine(options.model, options.device, options.threads)
    if options.json:
        print_json({"command": "doctor", **report})
    elif not options.quiet:
        for text in _lines(report):
            print_result(text)
    for warning in report["warnings"]:
        print_warning(warning)
    if not report["ok"]:
        print_error(report["error"])
    return 0 if report["ok"] else 1


def examine(model: str | None, device: str, threads: int | None) -> dict[str, Any]:
    """Return the whole report as JSON values.

    Args:
        model: name or path of the model to try; None: the one that separates.
        device: a word of `options.DEVICE`.
        threads: None for all cores.
    """
    report: dict[str, Any] = {
        "ok": True,
        "error": None,
        "warnings": [],
        "versions": _versions(),
        "devices": device_report(),
        "models": [models.describe(path, graphs=True) for path in bundle.list_bundles().values()],
        "model_folders": [str(folder) for folder in bundle.bundle_folders()],
        "chosen": {},
        "used": None,
        "speed": None,
        **recommend.report(recommend.this_machine()),
    }
    try:
        report["chosen"] = models_by_task()
        report |= _tried(model_for("separate", model), device, threads)
    except BandmateError as error:
        report |= {"ok": False, "error": str(error)}
    return report


def _versions() -> dict[str, str]:
    found = {
        "bandmate": importlib.metadata.version("bandmate"),
        "python": platform.python_version(),
    }
    for name in ("onnxruntime", "onnxruntime-gpu", "numpy", "soundfile", "soxr"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    found["system"] = f"{platform.system()} {platform.machine()}"
    return found


def _tried(name: str, device: str, threads: int | None) -> dict[str, Any]:
    started = time.perf_counter()
    model = open_model(name, device=device, threads=threads)
    sound = _music(model.spec.window_samples / model.spec.sample_rate)
    seconds = len(sound) / RATE
    loading = time.perf_counter() - started
    separate(model, sound[: RATE * 2], sample_rate=RATE)  # What is done only once is not speed.
    inside, started = model.ort_seconds, time.perf_counter()
    separate(model, sound, sample_rate=RATE)
    spent = time.perf_counter() - started
    return {
        "warnings": list(model.warnings),
        "used": {
            "model": model.bundle.name,
            "path": str(model.bundle.path),
            "hash": model.bundle.hash,
            "provider": model.provider,
            "device": DEVICES.get(model.provider, model.provider),
        },
        "speed": {
            "seconds_of_music": round(seconds, 3),
            "seconds": round(spent, 4),
            "realtime_factor": round(spent / seconds, 4),
            "onnxruntime_share": float(f"{(model.ort_seconds - inside) / spent:.3g}"),
            "load_seconds": round(loading, 3),
        },
    }


def _music(seconds: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Return something like music (frames, 2): decaying chords over quiet noise."""
    rng = np.random.default_rng(0)
    at = np.arange(round(seconds * RATE)) / RATE
    beat = at % 0.5
    chord = sum(np.sin(2 * np.pi * pitch * at) for pitch in (55.0, 220.0, 277.2, 329.6))
    sound = 0.1 * np.exp(-4.0 * beat) * chord + 0.02 * rng.standard_normal(len(at))
    return np.stack([sound, 0.8 * sound], axis=1).astype(np.float32)


def _lines(report: dict[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {value}" for name, value in report["versions"].items())
    used, speed = report["used"], report["speed"]
    lines = [versions, "devices"]
    for provider, reason in report["devices"]["reasons"].items():
        is_used = used is not None and used["provider"] == provider
        given = report["devices"]["options"].get(provider, {})
        shown = f" ({', '.join(f'{key} {value}' for key, value in given.items())})" if given else ""
        word = DEVICES.get(provider, provider)
        lines.append(f"  {word}: {f'used{shown}' if is_used else reason}")
    lines.append("models")
    if used is not None and used["path"] not in [model["path"] for model in report["models"]]:
        lines.append(f"  used: {used['model']}, {used['path']}")
    for model in report["models"]:
        is_used = used is not None and used["path"] == model["path"]
        lines.append(f"  {'used: ' if is_used else ''}{models.line(model)}")
    if not report["models"]:
        lines.append(f"  none in {', '.join(report['model_folders'])}")
    lines.append("model for each task (`bandmate config`)")
    lines += [f"  {task}: {name}" for task, name in report["chosen"].items()]
    lines += recommend.lines(report)
    if speed is not None:
        lines.append("speed")
        lines.append(
            f"  {speed['seconds_of_music']:.2f} s of music in {speed['seconds']:.2f} s"
            f" (RTF {speed['realtime_factor']:.3f}, {speed['onnxruntime_share']:.0%} of it in"
            f" ONNX Runtime), loaded in {speed['load_seconds']:.2f} s"
        )
    return lines
