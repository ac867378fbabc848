"""Checks of the front end: log-mels, resampling, windows of tracks, the data path."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile as sf
import torch
import torch.nn.functional as F
from torch import Tensor

from bandmate_server.model.mel import filter_bank
from bandmate_server.spec import MEL, STEMS
from bandmate_training.conformance.check import (
    Array,
    Arrays,
    Check,
    Reference,
    absolute,
    count,
    mean_absolute,
    relative,
    tensor,
)
from bandmate_training.networks.mel import LogMel
from bandmate_training.paper.data.resample import resample
from bandmate_training.paper.data.segments import WINDOW, first_frame, moved, offsets
from bandmate_training.paper.data.slakh import Segment, find_segments

LARGEST, MEAN = 1e-2, 2e-4  # of log-mels of tonal signals
NOISY = 1e-4  # of log-mels of noise
WAVE = 1e-5  # of resampled waves
FULL_SCALE = 32768.0  # of int16


def _wave(array: Array) -> Tensor:
    whole = np.issubdtype(array.dtype, np.integer)
    return torch.from_numpy(array.astype(np.float32) / np.float32(FULL_SCALE if whole else 1.0))


def _log_mels(name: str, found: Tensor, expected: Array) -> Iterator[Check]:
    yield absolute(name, found, expected, LARGEST)
    yield mean_absolute(name, found, expected, MEAN)


def mel(reference: Reference, file: Path) -> Iterator[Check]:
    """Check the filter bank, spectra and log-mels of waves."""
    data, front = reference.arrays(file), LogMel(MEL)
    yield relative(f"{file.name} mel_basis", filter_bank(MEL), data["mel_basis"])
    for key in [key for key in data if key.startswith("wave_")]:
        name = key.removeprefix("wave_")
        wave = _wave(data[key])
        if f"mel_{name}" in data:
            # As in the data path: zeros after the end, up to whole windows.
            frames = len(data[f"mel_{name}"])
            found = front(F.pad(wave, (0, frames * MEL.hop - len(wave))))
            if name in ("noise", "short"):
                yield absolute(f"{file.name} mel_{name}", found, data[f"mel_{name}"], NOISY)
            else:
                yield from _log_mels(f"{file.name} mel_{name}", found, data[f"mel_{name}"])
        if f"mel_{name}_raw" in data:
            yield from _unpadded(file.name, name, wave, data)


def _unpadded(file: str, name: str, wave: Tensor, data: Arrays) -> Iterator[Check]:
    """Check all frames of a wave as it is, and what is computed on the way."""
    front = LogMel(MEL)
    spectrum = front.all_frames(wave)
    found = front.log_mel(spectrum)
    yield from _log_mels(f"{file} mel_{name}_raw", found, data[f"mel_{name}_raw"])
    magnitude = spectrum.abs()
    if f"logmag_{name}_raw_f16" in data:
        wanted = data[f"logmag_{name}_raw_f16"].astype(np.float32)
        level = magnitude.clamp_min(MEL.floor).log()
        yield mean_absolute(f"{file} logmag_{name}_raw_f16", level, wanted, 4e-3)
    if f"energy_{name}_raw" in data:
        energy = magnitude.square().sum(-1).sqrt()
        yield relative(f"{file} energy_{name}_raw", energy, data[f"energy_{name}_raw"])
    if f"mel_{name}_dataset" in data:
        wanted = data[f"mel_{name}_dataset"]
        filled = F.pad(found, (0, 0, 0, len(wanted) - len(found)))
        yield from _log_mels(f"{file} mel_{name}_dataset", filled, wanted)


def resampling(reference: Reference, file: Path) -> Iterator[Check]:
    """Check resampled waves: `x<rate>` becomes `y<rate>`, or `y<rate>_from_<rate>`."""
    data = reference.arrays(file)
    for key in [key for key in data if re.fullmatch(r"x\d+", key)]:
        source = int(key[1:])
        for partner in data:
            found = re.fullmatch(r"y(\d+)(?:_from_(\d+))?", partner)
            if found is None or int(found[2] or 22050) != source:
                continue
            wave = resample(tensor(data[key]), source, int(found[1]))
            yield absolute(f"{file.name} {key} -> {partner}", wave, data[partner], WAVE)


def segments(reference: Reference, file: Path) -> Iterator[Check]:
    """Check where the windows of tracks begin, with and without shifts."""
    for row in reference.json(file):
        duration = row["duration_s"]
        starts = offsets(duration)
        wrong = [] if starts == row["offsets_16k"] else [f"offsets {starts}"]
        wanted = {0: row["val_start_22050"]}
        wanted |= {int(shift): frames for shift, frames in row["train_start_22050"].items()}
        for shift, frames in wanted.items():
            found = [first_frame(moved(start, shift, duration), 22050) for start in starts]
            if found != frames:
                wrong.append(f"shift {shift}: {found} instead of {frames}")
        yield count(f"{file.name} {duration} s", wrong)


def dataset(reference: Reference, file: Path) -> Iterator[Check]:
    """Check the way from files to waves and log-mels, on files written for it."""
    data = reference.arrays(file)
    track = str(data["fname"]).rpartition("_from_")[0]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "train" / track
        folder.mkdir(parents=True)
        for key in data:
            if found := re.fullmatch(r"pcm(\d+)_(\w+)", key):
                sf.write(folder / f"{found[2]}.wav", data[key], int(found[1]), "PCM_16")
        cases = [("", 0)]
        if "shift" in data:
            cases.append(("shifted_", int(data["shift"])))
        listed = find_segments(Path(place), "train")
        for prefix, shift in cases:
            name = str(data[f"{prefix}fname"])
            named = [segment for segment in listed if segment.name(shift) == name]
            yield count(f"{file.name} {prefix}fname", [] if named else [name])
            if named:
                yield from _window(file.name, named[0], shift, prefix, data)


def _window(title: str, segment: Segment, shift: int, prefix: str, data: Arrays) -> Iterator[Check]:
    waves = segment.read(shift)
    mels = LogMel(MEL)(waves)
    sources = {**dict(zip(STEMS, range(len(STEMS)), strict=True)), "mix": len(STEMS)}
    names = {f"{prefix}fbank": "mix"} | {f"{prefix}fbank_{stem}": stem for stem in STEMS}
    for key, source in names.items():
        if key in data:
            yield from _log_mels(f"{title} {key}", mels[sources[source]], data[key])
    for key in data:
        found = re.fullmatch(rf"{prefix}waveform_([a-z]+)(_head|_tail)?", key)
        if found and found[1] in sources:
            length = len(data[key])
            place = slice(WINDOW - length, WINDOW) if found[2] == "_tail" else slice(length)
            wave = waves[sources[found[1]]][place]
            yield absolute(f"{title} {key}", wave, data[key], WAVE)
