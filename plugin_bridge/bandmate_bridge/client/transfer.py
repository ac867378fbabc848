"""Files to and from the server, in pieces that are checked and can go on where they broke."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from bandmate_bridge.client.connection import Connection
from bandmate_server.errors import ServerError
from bandmate_server.osc.protocol import TCP_BLOB

AHEAD = 8  # pieces that are under way at once


def put(connection: Connection, data: bytes, suffix: str) -> str:
    """Send the bytes of a file and return the put:NAME that stands for it.

    It is named after its contents, so that nothing is sent twice, and an upload that was
    cut off goes on where it broke.

    Raises:
        ServerError: if it does not arrive whole.
    """
    whole = hashlib.sha256(data).hexdigest()
    name = whole[:40] + (suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,8}", suffix) else "")
    received = int(connection.ask("/bandmate/put", "shhb", name, 0, len(data), b"")[1] or 0)
    while received < len(data):
        received = _put_batch(connection, name, data, received)
    values = connection.ask("/bandmate/put", "shhb", name, len(data), len(data), b"")
    if values[3] != whole:
        raise ServerError(f"what the server has as {name} is not what was sent: send it again")
    return f"put:{name}"


def get(connection: Connection, name: str) -> bytes:
    """Return the bytes of put:NAME, or of JOB/bass.wav and the like.

    Raises:
        ServerError: if it is not there, or changed under way.
    """
    total = int(connection.ask("/bandmate/get", "shh", name, 0, 1)[2] or 0)
    pieces: list[bytes] = []
    for batch in _batches(range(0, total, TCP_BLOB)):
        wanted = [(name, offset, TCP_BLOB) for offset in batch]
        for values in connection.ask_all("/bandmate/get", "shh", wanted):
            assert isinstance(values[3], bytes)
            pieces.append(values[3])
    data = b"".join(pieces)
    if (
        hashlib.sha256(data).hexdigest()
        != connection.ask("/bandmate/get", "shh", name, total, 0)[4]
    ):
        raise ServerError(f"{name} changed while it was fetched: fetch it again")
    return data


def _put_batch(connection: Connection, name: str, data: bytes, start: int) -> int:
    """Send the next pieces, and return how much of the file is there then."""
    offsets = next(_batches(range(start, len(data), TCP_BLOB)))
    sent = [(name, at, len(data), data[at : at + TCP_BLOB]) for at in offsets]
    replies = connection.ask_all("/bandmate/put", "shhb", sent)
    for (_, _, _, piece), reply in zip(sent, replies, strict=True):
        if reply[3] != hashlib.sha256(piece).hexdigest():
            raise ServerError(f"a piece of {name} was damaged under way: send it again")
    return int(replies[-1][1] or 0)


def _batches(offsets: range) -> Iterator[range]:
    """Yield a few offsets at a time: what is under way at once."""
    for first in range(0, len(offsets), AHEAD):
        yield offsets[first : first + AHEAD]
