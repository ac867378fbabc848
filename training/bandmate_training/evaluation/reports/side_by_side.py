"""`evaluate --table systems`: models, programs and other systems' stems side by side."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from bandmate_server.errors import SettingsError
from bandmate_server.model.bundle import find_bundle
from bandmate_training.evaluation.evaluation import Evaluation, Files
from bandmate_training.evaluation.options import NO_MODEL, EvaluationOptions
from bandmate_training.evaluation.reporting import head, progress_bar, to_json
from bandmate_training.evaluation.scores.side_by_side import Standing, score_files, score_mixture
from bandmate_training.evaluation.songs.clips import Clip
from bandmate_training.evaluation.songs.mixtures import with_all_sources, write_mixtures
from bandmate_training.evaluation.systems.processes import (
    model_command,
    program_command,
    run_measured,
)
from bandmate_training.evaluation.tables.side_by_side import (
    NOTES,
    side_by_side_json,
    side_by_side_table,
)


@dataclass(frozen=True)
class Job:
    """A system that is run: its command, and where that puts the stems."""

    name: str
    source: str
    command: list[str]
    out: Path


def systems_report(run: Evaluation) -> Files:
    """Run every model and program on the clips, each in a process of its own; score all stems.

    Raises:
        BandmateError: a system does not start, fails, or has no stems of the corpus.
    """
    clips = with_all_sources(run.clips)
    standings = [score_mixture(clips)]
    with tempfile.TemporaryDirectory(dir=run.options.out, prefix=".systems-") as scratch:
        files = write_mixtures(clips, Path(scratch) / "mixtures")
        standings += [_run(job, clips) for job in _jobs(run, files, Path(scratch))]
    for name, folder in run.options.folders.items():
        root = _root(folder, clips, run.options.split)
        standings.append(score_files(name, str(folder), root, clips))
    minutes = sum(clip.frames / clip.rate for clip in clips) / 60
    facts = replace(run, model=None).facts | {"minutes": round(minutes, 3)}
    text = head("Systems side by side", facts) + side_by_side_table(standings, minutes)
    figures = facts | {"systems": side_by_side_json(standings)}
    return {"systems.md": f"{text}\n{NOTES}".encode(), "systems.json": to_json(figures)}


def _jobs(run: Evaluation, files: list[Path], folder: Path) -> list[Job]:
    """Return the models, then the programs; all get the same files."""
    options = run.options
    jobs: list[Job] = []
    for name, bundle in _models(options).items():
        out = folder / f"model-{len(jobs)}"
        words = model_command(bundle, files, out, options.device, options.threads)
        jobs.append(Job(name, str(bundle), words, out))
    for name, command in options.programs.items():
        out = folder / f"program-{len(jobs)}"
        jobs.append(Job(name, command, program_command(command, files, out), out))
    return jobs


def _models(options: EvaluationOptions) -> dict[str, Path]:
    """Return all models by name, the one of --model first unless it is named once more.

    Raises:
        SettingsError: if another system has its name.
    """
    if options.model == NO_MODEL:
        return options.bundles
    own = find_bundle(options.model)
    if own.resolve() in [path.resolve() for path in options.bundles.values()]:
        return options.bundles
    if own.name in {*options.bundles, *options.programs, *options.folders}:
        raise SettingsError(f"--system {own.name}=...: the name is taken by --model")
    return {own.name: own, **options.bundles}


def _run(job: Job, clips: list[Clip]) -> Standing:
    """Run a system, with a bar of the clips that it has begun, and score its stems."""
    job.out.mkdir()
    seen: set[str] = set()
    with progress_bar(job.name, len(clips)) as advance:

        def look() -> None:
            root = _root(job.out, clips)
            for label in {clip.label for clip in clips} - seen:
                if (root / label).is_dir():
                    seen.add(label)
                    advance()

        cost = run_measured(job.name, job.command, look)
    standing = score_files(job.name, job.source, _root(job.out, clips), clips)
    shutil.rmtree(job.out)
    return replace(standing, cost=cost)


def _root(folder: Path, clips: list[Clip], split: str = "") -> Path:
    """Return the folder in which the clips' folders are, or those of their tracks.

    Programs put one that is named after their model between.
    """
    label = clips[0].label
    found = next((path for path in folder.rglob("*") if path.name == label), None)
    if found is not None:
        return found.parent
    return folder / split if (folder / split).is_dir() else folder
