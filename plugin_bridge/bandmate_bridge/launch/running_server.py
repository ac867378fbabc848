"""Which server runs already: ours, another's, or some other program on its port."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from bandmate_bridge.client.connection import Connection
from bandmate_server.errors import ServerError
from bandmate_server.files import read_json
from bandmate_server.jobs.lock import lock_folder
from bandmate_server.osc.network import DEFAULT_HOST, DEFAULT_PORT
from bandmate_server.version import bandmate_version

ANSWER_SECONDS = 5.0
TOKEN_CODE = 401


def find_server(workdir: Path, token: str | None) -> dict[str, Any] | None:
    """Return what server.json says of the server that works in a folder, if it answers.

    Args:
        workdir: a real path.
        token: that it may want.

    Returns:
        None if there is none, or it is not ready, or about to end.

    Raises:
        ServerError: if it does not answer, refuses, or is of another version.
    """
    if not _is_locked(workdir):
        return None
    try:
        about = read_json(workdir / "server.json")
        port, process, version = int(about["port"]), int(about["pid"]), str(about["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    try:
        answer = _hello(port, token)
    except ServerError as error:
        if not _listens(port):
            return None
        why = f"the server in {workdir} (process {process}) cannot be used: {error}"
        raise ServerError(why) from error
    if Path(answer[2]) != workdir:
        return None  # A server that was killed left its file, and its port is another's now.
    mine = bandmate_version()
    if version != mine:
        raise ServerError(
            f"the server in {workdir} is bandmate {version}, and this is {mine}: "
            f"end process {process}, then try again"
        )
    return about


def check_port(wanted: int | None, token: str | None) -> None:
    """Refuse a port that another program, or another server, has.

    Args:
        wanted: None for the usual one, 0 for any free one.
        token: that a server may want.

    Raises:
        ServerError: saying whose it is.
    """
    port = DEFAULT_PORT if wanted is None else wanted
    if not port or not _listens(port):
        return
    try:
        answer = _hello(port, token)
    except ServerError as error:
        if error.code == TOKEN_CODE:
            raise ServerError(f"the bandmate server on port {port} wants a token") from error
        raise ServerError(
            f"port {port} is taken by another program: end it, or choose another --port"
        ) from error
    whose = _owner(Path(answer[2]))
    raise ServerError(
        f"a bandmate server{whose} that works in {answer[2]} has port {port}: end it, use its "
        "--workdir, or choose another --port"
    )


def _hello(port: int, token: str | None) -> list[str]:
    """Return version, model, workdir and provider of the server on a port."""
    connection = Connection(DEFAULT_HOST, port, token, ANSWER_SECONDS)
    try:
        return [str(value) for value in connection.ask("/bandmate/hello", "")]
    finally:
        connection.close()


def _listens(port: int) -> bool:
    try:
        socket.create_connection((DEFAULT_HOST, port), ANSWER_SECONDS).close()
    except OSError:
        return False
    return True


def _is_locked(workdir: Path) -> bool:
    """Return whether a server, or what is left of it, works in a folder."""
    try:
        os.close(lock_folder(workdir, wait=0.0))
    except ServerError:
        return True
    return False


def _owner(workdir: Path) -> str:
    try:
        return f" of user {workdir.owner()}"
    except (OSError, KeyError, NotImplementedError):
        return ""
