"""Where events may be sent: to whoever asks for them, or to a UDP port that it names."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from bandmate_server.errors import RequestError
from bandmate_server.osc.endpoints import Address
from bandmate_server.osc.network import is_address, is_loopback, is_single
from bandmate_server.osc.peers import Peer

Reach = Callable[[int, Address], Peer | None]  # (family, address)
LOOPBACKS = ("127.0.0.1", "::1")


def check_listener(host: str, port: int, has_token: bool) -> None:
    """Refuse listeners that nobody should send to.

    Args:
        host: an address or a name.
        port: of UDP.
        has_token: whether who asks has shown a token.

    Raises:
        RequestError: 400 or 403, saying what was expected.
    """
    if not 1 <= port <= 65_535:
        raise RequestError(400, f"port is {port}: expected 1 to 65535")
    if not has_token and not is_loopback(host):
        raise RequestError(
            403,
            f"{host[:80]} is another machine: expected 127.0.0.1; events go elsewhere only from"
            " a server with a token",
        )
    if is_address(host) and not is_single(host):
        raise RequestError(400, f"{host} is not the address of one machine")


def reach_listener(host: str, port: int, reach: Reach) -> Peer:
    """Return the listener at an address, or at localhost.

    Raises:
        RequestError: 400 if no socket of ours can send there.
    """
    for address in LOOPBACKS if host == "localhost" else [host]:
        found = socket.getaddrinfo(
            address, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )
        for family, _, _, _, target in found:
            peer = reach(family, target)
            if peer is not None:
                return peer
    raise RequestError(400, f"{host} cannot be reached: the server listens to no such address")


async def look_up(host: str) -> str:
    """Return the address of a name.

    Raises:
        RequestError: 404 if it has none.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, 0, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise RequestError(404, f"{host[:80]!r} has no address: {error}") from error
    # Most OSC programs listen to IPv4 alone.
    return str(min(found, key=lambda one: one[0] != socket.AF_INET)[4][0])
