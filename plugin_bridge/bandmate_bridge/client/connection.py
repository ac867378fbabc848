"""A TCP connection to the server: requests matched with their replies, events kept for later."""

from __future__ import annotations

import socket
import time
import uuid
from collections import deque
from collections.abc import Sequence

from bandmate_server.errors import ProtocolError, ServerError
from bandmate_server.osc.framing import FrameSplitter, frame
from bandmate_server.osc.network import show_address
from bandmate_server.osc.protocol import Message, Value, decode, encode, flatten

CHUNK = 1 << 18  # bytes read from the socket at once
REPLIES = ("/bandmate/reply", "/bandmate/error")


class Connection:
    """Talks OSC 1.0 over TCP; for one thread.

    Args:
        host: of the server.
        port: of the server.
        token: that it wants, or None.
        timeout: seconds that an answer may take.

    Raises:
        ServerError: if nobody answers there.
    """

    def __init__(self, host: str, port: int, token: str | None, timeout: float):
        self.where = show_address(host, port)
        self.events: deque[Message] = deque()
        self._token, self._timeout = token, timeout
        self._splitter = FrameSplitter()
        self._inbox: deque[Message] = deque()
        try:
            self._socket = socket.create_connection((host, port), timeout)
        except OSError as error:
            raise ServerError(
                f"no bandmate server answers at {self.where}: start one with `bandmate serve`"
                f" ({error})"
            ) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        """Close the connection; jobs go on."""
        self._socket.close()

    def ask(
        self, address: str, types: str, *values: object, request: str | None = None
    ) -> tuple[Value, ...]:
        """Send a request and return what its reply says after request id and address.

        Args:
            address: of the request.
            types: of the values.
            values: after the request id.
            request: the id, to ask for the same thing again; None makes a new one.

        Raises:
            ServerError: with the server's code if it refuses, or without if it does not answer.
        """
        return self._answer(address, self._question(address, types, values, request))

    def ask_all(
        self, address: str, types: str, many: Sequence[tuple[object, ...]]
    ) -> list[tuple[Value, ...]]:
        """Send several requests before the first is answered, and return all their replies.

        Raises:
            ServerError: as `ask`, for the first that is refused.
        """
        names = [self._question(address, types, values, None) for values in many]
        return [self._answer(address, name) for name in names]

    def _question(
        self, address: str, types: str, values: tuple[object, ...], request: str | None
    ) -> str:
        """Send a request and return its id."""
        name = request or uuid.uuid4().hex
        if self._token is not None:
            types, values = types + "s", (*values, self._token)
        self._send(frame(encode(address, "s" + types, name, *values)))
        return name

    def _answer(self, address: str, name: str) -> tuple[Value, ...]:
        """Wait for the reply to a request."""
        deadline = time.monotonic() + self._timeout
        while True:
            message = self._receive(deadline)
            if message is None:
                raise ServerError(f"{self.where} did not answer in {self._timeout:g} s")
            if message.address not in REPLIES or message.values[:2] != (name, address):
                self._keep(message)
            elif message.address == "/bandmate/error":
                raise ServerError(str(message.values[3]), int(message.values[2] or 0))
            else:
                return message.values[2:]

    def next_event(self, timeout: float) -> Message | None:
        """Return the next event, or None if none comes in `timeout` seconds.

        Raises:
            ServerError: if the connection breaks.
        """
        deadline = time.monotonic() + timeout
        while not self.events:
            message = self._receive(deadline)
            if message is None:
                return None
            self._keep(message)
        return self.events.popleft()

    def _keep(self, message: Message) -> None:
        """Keep an event; a late reply is for nobody."""
        if message.address != "/bandmate/reply":
            self.events.append(message)

    def _send(self, data: bytes) -> None:
        try:
            self._socket.settimeout(self._timeout)
            self._socket.sendall(data)
        except OSError as error:
            raise ServerError(f"the connection to {self.where} is lost: {error}") from error

    def _receive(self, deadline: float) -> Message | None:
        """Return the next message, or None at the deadline."""
        while not self._inbox:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            try:
                self._socket.settimeout(left)
                data = self._socket.recv(CHUNK)
            except TimeoutError:
                return None
            except OSError as error:
                raise ServerError(f"the connection to {self.where} is lost: {error}") from error
            if not data:
                raise ServerError(f"the server at {self.where} has closed the connection")
            self._read(data)
        return self._inbox.popleft()

    def _read(self, data: bytes) -> None:
        try:
            for packet in self._splitter.push(data):
                self._inbox.extend(decode(part) for part in flatten(packet)[0])
        except ProtocolError as error:
            raise ServerError(f"{self.where} does not speak our OSC: {error}") from error
