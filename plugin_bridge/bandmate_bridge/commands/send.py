"""`bandmate send`: hand a request to a running server, and wait for what comes of it."""

from __future__ import annotations

import argparse
from typing import Any

import soundfile

from bandmate_bridge.arguments.parsing import UsageError
from bandmate_bridge.arguments.parts import read_subject
from bandmate_bridge.client import Client, Done, Progress, connect
from bandmate_bridge.client.token import read_token
from bandmate_bridge.terminal.console import print_json, print_result
from bandmate_bridge.terminal.interrupts import Interrupt
from bandmate_bridge.terminal.progress_bar import progress_bar
from bandmate_server.errors import Cancelled, ServerError, SettingsError
from bandmate_server.option_arguments import given
from bandmate_server.options import END, START, options_of
from bandmate_server.parts.task import part_task
from bandmate_server.settings import PartSettings, check_region


def run(options: argparse.Namespace, interrupt: Interrupt) -> int:
    """Send the request and return the exit status.

    Raises:
        UsageError: if the options contradict each other.
        BandmateError: if the server refuses, or the job fails.
        Cancelled: if the user stopped it; then the job is stopped too.
    """
    with connect(options.host, options.port, read_token(options.token_file)) as server:
        if options.action == "status":
            return _status(server, options)
        if options.action == "cancel":
            return _cancel(server, options)
        if not options.wait and options.out is not None:
            raise UsageError("--out needs the job's end, which --no-wait does not wait for")
        job = _submit(server, options)
        if not options.wait:
            _report(options, {"job": job, "state": "accepted"}, job)
            return 0
        _follow(server, job, options, interrupt)
        files = []
        if options.out is not None:
            files = server.fetch_files(job, options.out, force=options.force)
        facts: dict[str, Any] = {"job": job, "state": "done", "files": [str(f) for f in files]}
        facts["stems"] = server.status(job)["stems"]
        names = " ".join(str(file) for file in files) or " ".join(
            stem["wav"] for stem in facts["stems"]
        )
        _report(options, facts, f"{job}: {names}")
    return 0


def _status(server: Client, options: argparse.Namespace) -> int:
    if options.job:
        state = server.status(options.job)
        _report(options, state, _line(state))
    else:
        jobs = server.jobs()
        lines = [_line(job) for job in jobs] or ["no jobs"]
        _report(options, {"jobs": jobs}, "\n".join(lines))
    return 0


def _cancel(server: Client, options: argparse.Namespace) -> int:
    state = server.cancel(options.job)
    _report(options, {"job": options.job, "state": state}, f"{options.job}: {state}")
    return 0


def _line(job: dict[str, Any]) -> str:
    task = job["address"].rpartition("/")[2]
    error = f": {job['error']}" if job["error"] else ""
    return f"{job['job']}  {task}  {job['state']}  {job['fraction']:.0%}{error}"


def _report(options: argparse.Namespace, facts: dict[str, Any], text: str) -> None:
    if options.json:
        print_json({"command": f"send {options.action}", "ok": True, **facts})
    elif not options.quiet:
        print_result(text)


def _chosen(options: argparse.Namespace) -> dict[str, Any]:
    """Return the request's JSON options: those that the user gave, but for the region."""
    rows = options_of(options.action, "osc").values()
    found = given(options, rows, "settings", "call", "mail")
    return {name: value for name, value in found.items() if name not in (START.name, END.name)}


def _submit(server: Client, options: argparse.Namespace) -> str:
    """Send the request for a job and return the job.

    Raises:
        UsageError: if the command makes no sense.
    """
    options_, request = _chosen(options), options.request
    if options.action == "separate":
        start, frames = _region(options.input, options)
        return server.separate(options.input, start, frames, options_, request)
    try:
        chosen, files = read_subject(options, server.stems(options.action))
        task = part_task(options.action, chosen)
        task.check_given(files)
        rows = options_of(options.action, "send").values()
        task.check_settings(PartSettings.of(given(options, rows, "settings")))
    except SettingsError as error:
        raise UsageError(str(error)) from error
    if not files:
        return server.submit(options.action, chosen, {}, options_, request)
    (lead, *_) = files[task.lead] if task.lead else next(iter(files.values()))
    start, frames = _region(str(lead), options)
    region = {"start": start, "frames": frames}
    return server.submit(options.action, chosen | region, files | region, options_, request)


def _region(file: str, options: argparse.Namespace) -> tuple[int, int]:
    """Return the region in samples of a file; -1 frames are all."""
    start, end = options.start or 0.0, options.end
    if not start and end is None:
        return 0, -1
    try:
        check_region(start, end)
        rate = soundfile.info(file).samplerate
    except SettingsError as error:
        raise UsageError(str(error)) from error
    except (OSError, soundfile.SoundFileError) as error:
        raise UsageError(f"--start and --end need a file that is here: {error}") from error
    first = round(start * rate)
    return first, -1 if end is None else round(end * rate) - first


def _follow(server: Client, job: str, options: argparse.Namespace, interrupt: Interrupt) -> None:
    """Show progress until the job is done.

    Raises:
        ServerError: if it failed.
        Cancelled: if it was cancelled, here or elsewhere.
    """
    try:
        with progress_bar(options.action, quiet=options.quiet or options.json) as progress:
            for event in server.events(job):
                if isinstance(event, Progress) and progress is not None:
                    progress(event.stage, event.fraction)
                if isinstance(event, Done):
                    _check_end(event)
    except KeyboardInterrupt:
        server.cancel(job)
        raise


def _check_end(event: Done) -> None:
    if event.state == "cancelled":
        raise Cancelled("cancelled")
    if event.state != "done":
        raise ServerError(event.error)
