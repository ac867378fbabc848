"""What a result's manifest says of its inputs, its model and its files, the same for all tasks."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bandmate_server.audio.sources import FileSource
from bandmate_server.audio.windows import Region
from bandmate_server.files import hash_file
from bandmate_server.model.opened_bundle import OpenedBundle
from bandmate_server.results.stem_file import StemFile
from bandmate_server.version import bandmate_version


def describe_job(task: str) -> dict[str, Any]:
    """Return what is being done, by what, and when."""
    return {
        "task": task,
        "version": bandmate_version(),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def describe_input(source: FileSource, path: Path) -> dict[str, Any]:
    """Return an input's entry; reads the whole file for its hash."""
    return {
        "path": str(path.absolute()),
        "sha256": hash_file(path),
        "rate": source.rate,
        "channels": source.channels,
        "frames": source.frames,
        "format": source.format,
        "subtype": source.subtype,
    }


def describe_region(region: Region, rate: int, channels: int) -> dict[str, Any]:
    """Return the region, and the shape of the files written for it."""
    span = {"start": region.start, "frames": region.frames, "seconds": region.frames / rate}
    return {"region": span, "rate": rate, "channels": channels, "frames": region.frames}


def describe_model(model: OpenedBundle) -> dict[str, Any]:
    """Return the model's entry, and what it ran on."""
    bundle = model.bundle
    return {
        "model": {
            "name": bundle.name,
            "version": bundle.version,
            "hash": bundle.hash,
            "path": str(bundle.path.absolute()),
        },
        "provider": model.provider,
        "device": model.device,
        "threads": model.threads,
    }


def describe_file(file: StemFile, midi: str | None = None) -> dict[str, Any]:
    """Return a stem's entry: file, peak, RMS in dBFS (null for silence), and its MIDI file."""
    loudness = round(20.0 * math.log10(file.rms), 2) if file.rms > 0.0 else None
    notes = {} if midi is None else {"midi": midi}
    return {"file": file.path.name, "peak": round(file.peak, 6), "rms_db": loudness, **notes}


def clipping_warnings(files: Mapping[str, StemFile]) -> list[str]:
    """Return a warning for every file whose integer format could not hold the peaks."""
    found = []
    for name, file in files.items():
        if file.clipped:
            peak = f"{file.clipped} samples, peak {20.0 * math.log10(file.peak):+.1f} dBFS"
            found.append(f"{name} was clipped to the integer format: {peak}; 32f keeps it whole")
    return found
