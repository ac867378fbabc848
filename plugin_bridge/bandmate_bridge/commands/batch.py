"""`bandmate batch`: every song of folders, patterns and lists, on all cores or a cluster."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

from bandmate_bridge.arguments.offline import ADD, SEPARATE, batch_options
from bandmate_bridge.arguments.parsing import UsageError
from bandmate_bridge.batch.cluster import require_ray, run_ray
from bandmate_bridge.batch.inputs import BatchItem, find_songs, say_left_out
from bandmate_bridge.batch.lock import folder_lock
from bandmate_bridge.batch.plan import BatchPlan, Work, check_template, collisions
from bandmate_bridge.batch.pool import run_pool
from bandmate_bridge.batch.report import BatchProgress, table, write_report
from bandmate_bridge.batch.song import Outcome, remove_partials
from bandmate_bridge.host import ChainHost
from bandmate_bridge.host.chains import Chains, read_chains
from bandmate_bridge.terminal.console import (
    print_error,
    print_json,
    print_note,
    print_result,
    print_warning,
)
from bandmate_bridge.terminal.interrupts import Interrupt
from bandmate_bridge.terminal.pipes import PipedInputs
from bandmate_bridge.terminal.progress_bar import progress_bar
from bandmate_server import open_model
from bandmate_server.errors import Cancelled, SettingsError
from bandmate_server.model import bundle
from bandmate_server.model.library.choice import model_for
from bandmate_server.option_arguments import given
from bandmate_server.options import TAKES, WANTED
from bandmate_server.settings import (
    PartSettings,
    SeparateSettings,
    check_region,
    check_stems,
    check_wanted,
    settings_of,
    take_seeds,
)
from bandmate_server.spec import OTHER


def run(options: argparse.Namespace, interrupt: Interrupt) -> int:
    """Do every song and return the exit status: 1 if any failed.

    Raises:
        UsageError: if the options contradict each other, or there are no songs.
        BandmateError: if chains, model or output folder cannot be used.
        Cancelled: if the user stopped the work; the report is written all the same.
    """
    options.model = model_for(options.task, options.model)
    found = bundle.load_bundle(bundle.find_bundle(options.model))
    plan, jobs = _plan(options, found.spec.stems)
    if options.ray is not None:
        require_ray()
    left: list[Path] = []
    works = _works(options, left)
    _check_chains(plan, options)
    with (
        folder_lock(plan.out),
        PipedInputs(plan.out, print_note) as pipes,
        progress_bar("batch", quiet=options.quiet) as progress,
    ):
        remove_partials(plan.out)
        works = [_readable(work, pipes) for work in works]
        tally = BatchProgress(works, progress)
        cancelled = None
        try:
            jobs = _run(plan, works, jobs, tally, options, interrupt)
        except Cancelled as error:
            cancelled = error
        remove_partials(plan.out)
        model = {"name": found.name, "version": found.version, "hash": found.hash}
        report = tally.report(plan, model, jobs) | {"left_out": [str(path) for path in left]}
        path = write_report(report, plan.out)
    if cancelled is not None:
        raise cancelled
    failed = report["counts"]["failed"]
    if options.json:
        print_json({"command": "batch", "ok": not failed, "report": str(path), **report})
    elif not options.quiet:
        for line in table(report):
            print_result(line)
    return 1 if failed else 0


def _plan(options: argparse.Namespace, stems: tuple[str, ...]) -> tuple[BatchPlan, int]:
    """Return the plan, for a model of these stems, and how many songs are done at a time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    jobs = options.jobs or cores or 1
    threads = 1 if options.ray else max(1, (cores or 1) // jobs)
    try:
        settings = _settings(options, stems)
        check_template(options.template, settings.format)
    except SettingsError as error:
        raise UsageError(str(error)) from error
    chains = read_chains(options.chains, stems) if options.chains else None
    plan = BatchPlan(
        out=options.out.absolute(),
        template=options.template,
        settings=settings,
        model=options.model,
        device=options.device,
        threads=options.threads or threads,
        added=options.stems if options.task == "add" else (),
        chains=chains,
        chains_hash=chains.fingerprint() if chains else "",
        mixdown=bool(options.mixdown or chains or options.minus),
        minus=options.minus or (),
        dawproject=options.dawproject,
        resume=options.resume,
        force=options.force,
    )
    _check_stems(plan, chains, stems)
    return plan, jobs


def _settings(
    options: argparse.Namespace, stems: tuple[str, ...]
) -> SeparateSettings | PartSettings:
    """Return the settings of one take of the task.

    Raises:
        UsageError: if an option is the other task's.
        SettingsError: if a value is out of its range.
    """
    rows = SEPARATE if options.task == "separate" else ADD
    chosen = given(options, batch_options(), "settings")
    takes = chosen.pop(TAKES.name, TAKES.default)  # each a work of its own
    if options.task == "add":
        if WANTED.name not in chosen:
            raise UsageError("--task add needs --stems: what to add, such as --stems piano")
        check_wanted(chosen.pop(WANTED.name), stems)
    else:
        check_stems(chosen.get(WANTED.name), stems, OTHER)
    for row in batch_options():
        if row.name in chosen and row.name not in rows:
            raise UsageError(f"{row.flag} has no meaning for --task {options.task}")
    settings = settings_of(options.task, chosen)
    check_region(settings.start, settings.end)
    take_seeds(settings.seed, takes)
    return settings


def _check_stems(plan: BatchPlan, chains: Chains | None, stems: tuple[str, ...]) -> None:
    """Refuse chains for, and a mixdown without, stems that are not made."""
    if isinstance(plan.settings, SeparateSettings):
        made = (*(plan.settings.stems or stems), OTHER)
    else:
        made = plan.added
    for name in (*(chains.stems if chains else ()), *plan.minus):
        if name not in made:
            raise UsageError(f"{name} is not among the stems that are made: {', '.join(made)}")


def _works(options: argparse.Namespace, left: list[Path]) -> list[Work]:
    """Return all units of work, and collect the audio files that cannot be read."""
    songs = find_songs(options.inputs, options.out, left.append)
    if left:
        print_warning(say_left_out(left))
    if not songs:
        raise UsageError(f"no audio files in {', '.join(options.inputs)}")
    count = options.takes or TAKES.default
    takes = range(1, count + 1) if count > 1 else (0,)
    return [Work(song, take) for take in takes for song in songs]


def _readable(work: Work, pipes: PipedInputs) -> Work:
    """Return the work with a file in the place of a pipe, which a worker could not read."""
    song = work.song
    return replace(work, song=BatchItem(pipes.file(song.path), song.folder))


def _check_chains(plan: BatchPlan, options: argparse.Namespace) -> None:
    """Find out before the night what in the chains cannot work at all.

    A plug-in that cannot be loaded fails each song on its own, as one that crashes does.
    """
    if plan.chains is not None:
        separates = any(step.separate for _, _, step in plan.chains.all_steps())
        model = open_model(options.model, device="cpu", threads=1) if separates else None
        ChainHost(plan.chains, model)


def _run(
    plan: BatchPlan,
    works: list[Work],
    jobs: int,
    tally: BatchProgress,
    options: argparse.Namespace,
    interrupt: Interrupt,
) -> int:
    """Do the works that can be done, and return how many workers there were."""
    refused = collisions(plan, works)
    for index, error in refused.items():
        work = works[index]
        _ended(tally, options, index, Outcome(str(work.song.path), work.take, "failed", error))

    def done(index: int, outcome: Outcome) -> None:
        _ended(tally, options, index, outcome)

    left = {index: work for index, work in enumerate(works) if index not in refused}
    with interrupt.polled():
        if options.ray is not None:
            stop = interrupt.requested
            return run_ray(plan, left, options.ray, options.jobs, done, print_warning, stop)
        run_pool(plan, left, jobs, done, tally.part, print_warning, interrupt.requested)
        return min(jobs, len(left))


def _ended(tally: BatchProgress, options: argparse.Namespace, index: int, outcome: Outcome) -> None:
    tally.done(index, outcome)
    if outcome.error is not None:
        print_error(outcome.error)
    for warning in outcome.warnings:
        if not options.quiet:
            print_warning(f"{outcome.input}: {warning}")
