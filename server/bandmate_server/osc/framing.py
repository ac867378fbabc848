"""OSC packets in a TCP stream: with their lengths in front (OSC 1.0), or as SLIP (OSC 1.1)."""

from __future__ import annotations

import re
import struct
from typing import Protocol

from bandmate_server.errors import ProtocolError
from bandmate_server.osc.protocol import MAX_FRAME

_END, _ESCAPE, _ESCAPED_END, _ESCAPED_ESCAPE = b"\xc0", b"\xdb", b"\xdb\xdc", b"\xdb\xdd"
_BAD_ESCAPE = re.compile(rb"\xdb(?![\xdc\xdd])")
_SLIP_STARTS = (_END, b"/", b"#")  # RFC 1055 does not ask for an END in front


class Framing(Protocol):
    """How one stream holds packets."""

    @property
    def waiting(self) -> bool:
        """Whether a packet has begun and not ended."""

    def push(self, data: bytes) -> list[bytes]:
        """Take bytes and return the packets that they complete.

        Raises:
            ProtocolError: if nothing that follows can be read. What came before it was
                returned by earlier calls: call again, without data, until nothing is returned.
        """

    def wrap(self, packet: bytes) -> bytes:
        """Return a packet as it goes into the stream."""


def frame(packet: bytes) -> bytes:
    """Return a packet as OSC 1.0 sends it over TCP: with its length in front."""
    return struct.pack(">i", len(packet)) + packet


def slip_frame(packet: bytes) -> bytes:
    """Return a packet as OSC 1.1 sends it over TCP: escaped, between two ENDs.

    Source: RFC 1055, with the second END that OSC 1.1 asks for.
    """
    escaped = packet.replace(_ESCAPE, _ESCAPED_ESCAPE).replace(_END, _ESCAPED_END)
    return _END + escaped + _END


def choose_framing(start: bytes) -> Framing:
    """Return the framing of a stream by its first byte: no length of ours begins like SLIP."""
    return SlipSplitter() if start.startswith(_SLIP_STARTS) else FrameSplitter()


class FrameSplitter:
    """Cuts a stream of OSC 1.0 into packets."""

    wrap = staticmethod(frame)

    def __init__(self) -> None:
        """Start with nothing."""
        self._held = bytearray()

    @property
    def waiting(self) -> bool:
        """Whether a packet has begun and not ended."""
        return bool(self._held)

    def push(self, data: bytes) -> list[bytes]:
        """Take bytes and return the packets that they complete; see `Framing`."""
        self._held += data
        found: list[bytes] = []
        at = 0
        while len(self._held) - at >= 4:
            (size,) = struct.unpack_from(">i", self._held, at)
            if size <= 0 or size % 4 or size > MAX_FRAME:
                if found:
                    break
                raise ProtocolError(
                    f"a TCP packet of {size} bytes: expected 4 to {MAX_FRAME}, in fours, with its"
                    " length in front (OSC 1.0), or SLIP from the connection's start (OSC 1.1)"
                )
            if len(self._held) - at - 4 < size:
                break
            found.append(bytes(self._held[at + 4 : at + 4 + size]))
            at += 4 + size
        del self._held[:at]
        return found


class SlipSplitter:
    """Cuts a stream of OSC 1.1 into packets."""

    wrap = staticmethod(slip_frame)

    def __init__(self) -> None:
        """Start with nothing."""
        self._held = bytearray()  # of a packet that has not ended, still escaped
        self._whole: list[bytes] = []  # packets that have ended, still escaped

    @property
    def waiting(self) -> bool:
        """Whether a packet has begun and not ended."""
        return bool(self._held)

    def push(self, data: bytes) -> list[bytes]:
        """Take bytes and return the packets that they complete; see `Framing`."""
        first, *others = data.split(_END)
        self._held += first
        if others:
            self._whole += [bytes(self._held), *others[:-1]]
            self._held = bytearray(others[-1])
        found: list[bytes] = []
        while self._whole:
            try:
                packet = _unescape(self._whole[0])
            except ProtocolError:
                if found:
                    return found
                raise
            del self._whole[0]
            if packet:
                found.append(packet)
        if len(self._held) > 2 * MAX_FRAME and not found:
            raise ProtocolError(f"a SLIP packet of more than {MAX_FRAME} bytes")
        return found


def _unescape(packet: bytes) -> bytes:
    """Return a SLIP packet's bytes.

    Raises:
        ProtocolError: if it is too long, or an escape stands for nothing.
    """
    wrong = _BAD_ESCAPE.search(packet)
    if wrong is not None:
        came = packet[wrong.start() : wrong.start() + 2].hex(" ")
        raise ProtocolError(f"bytes {came} in a SLIP packet: expected db dc or db dd")
    plain = packet.replace(_ESCAPED_END, _END).replace(_ESCAPED_ESCAPE, _ESCAPE)
    if len(plain) > MAX_FRAME:
        raise ProtocolError(f"a SLIP packet of {len(plain)} bytes: expected up to {MAX_FRAME}")
    return plain
