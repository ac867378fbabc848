"""The server's sockets: datagrams and TCP streams in, packets to the service."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from typing import Any, cast

from bandmate_server.errors import ProtocolError
from bandmate_server.osc.announcer import Announcer
from bandmate_server.osc.framing import Framing, choose_framing
from bandmate_server.osc.peers import TcpPeer, UdpPeer
from bandmate_server.osc.protocol import encode
from bandmate_server.osc.service import Service

MAX_CONNECTIONS = 256
PARTIAL_SECONDS = 30.0  # that a TCP packet may take to arrive

_logger = logging.getLogger(__name__)


class Datagrams(asyncio.DatagramProtocol):
    """A UDP socket."""

    def __init__(self, service: Service):
        self._service = service
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        # asyncio's own kind does not inherit from the type that it stands for.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Do what a datagram asks."""
        assert self._transport is not None
        self._service.receive(UdpPeer(self._transport, addr), data)

    def error_received(self, exc: Exception) -> None:
        """Go on without a peer that does not listen."""
        _logger.debug("a peer does not listen any more: %s", exc)


class TcpConnections:
    """The TCP connections that are open: a bounded number, and none that has stopped half-way.

    Args:
        service: gets their packets.
        announcer: knows who waits for events.
    """

    def __init__(self, service: Service, announcer: Announcer):
        self.service, self.announcer = service, announcer
        self._open: set[TcpConnection] = set()

    def make(self) -> TcpConnection:
        """Return the protocol of a new connection."""
        return TcpConnection(self)

    def admit(self, connection: TcpConnection) -> bool:
        """Add a connection; of too many, one that waits for no event and was silent longest goes.

        Returns:
            Whether there is room for it.
        """
        if len(self._open) >= MAX_CONNECTIONS:
            idle = [one for one in self._open if not self.announcer.listens(one.peer)]
            if not idle:
                _logger.warning("all %d connections listen: one refused", MAX_CONNECTIONS)
                return False
            _logger.warning("more than %d connections: an idle one closed", MAX_CONNECTIONS)
            oldest = min(idle, key=lambda one: one.active)
            self._open.discard(oldest)
            oldest.close()
        self._open.add(connection)
        return True

    def discard(self, connection: TcpConnection) -> None:
        """Forget a connection that was closed."""
        self._open.discard(connection)
        self.announcer.forget(connection.peer)

    def drop_unfinished(self) -> None:
        """Close connections whose packet has stopped half-way."""
        now = time.monotonic()
        for connection in list(self._open):
            if connection.partial_since and now - connection.partial_since > PARTIAL_SECONDS:
                connection.refuse(f"a TCP packet stopped half-way for {PARTIAL_SECONDS:g} s")

    def close(self) -> None:
        """Close all of them."""
        for connection in list(self._open):
            connection.close()


class TcpConnection(asyncio.Protocol):
    """One TCP connection: packets in, packets out, and no reading while it does not read.

    Args:
        others: the connections that it belongs to.
    """

    peer: TcpPeer
    _transport: asyncio.Transport

    def __init__(self, others: TcpConnections):
        self.active = time.monotonic()  # when something came last
        self.partial_since = 0.0
        self._others = others
        self._framing: Framing | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, if there is room."""
        assert isinstance(transport, asyncio.Transport)
        self._transport, self.peer = transport, TcpPeer(transport)
        # A peer whose machine has gone is found out some day, too.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if not self._others.admit(self):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Do what the packets ask that bytes complete."""
        self.active = time.monotonic()
        if self._framing is None:
            self._framing = self.peer.framing = choose_framing(data)
        complete = False
        try:
            while packets := self._framing.push(data):
                complete, data = True, b""
                for packet in packets:
                    self._others.service.receive(self.peer, packet)
        except ProtocolError as error:
            self.refuse(str(error))
            return
        if not self._framing.waiting:
            self.partial_since = 0.0
        elif complete or not self.partial_since:
            self.partial_since = self.active

    def pause_writing(self) -> None:
        """Read no more from one who does not read."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Read again."""
        self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Send it no more events."""
        self._others.discard(self)

    def refuse(self, why: str) -> None:
        """Say what cannot be read, and close."""
        _logger.warning("%s: connection closed", why)
        self.peer.send(encode("/bandmate/error", "ssis", "", "", 400, why))
        self.close()

    def close(self) -> None:
        """Close it, once what was said to it is sent."""
        self._transport.close()
