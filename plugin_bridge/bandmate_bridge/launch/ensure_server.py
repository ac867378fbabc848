"""`bandmate serve --ensure`: have a server of this user running, in the background.

What DAWs call before they ask for anything. Two that call at once start one server: a lock in
the workdir makes them wait for each other.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bandmate_bridge.client.token import read_token
from bandmate_bridge.launch.background import LOG, Background, start_server
from bandmate_bridge.launch.running_server import check_port, find_server
from bandmate_bridge.terminal.console import print_json, print_result
from bandmate_server.errors import ServerError
from bandmate_server.jobs.allow_file import ask_to_allow
from bandmate_server.jobs.lock import lock_folder
from bandmate_server.osc.network import is_loopback

START_SECONDS = 60.0  # that a server may take to answer
LOOK_SECONDS = 0.05
LOCK = ".ensure"


@dataclass(frozen=True)
class Wanted:
    """The server that is wanted; `port` None: wherever it listens, by default a new one's."""

    workdir: Path
    port: int | None
    token: str | None
    folders: list[Path]


def ensure(options: argparse.Namespace, workdir: Path) -> int:
    """Return 0 when a server answers and allows the folders.

    Args:
        options: of the command line.
        workdir: of the server.

    Raises:
        ServerError: saying why there is none.
    """
    if not is_loopback(options.host):
        raise ServerError(
            f"--ensure starts servers for this machine alone, not for {options.host}: "
            "start that one with `bandmate serve --host`"
        )
    wanted = Wanted(
        _own_folder(workdir),
        options.port,
        read_token(options.token_file),
        [_real_folder(folder) for folder in options.allow],
    )
    lock = lock_folder(wanted.workdir, LOCK, 2 * START_SECONDS)
    try:
        asked = ask_to_allow(wanted.workdir, wanted.folders)
        about, started = _have_server(wanted, options, asked)
    except OSError as error:
        raise ServerError(f"cannot use {wanted.workdir}: {error.strerror}") from error
    finally:
        os.close(lock)
    _report(options, about, wanted.workdir, started)
    return 0


def _have_server(
    wanted: Wanted, options: argparse.Namespace, asked: int
) -> tuple[dict[str, Any], bool]:
    """Return what the server says of itself, and whether it was started."""
    child: Background | None = None
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        about = find_server(wanted.workdir, wanted.token)
        if about is not None:
            _check_place(about, wanted)
            if _allows(about, wanted, asked):
                return about, child is not None
        elif child is None:
            check_port(wanted.port, wanted.token)
            child = start_server(options, wanted.workdir)
        elif child.has_ended:
            raise ServerError(f"the server could not be started: {child.last_words()}")
        time.sleep(LOOK_SECONDS)
    raise ServerError(f"no server has answered in {START_SECONDS:g} s: see {wanted.workdir / LOG}")


def _check_place(about: dict[str, Any], wanted: Wanted) -> None:
    if wanted.port and about["port"] != wanted.port:
        raise ServerError(
            f"the server in {wanted.workdir} listens on port {about['port']}, not {wanted.port}: "
            f"leave --port out, or end process {about['pid']}"
        )


def _allows(about: dict[str, Any], wanted: Wanted, asked: int) -> bool:
    """Return whether a server has read what it is asked to allow.

    Raises:
        ServerError: if it does not allow it, and will not.
    """
    heeds = about.get("asked") is not None
    if heeds and about["asked"] < asked:
        return False
    roots = [Path(root) for root in about.get("allow", [])]
    for folder in wanted.folders:
        if not any(folder.is_relative_to(root) for root in roots):
            raise ServerError(
                f"the server (process {about['pid']}) does not allow {folder}: it asks for a "
                "token or serves other machines, so start it anew with --allow"
            )
    return True


def _own_folder(workdir: Path) -> Path:
    """Return the real workdir, made if it is missing.

    Raises:
        ServerError: if it is another user's, or cannot be made.
    """
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        real = workdir.resolve()
        owner = real.stat().st_uid
    except OSError as error:
        raise ServerError(f"cannot use {workdir}: {error.strerror}") from error
    if hasattr(os, "geteuid") and owner != os.geteuid():
        raise ServerError(f"{real} belongs to another user: choose another --workdir")
    return real


def _real_folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise ServerError(f"{folder} is no folder: --allow wants one that is there")
    return folder.resolve()


def _report(
    options: argparse.Namespace, about: dict[str, Any], workdir: Path, started: bool
) -> None:
    if options.json:
        where = {name: about[name] for name in ("host", "port", "pid")}
        print_json({"ok": True, **where, "workdir": str(workdir), "started": started})
    else:
        print_result(
            f"bandmate {'was started' if started else 'runs'} on {about['host']}:{about['port']}, "
            f"works in {workdir} (process {about['pid']})"
        )
    sys.stdout.flush()
