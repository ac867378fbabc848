"""New parts from files to files: stems and a manifest in a folder for every take."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bandmate_server.audio.loudness import decibels
from bandmate_server.audio.sources import FileSource
from bandmate_server.model.opening import AnyModel
from bandmate_server.options import CHANNELS, FORCE, RATE
from bandmate_server.parts.api import STAGES
from bandmate_server.parts.loudness_match import AppliedGain
from bandmate_server.parts.part import Part, Take
from bandmate_server.parts.task import Add, Fill, Generate, PartTask, Vary
from bandmate_server.progress import Cancel, Monitor, Progress
from bandmate_server.results.folder import ResultFolder, scratch_folder
from bandmate_server.results.result import Result
from bandmate_server.results.writer import ResultWriter, describe_input
from bandmate_server.settings import PartSettings, read_given, read_path, read_settings

Files = Mapping[str, Path | str]


def add_files(
    model: AnyModel,
    stems: str | Sequence[str],
    given: Files,
    out_dir: Path | str,
    *,
    settings: PartSettings | None = None,
    backing: Path | str | None = None,
    force: bool = False,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> list[Result]:
    """Write new stems that play to the given ones to `out_dir`/<stem>.wav, with a manifest.

    Several takes go to `out_dir`/take-1, take-2, ...; each appears when it is complete. If
    anything fails, nothing of that take stays.

    Arguments and errors are those of `add`, but `given` maps stems to audio files, and the new
    stems get the first one's rate. `out_dir` is made if missing. An OutputError says that a result
    cannot be written, or is there already and `force` does not replace it.
    """
    return write_part(
        model, Add(stems), read_given(given, backing), out_dir,
        settings=settings, force=force, progress=progress, cancel=cancel,
    )  # fmt: skip


def fill_file(
    model: AnyModel,
    stem: str,
    given: Files,
    out_dir: Path | str,
    *,
    settings: PartSettings,
    backing: Path | str | None = None,
    force: bool = False,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> list[Result]:
    """Write a given stem with the range from start to end made again.

    The file has all of the stem, at its own rate, channels and length; outside the range every
    sample is as it was. Arguments and errors are those of `add_files`, but `given` holds the
    stem itself, and `settings` must name start or end.
    """
    return write_part(
        model, Fill(stem), read_given(given, backing), out_dir,
        settings=settings, force=force, progress=progress, cancel=cancel,
    )  # fmt: skip


def vary_file(
    model: AnyModel,
    stem: str,
    given: Files,
    out_dir: Path | str,
    *,
    strength: float,
    settings: PartSettings | None = None,
    backing: Path | str | None = None,
    force: bool = False,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> list[Result]:
    """Write another take of the region of a given stem, which plays to the others.

    The file has the stem's own rate and channels. Arguments and errors are those of
    `add_files`, but `given` holds the stem itself; strength goes from 0, a light
    re-performance, to 1, a free new part.
    """
    return write_part(
        model, Vary(stem, strength), read_given(given, backing), out_dir,
        settings=settings, force=force, progress=progress, cancel=cancel,
    )  # fmt: skip


def generate_files(
    model: AnyModel,
    seconds: float,
    out_dir: Path | str,
    *,
    stems: str | Sequence[str] | None = None,
    sample_rate: int = RATE.default,
    channels: int = CHANNELS.default,
    settings: PartSettings | None = None,
    force: bool = False,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> list[Result]:
    """Write stems made from nothing, as `add_files` does; the other arguments as of `generate`."""
    return write_part(
        model, Generate(seconds, stems, sample_rate, channels), {}, out_dir,
        settings=settings, force=force, progress=progress, cancel=cancel,
    )  # fmt: skip


def write_part(
    model: AnyModel,
    task: PartTask,
    given: Files,
    out_dir: Path | str,
    *,
    settings: PartSettings | None = None,
    force: bool = False,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> list[Result]:
    """Do a task from files to files; see `add_files`. A backing is given under that name."""
    began, chosen = time.perf_counter(), read_settings(model, settings, PartSettings)
    out_dir, monitor = read_path("out_dir", out_dir), Monitor(progress, cancel, STAGES)
    paths = {name: read_path(name, path) for name, path in given.items()}
    with ExitStack() as stack:
        files = open_files(stack, paths, out_dir, monitor)
        part = Part(model, files, task, chosen, monitor)
        inputs = [{"stem": name} | describe_input(files[name], paths[name]) for name in files]
        notes = [note for file in files.values() for note in file.notes]
        writer, force = (
            ResultWriter(task.name, part, inputs, part.model.spec.has_notes),
            FORCE.read(force),
        )
        places = [stack.enter_context(writer.folder(p, force)) for p in _places(part, out_dir)]
        results, takes = [], part.takes()
        for index, place in enumerate(places):
            results.append(_write_take(writer, part, takes, index, place, began, notes))
            began = time.perf_counter()
    monitor.report("write", 1.0)
    return results


def open_files(
    stack: ExitStack, paths: Mapping[str, Path], out_dir: Path, monitor: Monitor
) -> dict[str, FileSource]:
    """Open what is given; coded audio is decoded on the disk that the results go to."""
    scratch = scratch_folder(out_dir)
    return {
        name: stack.enter_context(FileSource(path, scratch=scratch, report=monitor.reading))
        for name, path in paths.items()
    }


def _places(part: Part, out_dir: Path) -> list[Path]:
    """Return the folder of every take."""
    count = part.settings.takes
    return [out_dir / f"take-{take}" for take in range(1, count + 1)] if count > 1 else [out_dir]


def _write_take(
    writer: ResultWriter, part: Part, takes: Iterator[Take], index: int,
    place: ResultFolder, began: float, notes: list[str],
) -> Result:  # fmt: skip
    """Make and write the next take."""
    ort_before, take = part.model.ort_seconds, next(takes)
    with writer.files(place) as files:
        for name, mono in take.stems.items():
            for block in part.blocks(name, mono):
                part.monitor.check()
                files[name].write(block)
    if take.score is not None:
        for name, file in writer.midi_names.items():
            take.score.write(name, place.path(file), part.written.frames / part.rate)
    settings = {
        **{name: value for name, value in vars(part.task).items() if "stem" not in name},
        **asdict(part.how),
        "seed": take.seed,
        "take": index + 1,
        "windows": len(part.layout.starts),
    }
    levels = {name: _describe_level(level) for name, level in take.levels.items()}
    facts: dict[str, Any] = {"levels": {"context_lufs": _finite(part.context_lufs), **levels}}
    if take.score is not None:
        facts["beat"] = take.score.describe()
    timings = {"onnxruntime": part.model.ort_seconds - ort_before}
    warnings = [*part.context_audio.warnings, *take.warnings, *notes]
    return writer.finish(place, files, began, timings, settings, facts, warnings)


def _describe_level(level: AppliedGain) -> dict[str, float | None]:
    return {
        "lufs": level.lufs,
        "true_peak_db": level.true_peak_db,
        "gain_db": round(decibels(level.gain), 2),
    }


def _finite(value: float | None) -> float | None:
    """Return a loudness as JSON can hold it: None for silence."""
    return round(value, 2) if value is not None and value > float("-inf") else None
