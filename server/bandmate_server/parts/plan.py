"""What is given checked against what is wanted, before any work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bandmate_server.audio.sources import Source
from bandmate_server.errors import SettingsError
from bandmate_server.model.opening import AnyModel, latent_model
from bandmate_server.options import CHANNELS, RATE, SECONDS, STRENGTH
from bandmate_server.parts.context import ContextAudio, align_sources
from bandmate_server.parts.part import Part
from bandmate_server.parts.task import PartTask
from bandmate_server.progress import Monitor
from bandmate_server.settings import (
    PartSettings,
    check_added,
    check_names,
    check_wanted,
    read_stems,
)


def plan_part(
    model: AnyModel,
    stems: Mapping[str, Source],
    backing: Source | None,
    task: PartTask,
    settings: PartSettings,
    monitor: Monitor,
) -> Part:
    """Check what is given against what is wanted, and decide everything.

    Args:
        model: any that makes parts.
        stems: name -> given audio.
        backing: a mix of what else sounds.
        task: "add", "fill" or "vary".
        settings: checked.
        monitor: called for the work.

    Raises:
        SettingsError: naming what is unknown, missing, or both given and wanted.
        RegionError: if start and end do not fit.
    """
    model = latent_model(model)
    check_wanted(task.wanted, model.spec.stems)
    check_names(tuple(stems), model.spec.stems)
    STRENGTH.read(task.strength)
    if task.name == "add":
        check_added(task.wanted, tuple(stems), backing is not None)
        return Part(model, align_sources(stems, backing), task, settings, monitor)
    stem = task.wanted[0]
    if stem not in stems:
        raise SettingsError(f"{stem} is not among what is given: {task.name} needs the stem itself")
    if task.name == "fill" and settings.start is None and settings.end is None:
        raise SettingsError("fill needs the range to replace: a start, an end, or both")
    return Part(model, align_sources(stems, backing, lead=stem), task, settings, monitor)


def plan_generation(
    model: AnyModel,
    seconds: float,
    stems: str | Sequence[str] | None,
    rate: int,
    channels: int,
    settings: PartSettings,
    monitor: Monitor,
) -> Part:
    """Decide everything for stems made from nothing.

    Args:
        model: any that makes parts.
        seconds: of music, 0.5 to 1800.
        stems: those wanted; None: all.
        rate: of the result, Hz.
        channels: of the result.
        settings: checked.
        monitor: called for the work.

    Raises:
        SettingsError: if a value is out of its range, or a stem unknown.
    """
    model = latent_model(model)
    seconds, rate, channels = SECONDS.read(seconds), RATE.read(rate), CHANNELS.read(channels)
    if settings.start is not None or settings.end is not None:
        raise SettingsError("start and end have no meaning for what is generated from nothing")
    wanted = model.spec.stems if stems is None else read_stems(stems)
    check_wanted(wanted, model.spec.stems)
    context_audio = ContextAudio({}, None, rate, channels, max(round(seconds * rate), 1))
    return Part(model, context_audio, PartTask("generate", wanted), settings, monitor)
