"""Notes of recorded stems: MIDI files out of audio, as a model that plays notes understands it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from bandmate_server.audio.windows import Region, plan_windows
from bandmate_server.errors import RegionError, SettingsError
from bandmate_server.model.model import Model
from bandmate_server.model.notes.score import Score, read_score, silent_score
from bandmate_server.model.opening import AnyModel, latent_model
from bandmate_server.options import FORCE, MAX_SECONDS
from bandmate_server.parts.context import ContextAudio, align_sources, encode_windows, read_context
from bandmate_server.parts.files import open_files
from bandmate_server.parts.part import OVERLAP
from bandmate_server.parts.timeline import Timeline
from bandmate_server.progress import Cancel, Monitor, Progress
from bandmate_server.results.folder import ResultFolder
from bandmate_server.results.result import Result
from bandmate_server.results.writer import describe_input, describe_job, describe_model
from bandmate_server.settings import check_names, read_path

TASK = "transcribe"
STAGES = {"read": 0.1, "encode": 0.88, "write": 0.02}  # shares of the time


def transcribe_files(
    model: AnyModel,
    given: Mapping[str, Path | str],
    out_dir: Path | str,
    *,
    force: bool = False,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Result:
    """Write `<stem>.mid` with the notes of each stem, over the beat that all of them keep.

    Args:
        model: whose latents are notes.
        given: stem -> audio file; all begin at the same moment.
        out_dir: made if missing; it gets a manifest, too.
        force: replace existing results.
        progress: called with (stage, fraction of the stage).
        cancel: called often; when it returns true the work stops.

    Raises:
        SettingsError: if nothing is given, a stem is unknown, or the model knows no notes.
        AudioError: if a file cannot be read.
        RegionError: if the files are too long.
        OutputError: if results are there already, or cannot be written.
        Cancelled: if `cancel` said so.
    """
    began, latents = time.perf_counter(), latent_model(model)
    check_notes(latents)
    out, monitor = read_path("out_dir", out_dir), Monitor(progress, cancel, STAGES)
    paths = {name: read_path(name, path) for name, path in given.items()}
    check_names(tuple(paths), latents.spec.stems)
    if not paths:
        raise SettingsError("nothing is given: name at least one stem's file")
    midi = {name: f"{name}.mid" for name in paths}
    with ExitStack() as stack:
        place = stack.enter_context(ResultFolder(out, [*midi.values()], FORCE.read(force), 0))
        files = open_files(stack, paths, out, monitor)
        session = align_sources(files)
        score, seconds = _transcribed(latents, session, monitor), session.frames / session.rate
        for name, file in midi.items():
            score.write(name, place.path(file), seconds)
        manifest: dict[str, Any] = {
            **describe_job(TASK),
            "inputs": [{"stem": n} | describe_input(files[n], paths[n]) for n in files],
            **describe_model(latents),
            "beat": score.describe(),
            "outputs": {
                name: {"file": file, "notes": len(score.notes[name])} for name, file in midi.items()
            },
            "warnings": [
                *latents.warnings,
                *session.warnings,
                *(note for file in files.values() for note in file.notes),
            ],
            "timings": {"total": round(time.perf_counter() - began, 4)},
        }
        monitor.check()
        place.commit(manifest)
    monitor.report("write", 1.0)
    return Result(out, {}, manifest, {name: out / file for name, file in midi.items()})


def check_notes(model: Model) -> None:
    """Raise SettingsError unless a model's latents are notes."""
    if not model.spec.has_notes:
        raise SettingsError(
            f"{model.bundle.name} does not know notes: choose a model that does with --model"
        )


def _transcribed(model: Model, session: ContextAudio, monitor: Monitor) -> Score:
    """Return what is played in a session of stems."""
    spec, names = model.spec, tuple(session.stems)
    seconds = session.frames / session.rate
    if seconds > MAX_SECONDS:
        raise RegionError(
            f"the files are {seconds:.0f} s long: at most {MAX_SECONDS:.0f} s at once"
        )
    region = Region(0, session.frames)
    layout = plan_windows(region, session.rate, session.frames, spec, OVERLAP)
    context = read_context(session, layout, spec, monitor)
    if context.gain == 0.0:
        return silent_score(names)
    length = layout.stop - layout.starts[0]
    shape = (len(spec.stems), spec.latent_channels, length, spec.latent_bands)
    planes = np.zeros(shape, np.float32)
    for index, name in enumerate(names):

        def report(done: float, before: int = index) -> None:
            monitor.report("encode", (before + done) / len(names))

        wave = context.waves[name] * np.float32(context.gain)
        planes[spec.stems.index(name)] = encode_windows(model, wave, layout, report)
    score = read_score(planes, spec, names)
    timeline = Timeline(region, layout, session.rate, spec)
    return score.later(timeline.first_window).within(timeline.seconds)
