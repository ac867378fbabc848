"""Print what a separation measures: speed, null test, levels, and SI-SDR where truth is known.

    python examples/measure.py STEMS_FOLDER [TRUE_STEMS_FOLDER]

STEMS_FOLDER is one that `bandmate separate` wrote; the input must still be where it was.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

Sound = np.ndarray[tuple[int, int], np.dtype[np.float64]]


def read(path: Path, start: int = 0, frames: int = -1) -> Sound:
    """Return the sound of a file (frames, channels), or of a part of it."""
    sound, _ = soundfile.read(path, start=start, frames=frames, always_2d=True)
    return np.asarray(sound)


def decibels(power: float) -> float:
    """Return ten times the logarithm, with silence at -120 dB."""
    return 10.0 * float(np.log10(max(power, 1e-12)))


def si_sdr(estimate: Sound, truth: Sound) -> float:
    """Return the scale-invariant signal-to-distortion ratio in dB, channels taken together."""
    target = float(np.vdot(estimate, truth) / np.vdot(truth, truth)) * truth
    noise = float(np.sum((estimate - target) ** 2))
    return decibels(float(np.sum(target**2)) / max(noise, 1e-12))


def report(folder: Path, truth: Path | None) -> list[str]:
    """Return the lines to print about one folder of stems."""
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    region = manifest["region"]
    mix = read(Path(manifest["inputs"][0]["path"]), region["start"], region["frames"])
    stems = {stem: read(folder / out["file"]) for stem, out in manifest["outputs"].items()}
    lines = [f"stems are in {folder.resolve()}", ""]
    for stem, sound in stems.items():
        line = f"  {stem:<7} {decibels(float(np.mean(sound**2))):6.1f} dB"
        known = sorted(truth.glob(f"{stem}.*")) if truth else []
        if known:
            true = read(known[0])
            ratio, before = si_sdr(sound, true), si_sdr(mix, true)
            line += f"   SI-SDR {ratio:5.1f} dB, {ratio - before:4.1f} dB better than the mix"
        lines.append(line)
    error = float(np.max(np.abs(sum(stems.values()) - mix)))
    spent = manifest["timings"]["total"]
    device = manifest["provider"].removesuffix("ExecutionProvider")
    return [
        *lines,
        "",
        f"  null test: stems + other are the clip to within {error:.1e} of full scale",
        f"  speed: {region['seconds']:.2f} s in {spent:.2f} s ({device}),"
        f" real-time factor {manifest['realtime_factor']:.3f}",
        f"  model: {manifest['model']['name']} {manifest['model']['version']}",
    ]


if __name__ == "__main__":
    folders = [Path(argument) for argument in sys.argv[1:]]
    if not 1 <= len(folders) <= 2:
        sys.exit(__doc__)
    print("\n".join(report(folders[0], folders[1] if len(folders) == 2 else None)))
