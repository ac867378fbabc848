"""Files to and from the server, in pieces that are checked and can go on where they broke."""

from __future__ import annotations

import hashlib
import re

from bandmate_bridge.connection import Connection
from bandmate_server.errors import ServerError
from bandmate_server.protocol import TCP_BLOB


def put(connection: Connection, data: bytes, suffix: str) -> str:
    """Send the bytes of a file and return the put:NAME that stands for it.

    It is named after its contents, so that nothing is sent twice, and an upload that was
    cut off goes on where it broke.

    Raises:
        ServerError: if it does not arrive whole.
    """
    whole = hashlib.sha256(data).hexdigest()
    name = whole[:40] + (suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,8}", suffix) else "")
    received = _put_piece(connection, name, 0, len(data), b"")
    while received < len(data):
        piece = data[received : received + TCP_BLOB]
        received = _put_piece(connection, name, received, len(data), piece)
    values = connection.ask("/bandmate/put", "shhb", name, len(data), len(data), b"")
    if values[3] != whole:
        raise ServerError(f"what the server has as {name} is not what was sent: send it again")
    return f"put:{name}"


def get(connection: Connection, name: str) -> bytes:
    """Return the bytes of put:NAME, or of JOB/bass.wav and the like.

    Raises:
        ServerError: if it is not there, or changed under way.
    """
    data = bytearray()
    while True:
        values = connection.ask("/bandmate/get", "shh", name, len(data), TCP_BLOB)
        piece, digest = values[3], str(values[4])
        assert isinstance(piece, bytes)
        if not piece:
            break
        data += piece
    if hashlib.sha256(data).hexdigest() != digest:
        raise ServerError(f"{name} changed while it was fetched: fetch it again")
    return bytes(data)


def _put_piece(connection: Connection, name: str, offset: int, total: int, piece: bytes) -> int:
    """Send a piece and return how much of the file is there."""
    values = connection.ask("/bandmate/put", "shhb", name, offset, total, piece)
    if piece and values[3] != hashlib.sha256(piece).hexdigest():
        raise ServerError(f"a piece of {name} was damaged under way: send it again")
    return int(values[1] or 0)
