"""Packets from somebody who means no good: every named request is answered, nothing else happens.

BANDMATE_FULL=1 sends 10,000 of them each way; else a twentieth.
"""

import os
import random
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bandmate_server.errors import ProtocolError, ServerError
from bandmate_server.osc.framing import FrameSplitter, Framing, SlipSplitter, frame
from bandmate_server.osc.protocol import decode, encode, name_request
from bandmate_server.osc.routes import EVENTS, REQUESTS

COUNT = 10_000 if os.environ.get("BANDMATE_FULL") else 500  # each way
BATCH = 50  # packets between two looks at the answers
GROWTH = 24 << 20  # bytes; what Python keeps of any work, far below what a leak would take
ADDRESSES = list(REQUESTS)
VALUES = {"s": "x", "h": 2**60, "d": -1.0, "b": b"\0" * 100, "i": -5, "f": float("nan")}


def good(rng: random.Random, request: str) -> bytes:
    """Return a request of the right types and senseless values, which is refused or harmless."""
    route = rng.choice([r for r in REQUESTS.values() if not r.address.endswith("subscribe")])
    types = "".join(argument.kind for argument in route.expected)
    values = [request, *(VALUES[kind] for kind in types[1:])]
    return encode(route.address, types, *values)


def overwritten(rng: random.Random, message: bytes) -> bytes:
    place = rng.randrange(len(message))
    return message[:place] + rng.randbytes(4) + message[place + 4 :]


def patterned(rng: random.Random, request: str) -> bytes:
    pattern = rng.choice(["/bandmate/*", "/*", "/bandmate/{hello,put}", "/[a-z]*/????", "//x"])
    return encode(pattern, "s", request)


def mistyped(rng: random.Random, request: str) -> bytes:
    types = "".join(rng.choice("sihfdb") for _ in range(rng.randrange(14)))
    values = [VALUES[letter] for letter in types]
    return encode(rng.choice(ADDRESSES), "s" + types, request, *values)


def nameless(rng: random.Random, request: str) -> bytes:
    """Return a request without an id, with one of another type, or without any types."""
    address = encode(rng.choice(ADDRESSES), "")[:-4]
    return address + rng.choice([b"", b",\0\0\0", encode("/a", "i", 7)[4:], b"req\0"])


def nested(rng: random.Random, message: bytes) -> bytes:
    for _ in range(rng.randrange(1, 200)):
        message = b"#bundle\0" + rng.randbytes(8) + frame(message)
    return message


def far_off(rng: random.Random, message: bytes) -> bytes:
    time = struct.pack(">Q", rng.choice([1, 2**63, 2**64 - 1]))
    return b"#bundle\0" + time + frame(message) + frame(message)


def oversized(rng: random.Random, request: str) -> bytes:
    return b"#bundle\0" + bytes(8) + struct.pack(">i", rng.choice([-4, -(2**31), 2**31 - 1]))


def strangely_typed(rng: random.Random, request: str) -> bytes:
    letter = rng.choice("cmrtTFNI[]S")
    name = rng.choice("sS")
    return encode("/bandmate/hello", "s", request).replace(b",s\0\0", f",{name}{letter}\0".encode())


def badly_named(rng: random.Random, request: str) -> bytes:
    name = rng.choice(["../x", "/etc/passwd", ".", "..", "a/../b", "a\tb", "x" * 5000, "~", "%2e"])
    return encode("/bandmate/get", "sshh", request, f"put:{name}", 0, 100)


def not_text(rng: random.Random, request: str) -> bytes:
    return b"/bandmate/status\0\0\0\0,ss\0" + encode_text(request) + b"\xff\xc0\x80\0"


KINDS: list[Callable[[random.Random, str], bytes]] = [
    patterned,
    mistyped,
    nameless,
    oversized,
    strangely_typed,
    badly_named,
    not_text,
    good,
    lambda rng, request: rng.randbytes(rng.randrange(1, 400)),
    lambda rng, request: good(rng, request)[: rng.randrange(40)],
    lambda rng, request: overwritten(rng, good(rng, request)),
    lambda rng, request: nested(rng, good(rng, request)),
    lambda rng, request: far_off(rng, good(rng, request)),
    lambda rng, request: encode("/bandmate/put", "sshhb", request, "x", 0, 2**40, bytes(30_000)),
    lambda rng, request: encode("/bandmate/hello", "s", request) + bytes(4),
    lambda rng, request: encode(rng.choice(list(EVENTS)), "ss", request, "/bandmate/hello"),
]


def encode_text(text: str) -> bytes:
    return text.encode() + bytes(4 - len(text) % 4)


def must_answer(packet: bytes) -> str | None:
    """Return the request id of a message that must be answered, however broken it is."""
    named = None if packet.startswith(b"#bundle") else name_request(packet)
    if named is None or named[1] in EVENTS:
        return None
    try:
        message = decode(packet)
    except ProtocolError:
        return named[0]
    return str(message.values[0])[:128] if message.values else ""


def packets(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    rng = random.Random(seed)
    for number in range(count):
        request = f"evil-{seed}-{number}"
        yield request, rng.choice(KINDS)(rng, request)


def memory(process: Any) -> int:
    """Return the resident bytes of a process."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) << 10


def names_in(answers: list[bytes]) -> set[str]:
    return {str(decode(answer).values[0]) for answer in answers}


def over_udp(server: Any, sent: list[tuple[str, bytes]], udp: Any) -> list[bytes]:
    """Send packets and return everything that comes back before the answer to a last question."""
    for _, packet in sent:
        udp.send(packet)
    udp.send(encode("/bandmate/hello", "s", "are you there?"))
    answers: list[bytes] = []
    while True:
        answers.append(udp.socket.recv(65_536))
        if decode(answers[-1]).values[0] == "are you there?":
            return answers


def over_tcp(server: Any, sent: list[tuple[str, bytes]], udp: Any) -> list[bytes]:
    usable = [packet for _, packet in sent if packet and len(packet) % 4 == 0]
    return over_stream(server, usable, FrameSplitter())


def over_slip(server: Any, sent: list[tuple[str, bytes]], udp: Any) -> list[bytes]:
    return over_stream(server, [packet for _, packet in sent], SlipSplitter())


def over_stream(server: Any, sent: list[bytes], splitter: Framing) -> list[bytes]:
    answers: list[bytes] = []
    with socket.create_connection(("127.0.0.1", server.port)) as stream:
        stream.settimeout(120)
        last = encode("/bandmate/hello", "s", "are you there?")
        stream.sendall(b"".join(map(splitter.wrap, [*sent, last])))
        while True:
            for answer in splitter.push(stream.recv(65_536)):
                answers.append(answer)
                if decode(answer).values[0] == "are you there?":
                    return answers


@pytest.mark.parametrize("way", [over_udp, over_tcp, over_slip])
def test_hostile_packets_are_answered_and_change_nothing(
    way: Callable[..., list[bytes]], server: Any, udp: Any
) -> None:
    before, jobs = 0, len(server.connect().jobs())
    seed = 1 + [over_udp, over_tcp, over_slip].index(way)
    batch: list[tuple[str, bytes]] = []
    for number, (request, packet) in enumerate(packets(seed, COUNT), 1):
        batch.append((request, packet))
        if number % BATCH:
            continue
        answered = names_in(way(server, batch, udp))
        for name, sent in batch:
            named = must_answer(sent)
            if named is not None and (way is not over_tcp or len(sent) % 4 == 0):
                assert named in answered, f"{name} got no answer: {sent!r}"
        batch = []
        if number == COUNT // 2:
            before = memory(server.process)
    assert memory(server.process) - before < GROWTH
    assert len(server.connect().jobs()) == jobs
    assert "traceback" not in server.log.read_text()


def test_errors_name_the_request_of_every_message_in_a_broken_bundle(udp: Any) -> None:
    one, two = (encode("/bandmate/hello", "s", name) for name in ("one", "two"))
    udp.send(b"#bundle\0" + bytes(8) + frame(one) + frame(two) + b"\xff\xff\xff\xff")
    answers = [udp.receive() for _ in range(2)]
    assert [answer.address for answer in answers] == ["/bandmate/error"] * 2
    assert [answer.values[0] for answer in answers] == ["one", "two"]


def test_events_are_never_answered_so_that_two_servers_cannot_talk_for_ever(udp: Any) -> None:
    for address in EVENTS:
        udp.send(encode(address, "ssis", "r", "/bandmate/hello", 400, "?"))
    assert udp.ask("/bandmate/hello", "s", "last").values[0] == "last"


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 8, b"\0\x20\0\0"])
def test_tcp_that_is_not_osc_is_told_so_and_closed(server: Any, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as stream:
        stream.settimeout(120)
        stream.sendall(data)
        received = b""
        while more := stream.recv(65_536):
            received += more
    (answer,) = FrameSplitter().push(received)
    assert "OSC 1.0" in str(decode(answer).values[3])
    assert "OSC 1.1" in str(decode(answer).values[3])


def test_one_who_never_reads_costs_no_memory_and_no_answer(server: Any, udp: Any) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as stream:
        stream.settimeout(1.0)
        question, before = frame(encode("/bandmate/status", "ss", "r", "")), memory(server.process)
        try:
            for _ in range(400):
                stream.sendall(question * 100)
        except OSError:
            pass
        assert udp.ask("/bandmate/hello", "s", "still there").address == "/bandmate/reply"
        assert memory(server.process) - before < 96 << 20


def test_many_connections_that_say_nothing_do_no_harm(
    server: Any, udp: Any, until: Callable[..., Any]
) -> None:
    streams = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(300)]
    for stream in streams[:100]:
        stream.sendall(b"\0\0\xff")
    assert udp.ask("/bandmate/hello", "s", "still there").address == "/bandmate/reply"
    for stream in streams:
        stream.close()

    def is_welcome() -> bool:
        try:
            return bool(server.connect().hello().model)
        except ServerError:
            return False

    until(is_welcome)
