"""Sockets for UDP and TCP on every address of a host, all with one port (stdlib only)."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from bandmate_server.errors import ServerError
from bandmate_server.osc.network import show_address

PORT_TRIES = 20
UDP_BUFFER = 4 << 20  # bytes that wait for us while we are busy
_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # names may have addresses that we have not

Address = tuple[Any, ...]  # as sockets take it, by their family


@dataclass(frozen=True)
class Endpoint:
    """The two sockets of one address, with the same port."""

    tcp: socket.socket
    udp: socket.socket

    @property
    def host(self) -> str:
        """The address."""
        return str(self.tcp.getsockname()[0])

    @property
    def port(self) -> int:
        """The port."""
        return int(self.tcp.getsockname()[1])

    def close(self) -> None:
        """Close both."""
        self.tcp.close()
        self.udp.close()


def open_endpoints(host: str, port: int) -> list[Endpoint]:
    """Open TCP and UDP sockets on every address of a host.

    Args:
        host: an address, or a name that may have several; `::` is every IPv4 address, too.
        port: of all of them; 0 takes one that is free for all.

    Raises:
        ServerError: if the port cannot be had.
    """
    addresses = _resolve(host)
    where = show_address(host, port)
    for _ in range(1 if port else PORT_TRIES):
        try:
            return _open_all(addresses, port)
        except OSError as error:
            trouble = error
            if error.errno != errno.EADDRINUSE:
                break
    raise ServerError(f"cannot listen on {where}: {trouble.strerror}") from trouble


def _resolve(host: str) -> list[tuple[int, Address]]:
    """Return the addresses of a host, each once.

    Raises:
        ServerError: if there are none.
    """
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ServerError(f"cannot listen on {host}: {error}") from error
    addresses = [(int(family), address) for family, _, _, _, address in found]
    if any(address[0] == "::" for _, address in addresses):
        addresses.append((socket.AF_INET, ("0.0.0.0", 0)))
    return list(dict.fromkeys(addresses))


def _open_all(addresses: list[tuple[int, Address]], port: int) -> list[Endpoint]:
    """Open the sockets of all addresses that this machine has, or none.

    Raises:
        OSError: if one of them cannot be had.
    """
    found: list[Endpoint] = []
    absent = OSError(errno.EADDRNOTAVAIL, "this machine has no such address")
    for family, address in addresses:
        try:
            found.append(_open_one(family, address, port))
        except OSError as error:
            if error.errno in _ABSENT:
                absent = error
                continue
            for endpoint in found:
                endpoint.close()
            raise
        port = found[0].port
    if not found:
        raise absent
    return found


def _open_one(family: int, address: Address, port: int) -> Endpoint:
    """Open the sockets of one address.

    Raises:
        OSError: if one of them cannot be had.
    """
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        udp = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        if os.name == "posix":  # Elsewhere it would let two servers have the same port.
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            for one in (tcp, udp):
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        tcp.bind((address[0], port, *address[2:]))
        tcp.listen()
        udp.bind((address[0], tcp.getsockname()[1], *address[2:]))
        with contextlib.suppress(OSError):
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_BUFFER)
        stack.pop_all()  # They stay open.
    return Endpoint(tcp, udp)
