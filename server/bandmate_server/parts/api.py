"""New parts in memory: add, fill, vary, generate.

`part_files` does the same from files to files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.sources import ArraySource, Source
from bandmate_server.model.opening import AnyModel
from bandmate_server.options import CHANNELS, RATE
from bandmate_server.parts.part import Part
from bandmate_server.parts.plan import plan_generation, plan_part
from bandmate_server.parts.splice import written_blocks
from bandmate_server.parts.task import PartTask
from bandmate_server.progress import Cancel, Monitor, Progress
from bandmate_server.settings import PartSettings
from bandmate_server.spec import BACKING

STAGES = {"read": 0.04, "listen": 0.06, "play": 0.88, "write": 0.02}


def add(
    model: AnyModel,
    given: Mapping[str, FloatArray],
    rate: int,
    stems: Sequence[str],
    settings: PartSettings | None = None,
    *,
    backing: FloatArray | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> dict[str, FloatArray]:
    """Return new stems that play to the given ones.

    Args:
        model: from `open_model`.
        given: stem -> (frames, channels) or (frames,), float; all begin at the same moment,
            shorter ones are silent after their end.
        rate: Hz, 8000 to 192000, of all.
        stems: those wanted, none of them given.
        settings: region, steps, seed; one take is made, file settings play no part.
        backing: a mix of what else sounds.
        progress: called with (stage, fraction of the job).
        cancel: called often; when it returns true the work stops.

    Returns:
        stem -> float32 array of the region (frames, most channels of any given), or (frames,)
        if all that is given has that shape. All channels of a new stem are the same.

    Raises:
        AudioError: shape, rate or samples are not usable, or all is silent.
        RegionError: start and end do not fit.
        SettingsError: a stem is unknown, both given and wanted, or nothing is given.
        Cancelled: `cancel` said so.
    """
    task = PartTask("add", tuple(stems))
    return _played(model, given, backing, rate, task, settings, Monitor(progress, cancel, STAGES))


def fill(
    model: AnyModel,
    given: Mapping[str, FloatArray],
    rate: int,
    stem: str,
    settings: PartSettings,
    *,
    backing: FloatArray | None = None,
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
    task = PartTask("fill", (stem,))
    monitor = Monitor(progress, cancel, STAGES)
    return _played(model, given, backing, rate, task, settings, monitor)[stem]


def vary(
    model: AnyModel,
    given: Mapping[str, FloatArray],
    rate: int,
    stem: str,
    strength: float,
    settings: PartSettings | None = None,
    *,
    backing: FloatArray | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> FloatArray:
    """Return another take of the region of a given stem, which plays to the others.

    Arguments and errors are those of `add`, but `given` holds the stem itself;
    strength goes from 0, a light re-performance, to 1, a free new part.

    Returns:
        A float32 array of the region, with the stem's own channels.
    """
    task = PartTask("vary", (stem,), strength)
    monitor = Monitor(progress, cancel, STAGES)
    return _played(model, given, backing, rate, task, settings, monitor)[stem]


def generate(
    model: AnyModel,
    seconds: float,
    settings: PartSettings | None = None,
    *,
    stems: Sequence[str] | None = None,
    rate: int = RATE.default,
    channels: int = CHANNELS.default,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> dict[str, FloatArray]:
    """Return stems made from nothing: stem -> float32 (frames, channels).

    Args:
        model: from `open_model`.
        seconds: of music, 0.5 to 1800.
        settings: steps, seed; one take is made, file settings play no part.
        stems: those wanted; None: all.
        rate: of the result, Hz.
        channels: of the result, all the same.
        progress: called with (stage, fraction of the job).
        cancel: called often; when it returns true the work stops.

    Raises:
        SettingsError: a value is out of its range, or a stem unknown.
        Cancelled: `cancel` said so.
    """
    monitor = Monitor(progress, cancel, STAGES)
    chosen = replace(settings or PartSettings(), takes=1)
    return _arrays(plan_generation(model, seconds, stems, rate, channels, chosen, monitor))


def _played(
    model: AnyModel,
    given: Mapping[str, FloatArray],
    backing: FloatArray | None,
    rate: int,
    task: PartTask,
    settings: PartSettings | None,
    monitor: Monitor,
) -> dict[str, FloatArray]:
    """Return the wanted stems, without a channel axis if no array that sets their shape has one."""
    arrays = {name: np.asarray(audio, np.float32) for name, audio in given.items()}
    sources: dict[str, Source] = {n: _source(n, audio, rate) for n, audio in arrays.items()}
    mix = None if backing is None else _source(BACKING, np.asarray(backing, np.float32), rate)
    chosen = replace(settings or PartSettings(), takes=1)
    found = _arrays(plan_part(model, sources, mix, task, chosen, monitor))
    shaping = [*arrays.values(), *([] if backing is None else [np.asarray(backing)])]
    if task.name != "add":
        shaping = [arrays[task.wanted[0]]]
    if all(audio.ndim == 1 for audio in shaping):
        return {name: audio[:, 0] for name, audio in found.items()}
    return found


def _source(name: str, audio: FloatArray, rate: int) -> ArraySource:
    """Return an array as a source; errors call it by its stem."""
    return ArraySource(audio[:, None] if audio.ndim == 1 else audio, rate, name)


def _arrays(part: Part) -> dict[str, FloatArray]:
    """Return the one take's stems as they would be written."""
    take = next(part.takes())
    found = {
        name: np.concatenate(list(written_blocks(part, name, mono)))
        for name, mono in take.stems.items()
    }
    part.monitor.report("write", 1.0)
    return found
