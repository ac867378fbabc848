"""Who talks to the server: senders of datagrams, and TCP connections."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Any, Protocol

from bandmate_server.osc.framing import FrameSplitter, Framing
from bandmate_server.osc.protocol import MAX_FRAME, MAX_UDP, TCP_BLOB, UDP_BLOB

SLOW_BYTES = 8 << 20  # waiting for a TCP peer, after which it gets no more events
LOST_BYTES = 64 << 20  # after which it is dropped


class Peer(Protocol):
    """Somebody who gets answers."""

    blob: int  # bytes of data that one message to it may carry
    limit: int  # bytes of one message to it
    proven: bool  # whether answers reach who asked, and nobody who was named as the sender

    @property
    def host(self) -> str:
        """Its address, without the port."""

    @property
    def key(self) -> Hashable:
        """Who it is: the same for the same sender."""

    def send(self, data: bytes) -> None:
        """Send a message, or drop it if the peer has gone."""

    def offer(self, data: bytes) -> None:
        """Send an event; a peer that does not read misses it."""


class UdpPeer:
    """An address that datagrams came from.

    Args:
        transport: of the server's socket.
        address: as the socket gave it.
    """

    blob, limit, proven = UDP_BLOB, MAX_UDP, False

    def __init__(self, transport: asyncio.DatagramTransport, address: tuple[Any, ...]):
        self._transport, self._address = transport, address

    @property
    def host(self) -> str:
        """The address without the port."""
        return str(self._address[0])

    @property
    def key(self) -> Hashable:
        """The address."""
        return self._address

    def send(self, data: bytes) -> None:
        """Send a datagram; nobody knows whether it arrives."""
        if not self._transport.is_closing():
            self._transport.sendto(data, self._address)

    offer = send


class TcpPeer:
    """A TCP connection; `framing` is what it sends, and is answered in.

    Args:
        transport: of the connection.
    """

    blob, limit, proven = TCP_BLOB, MAX_FRAME, True

    def __init__(self, transport: asyncio.Transport):
        self._transport = transport
        self.framing: Framing = FrameSplitter()

    @property
    def host(self) -> str:
        """The other end's address without the port."""
        return str(self._transport.get_extra_info("peername")[0])

    @property
    def key(self) -> Hashable:
        """The connection itself."""
        return id(self)

    def send(self, data: bytes) -> None:
        """Send a frame; one who never reads is cut off."""
        if self._transport.get_write_buffer_size() > LOST_BYTES:
            self._transport.abort()
        elif not self._transport.is_closing():
            self._transport.write(self.framing.wrap(data))

    def offer(self, data: bytes) -> None:
        """Send a frame unless many wait."""
        if self._transport.get_write_buffer_size() < SLOW_BYTES:
            self.send(data)
