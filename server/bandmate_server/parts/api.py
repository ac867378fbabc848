"""New parts in memory: add, fill, vary, generate.

`part_files` does the same from files to files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.sources import ArraySource, Source
from bandmate_server.model.opening import AnyModel
from bandmate_server.options import CHANNELS, RATE
from bandmate_server.parts.part import Part
from bandmate_server.parts.task import Add, Fill, Generate, PartTask, Vary
from bandmate_server.progress import Cancel, Monitor, Progress
from bandmate_server.settings import PartSettings, read_given, read_settings

STAGES = {"read": 0.04, "encode": 0.06, "sample": 0.88, "write": 0.02}


def add(
    model: AnyModel,
    stems: str | Sequence[str],
    given: Mapping[str, ArrayLike],
    *,
    sample_rate: int,
    settings: PartSettings | None = None,
    backing: ArrayLike | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> dict[str, FloatArray]:
    """Return new stems that play to the given ones.

    Args:
        model: from `open_model`.
        stems: those wanted, or the only one; none of them given.
        given: stem -> (frames, channels) or (frames,); floats with full scale 1.0, or int16 or
            int32. All begin at the same moment, shorter ones are silent after their end.
        sample_rate: Hz, 8000 to 192000, of all.
        settings: region, steps, seed; one take is made, file settings play no part.
        backing: a mix of what else sounds, likewise.
        progress: called with (stage, fraction of the job).
        cancel: called often; when it returns true the work stops.

    Returns:
        stem -> float32 array of the region (frames, most channels of any given), or (frames,)
        if all that is given has that shape. All channels of a new stem are the same.

    Raises:
        AudioError: type, shape or samples are not usable, or all is silent.
        RegionError: start and end do not fit.
        SettingsError: an argument is of another kind or out of its range, a stem is unknown, or
            both given and wanted, or nothing is given.
        Cancelled: `cancel` said so.
    """
    monitor = Monitor(progress, cancel, STAGES)
    return _made(model, given, backing, sample_rate, Add(stems), settings, monitor)


def fill(
    model: AnyModel,
    stem: str,
    given: Mapping[str, ArrayLike],
    *,
    sample_rate: int,
    settings: PartSettings,
    backing: ArrayLike | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> FloatArray:
    """Return one given stem with the range from start to end made again.

    Outside the range every sample is as it was; inside, short fades lead from the old to the
    new. Arguments and errors are those of `add`, but `given` holds the stem itself, and
    `settings` must name start or end.

    Returns:
        A float32 array shaped as given[stem].
    """
    monitor = Monitor(progress, cancel, STAGES)
    return _made(model, given, backing, sample_rate, Fill(stem), settings, monitor)[stem]


def vary(
    model: AnyModel,
    stem: str,
    given: Mapping[str, ArrayLike],
    *,
    strength: float,
    sample_rate: int,
    settings: PartSettings | None = None,
    backing: ArrayLike | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> FloatArray:
    """Return another take of the region of a given stem, which plays to the others.

    Arguments and errors are those of `add`, but `given` holds the stem itself;
    strength goes from 0, a light re-performance, to 1, a free new part.

    Returns:
        A float32 array of the region, with the stem's own channels.
    """
    task, monitor = Vary(stem, strength), Monitor(progress, cancel, STAGES)
    return _made(model, given, backing, sample_rate, task, settings, monitor)[stem]


def generate(
    model: AnyModel,
    seconds: float,
    *,
    stems: str | Sequence[str] | None = None,
    sample_rate: int = RATE.default,
    channels: int = CHANNELS.default,
    settings: PartSettings | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> dict[str, FloatArray]:
    """Return stems made from nothing: stem -> float32 (frames, channels).

    Args:
        model: from `open_model`.
        seconds: of music, 0.5 to 1800.
        stems: those wanted, or the only one; None: all.
        sample_rate: of the result, Hz.
        channels: of the result, all the same.
        settings: steps, seed; one take is made, file settings play no part.
        progress: called with (stage, fraction of the job).
        cancel: called often; when it returns true the work stops.

    Raises:
        SettingsError: an argument is of another kind or out of its range, or a stem unknown.
        Cancelled: `cancel` said so.
    """
    task = Generate(seconds, stems, sample_rate, channels)
    return _made(model, {}, None, sample_rate, task, settings, Monitor(progress, cancel, STAGES))


def _made(
    model: AnyModel,
    given: Mapping[str, ArrayLike],
    backing: ArrayLike | None,
    sample_rate: int,
    task: PartTask,
    settings: PartSettings | None,
    monitor: Monitor,
) -> dict[str, FloatArray]:
    """Return the wanted stems, without a channel axis if no array that sets their shape has one."""
    chosen = replace(read_settings(model, settings, PartSettings), takes=1)
    arrays = read_given(given, backing)
    sources: dict[str, Source] = {
        name: ArraySource(audio, sample_rate, name) for name, audio in arrays.items()
    }
    part = Part(model, sources, task, chosen, monitor)
    take = next(part.takes())
    found = {
        name: np.concatenate(list(part.blocks(name, mono))) for name, mono in take.stems.items()
    }
    monitor.report("write", 1.0)
    shaping = arrays.values() if task.lead is None else [arrays[task.lead]]
    if shaping and all(np.ndim(audio) == 1 for audio in shaping):
        return {name: audio[:, 0] for name, audio in found.items()}
    return found
