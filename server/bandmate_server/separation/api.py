"""The stems of a region, from arrays and from files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.sources import ArraySource, FileSource
from bandmate_server.model.opening import AnyModel
from bandmate_server.options import FORCE
from bandmate_server.progress import Cancel, Monitor, Progress
from bandmate_server.results.folder import scratch_folder
from bandmate_server.results.result import Result
from bandmate_server.results.stem_file import StemFile
from bandmate_server.results.writer import ResultWriter, describe_input
from bandmate_server.separation.separation import Separation
from bandmate_server.separation.separators import separator_of
from bandmate_server.settings import SeparateSettings, read_path, read_settings
from bandmate_server.spec import OTHER

STAGES = {"read": 0.04, "separate": 0.95, "write": 0.01}


def separate(
    model: AnyModel,
    audio: ArrayLike,
    *,
    sample_rate: int,
    settings: SeparateSettings | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> dict[str, FloatArray]:
    """Return the stems of audio in memory; with `other` they sum to it within 1e-6.

    Args:
        model: from `open_model`.
        audio: (frames, channels) or (frames,); floats with full scale 1.0, or int16 or int32.
        sample_rate: Hz, 8000 to 192000.
        settings: stems, region, steps; file settings play no part.
        progress: called with (stage, fraction of the job).
        cancel: called often; when it returns true the work stops.

    Returns:
        stem -> float32 array of the region, shaped like `audio`; `other` last.

    Raises:
        AudioError: type, shape or samples are not usable.
        RegionError: start and end do not fit.
        SettingsError: an argument is of another kind or out of its range, a stem is unknown, or
            the model cannot do what is asked.
        Cancelled: `cancel` said so.
    """
    chosen = read_settings(model, settings, SeparateSettings)
    source, monitor = ArraySource(audio, sample_rate), Monitor(progress, cancel, STAGES)
    job = separator_of(model)(model, source, chosen, monitor)
    names = job.stem_names
    found = {name: np.zeros((job.region.frames, source.channels), np.float32) for name in names}
    place = 0
    for block, stems in job.blocks():
        span = slice(place, place + len(block))
        found[OTHER][span] = block
        for name, stem in zip(names, stems, strict=False):
            found[name][span] = stem
            found[OTHER][span] -= stem
        place += len(block)
    monitor.report("write", 1.0)
    return {name: stem[:, 0] if np.ndim(audio) == 1 else stem for name, stem in found.items()}


def separate_file(
    model: AnyModel,
    path: Path | str,
    out_dir: Path | str,
    *,
    settings: SeparateSettings | None = None,
    force: bool = False,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Result:
    """Write the stems of a file and a manifest to `out_dir`/<file name without ending>/.

    Files appear when all are complete; if anything fails, nothing stays. Arguments and errors
    are those of `separate`. `out_dir` is made if missing. An OutputError says that a result cannot
    be written, or is there already and `force` does not replace it.
    """
    began = time.perf_counter()
    settings, force = read_settings(model, settings, SeparateSettings), FORCE.read(force)
    path, out_dir = read_path("path", path), read_path("out_dir", out_dir)
    monitor = Monitor(progress, cancel, STAGES)
    with FileSource(path, scratch=scratch_folder(out_dir), report=monitor.reading) as source:
        job = separator_of(model)(model, source, settings, monitor)
        stamp = source.broadcast and source.broadcast.moved(job.region.start)
        writer = ResultWriter("separate", job, [describe_input(source, path)])
        with writer.folder(out_dir / path.stem, force) as folder:
            with writer.files(folder, stamp) as files:
                _write_stems(job, files)
            warnings = [*job.warnings, *source.notes]
            result = writer.finish(folder, files, began, job.timings, job.describe(), {}, warnings)
    monitor.report("write", 1.0)
    return result


def _write_stems(job: Separation[Any], files: dict[str, StemFile]) -> None:
    """Write all stems.

    `other` is what the stems leave of the audio as they are stored, so that rounding to
    integers does not break the sum.
    """
    *stem_files, other = files.values()
    for block, stems in job.blocks():
        rest = block.copy()
        for stem_file, stem in zip(stem_files, stems, strict=True):
            rest -= stem_file.write(stem)
        other.write(rest)
