"""`bandmate serve`: the OSC server, until Ctrl-C or SIGTERM, or one in the background."""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

from bandmate_bridge.client.token import read_token
from bandmate_bridge.launch.ensure_server import ensure
from bandmate_bridge.terminal.console import print_json, print_result, print_warning
from bandmate_bridge.terminal.interrupts import Interrupt
from bandmate_server.files import data_folder
from bandmate_server.model.bundle import find_bundle
from bandmate_server.model.library.choice import models_by_task
from bandmate_server.osc.network import DEFAULT_PORT, show_address
from bandmate_server.osc.server import Server, ServerSettings
from bandmate_server.structured_log import start_logging

WORKDIR_VARIABLE = "BANDMATE_WORKDIR"


def run(options: argparse.Namespace, interrupt: Interrupt) -> int:
    """Serve until interrupted and return the exit status.

    Raises:
        BandmateError: if the server cannot start.
    """
    if options.ensure:
        return ensure(options, options.workdir or default_workdir())
    for name in models_by_task(options.model).values():
        find_bundle(name)
    start_logging(options.verbose)
    settings = ServerSettings(
        workdir=options.workdir or default_workdir(),
        host=options.host,
        port=DEFAULT_PORT if options.port is None else options.port,
        allow=tuple(options.allow),
        model=options.model,
        devices=tuple(options.device or ["auto"]),
        threads=options.threads,
        token=read_token(options.token_file),
        verbose=options.verbose,
        keep_days=options.keep,
        idle_seconds=options.idle_timeout,
    )
    server = Server(settings)
    if server.reads_nothing:
        folder = settings.workdir.resolve() / "put"
        print_warning(f"no folder is allowed: only audio sent to {folder} can be used; see --allow")

    def ready(port: int) -> None:
        workdir = str(settings.workdir.resolve())
        if options.json:
            about = {"host": settings.host, "port": port, "workdir": workdir, "pid": os.getpid()}
            print_json(about)
        else:
            where = show_address(settings.host, port)
            print_result(f"bandmate listens on {where} (OSC, UDP and TCP), works in {workdir}")

    with interrupt.polled():
        asyncio.run(server.run(interrupt.requested, ready))
    return 0


def default_workdir() -> Path:
    """Return the folder for jobs where none is given."""
    named = os.environ.get(WORKDIR_VARIABLE)
    return Path(named) if named else data_folder() / "work"
