"""OSC bytes <-> checked messages: pure functions.

python-osc reads and writes the values. What it would do wrong with bytes from strangers is
kept from it here: bundles are taken apart without recursion (it recurses, and loops for ever
on a negative size), type tags that it does not know are read as others of their size, or
refused (it skips them and misreads what follows), every length is checked before a value is
read (it invents missing bytes of floats), and addresses that are patterns are refused. Time
tags of bundles are ignored: everything is done at once.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pythonosc.osc_message import OscMessage, ParseError
from pythonosc.parsing import osc_types

from bandmate_server.errors import ProtocolError

UDP_BLOB = 4_000  # bytes of data in one UDP message
TCP_BLOB = 1 << 20  # bytes of data in one TCP message
MAX_UDP = 60_000  # bytes of a datagram that we send; more would be cut up or lost
MAX_TEXT = 64 << 10  # bytes of one string, and of a message without data
MAX_FRAME = TCP_BLOB + MAX_TEXT  # bytes of a TCP frame
MAX_ADDRESS = 128  # bytes
MAX_ARGUMENTS = 16
MAX_DEPTH = 8  # of bundles in bundles
MAX_MESSAGES = 256  # in one packet
KNOWN_TYPES = "s S i h f d b c r m t T F N I"

Value = str | int | float | bytes | bool | None

_BUNDLE = b"#bundle\x00"
_ADDRESS = re.compile(r"(?:/[A-Za-z0-9_.-]+)+")
# Letters of OSC 1.0 and 1.1: numbers; a character, a colour, MIDI, a time; and no bytes at all.
_FIXED_SIZES = {"i": 4, "f": 4, "h": 8, "d": 8, "c": 4, "r": 4, "m": 4, "t": 8}
_FIXED_SIZES |= dict.fromkeys("TFNI", 0)
_READ_AS = str.maketrans("ScrmtI", "siiihN")  # symbols are strings; of the others only the size
_WRITERS: dict[str, Callable[[Any], bytes]] = {
    # The casts take NumPy's scalars too, which python-osc refuses.
    "s": lambda value: osc_types.write_string(_plain(str(value))),
    "i": lambda value: osc_types.write_int(int(value)),
    "h": lambda value: osc_types.write_int64(int(value)),
    "f": lambda value: osc_types.write_float(float(value)),
    "d": lambda value: osc_types.write_double(float(value)),
    # python-osc builds no empty blob, which OSC allows.
    "b": lambda value: osc_types.write_blob(value) if value else osc_types.write_int(0),
}


@dataclass(frozen=True)
class Message:
    """One OSC message: `types` has a letter for each of `values`."""

    address: str
    types: str
    values: tuple[Value, ...]


def encode(address: str, types: str, *values: object) -> bytes:
    """Return a message.

    Args:
        address: such as /bandmate/done.
        types: a letter of s i h f d b for each value.
        values: NumPy scalars are as good as Python's.

    Raises:
        ValueError: if types and values do not fit each other.
    """
    if len(types) != len(values):
        raise ValueError(f"{len(values)} values for the types {types!r}")
    try:
        parts = [_WRITERS[kind](value) for kind, value in zip(types, values, strict=True)]
    except (KeyError, TypeError, osc_types.BuildError) as error:
        raise ValueError(f"values {values!r:.200} do not fit the types {types!r}") from error
    head = osc_types.write_string(address) + osc_types.write_string("," + types)
    return b"".join([head, *parts])


def encode_plain(address: str, types: str, *values: Any) -> bytes:
    """Return a message as `encode` does, with i for every h whose value fits.

    SuperCollider and Pure Data cannot read an h. Arguments and errors are those of `encode`.
    """
    narrow = [
        "i" if kind == "h" and -(2**31) <= value < 2**31 else kind
        for kind, value in zip(types, values, strict=False)
    ]
    return encode(address, "".join(narrow), *values)


def flatten(packet: bytes) -> tuple[list[bytes], str | None]:
    """Take a packet apart into the messages in it, in order.

    Args:
        packet: a message, or a bundle of messages and bundles.

    Returns:
        The messages, not yet checked; and what is wrong with the bundles around them, or None.
    """
    messages: list[bytes] = []
    stack = [(packet, 0)]
    while stack:
        part, depth = stack.pop()
        if not part.startswith(_BUNDLE):
            messages.append(part)
        elif depth >= MAX_DEPTH:
            return messages, f"bundles lie {depth + 1} deep in each other: expected {MAX_DEPTH}"
        else:
            elements, problem = _elements(part)
            if problem:
                return messages + [e for e in elements if not e.startswith(_BUNDLE)], problem
            stack += [(element, depth + 1) for element in reversed(elements)]
        if len(messages) + len(stack) > MAX_MESSAGES:
            return messages, f"a packet has more than {MAX_MESSAGES} messages"
    return messages, None if messages else "a bundle without a message"


def _elements(bundle: bytes) -> tuple[list[bytes], str | None]:
    """Return a bundle's elements, and what is wrong with it, or None."""
    found: list[bytes] = []
    at = len(_BUNDLE) + 8
    if len(bundle) < at:
        return found, f"a bundle of {len(bundle)} bytes: expected {at} or more"
    while at < len(bundle):
        if len(bundle) - at < 4:
            return found, f"{len(bundle) - at} bytes too many at the end of a bundle"
        (size,) = struct.unpack_from(">i", bundle, at)
        at += 4
        if size <= 0 or size % 4 or size > len(bundle) - at:
            left = len(bundle) - at
            return found, f"a bundle's element has size {size}: expected 4 to {left}, in fours"
        if len(found) >= MAX_MESSAGES:
            return found, f"a bundle has more than {MAX_MESSAGES} elements"
        found.append(bundle[at : at + size])
        at += size
    return found, None


def decode(data: bytes) -> Message:
    """Read one message.

    Raises:
        ProtocolError: saying what came and what was expected.
    """
    if not data or len(data) % 4:
        raise ProtocolError(f"a message of {len(data)} bytes: expected a multiple of 4")
    address, at = _head_text(data, 0, MAX_ADDRESS, "address")
    if not _ADDRESS.fullmatch(address):
        raise ProtocolError(f"address {address!r}: expected one of plain names, not a pattern")
    if at == len(data):
        return Message(address, "", ())
    start = at
    tags, at = _head_text(data, at, MAX_ARGUMENTS + 1, "type tags")
    if not tags.startswith(","):
        raise ProtocolError(f"type tags {tags!r}: expected a comma first")
    types = tags[1:]
    end = _end_of_values(data, at, types)
    if end != len(data):
        raise ProtocolError(f"types {types!r} need {end} bytes: {len(data)} came")
    familiar = tags.translate(_READ_AS).encode()
    plain = data[:start] + familiar + data[start + len(familiar) :]
    try:
        return Message(address, types, tuple(OscMessage(plain).params))
    except (ParseError, UnicodeDecodeError) as error:
        raise ProtocolError(f"a string is not UTF-8: {error}") from error


def name_request(data: bytes) -> tuple[str, str] | None:
    """Return (request id, address) of a message that may be broken, as far as they can be read.

    Returns:
        None if there is no address; an empty request id if the first argument is no string.
    """
    if not data.startswith(b"/"):
        return None
    address, at = _readable(data, 0)
    tags, at = _readable(data, at)
    request = _readable(data, at)[0] if tags.startswith((",s", ",S")) else ""
    return request[:MAX_ADDRESS], address[:MAX_ADDRESS]


def _readable(data: bytes, at: int) -> tuple[str, int]:
    """Return what can be read of a string that need not end, and where the next value is."""
    try:
        return _head_text(data, at, MAX_TEXT, "string")
    except ProtocolError:
        rest = data[at : at + MAX_ADDRESS]
        return rest.decode("utf-8", "backslashreplace"), len(data)


def _head_text(data: bytes, at: int, limit: int, what: str) -> tuple[str, int]:
    """Return a string, decoded with escapes for what is not UTF-8, and where the next value is."""
    stop = data.find(b"\x00", at, at + limit + 1)
    if stop < 0:
        raise ProtocolError(f"the {what} does not end within {limit} bytes")
    return data[at:stop].decode("utf-8", "backslashreplace"), stop + 4 - (stop - at) % 4


def _end_of_values(data: bytes, at: int, types: str) -> int:
    """Return where the values end by their types and lengths.

    Raises:
        ProtocolError: if a type is unknown, or a value goes past the end or its limit.
    """
    for kind in types:
        if kind in _FIXED_SIZES:
            at += _FIXED_SIZES[kind]
        elif kind in "sS":
            _, at = _head_text(data, at, MAX_TEXT, "string")
        elif kind == "b":
            at = _end_of_blob(data, at)
        else:
            raise ProtocolError(f"type {kind!r} in {types!r}: expected letters of {KNOWN_TYPES}")
        if at > len(data):
            raise ProtocolError(f"types {types!r} need {at} bytes or more: {len(data)} came")
    return at


def _end_of_blob(data: bytes, at: int) -> int:
    if at + 4 > len(data):
        raise ProtocolError("the size of the data is missing")
    (size,) = struct.unpack_from(">i", data, at)
    if not 0 <= size <= TCP_BLOB:
        raise ProtocolError(f"data of {size} bytes: expected 0 to {TCP_BLOB}")
    return int(at + 4 + size + -size % 4)


def _plain(text: str) -> str:
    """Return text that OSC can carry: no NUL, which ends a string, and valid UTF-8."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
