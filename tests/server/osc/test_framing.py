"""Packets in TCP streams: OSC 1.0 and 1.1, cut anywhere, damaged, too long."""

import socket
import struct
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from bandmate_server.errors import ProtocolError
from bandmate_server.osc.framing import (
    FrameSplitter,
    Framing,
    SlipSplitter,
    choose_framing,
    frame,
    slip_frame,
)
from bandmate_server.osc.protocol import MAX_FRAME, decode, encode

HELLO = encode("/bandmate/hello", "s", "r1")
FRAMINGS: list[type[FrameSplitter | SlipSplitter]] = [FrameSplitter, SlipSplitter]
PACKETS = st.lists(st.binary(min_size=1, max_size=30) | st.just(b"\xc0\xdb\xdc\xdd"), max_size=10)


@pytest.mark.parametrize("framing", FRAMINGS)
@settings(deadline=None)
@given(packets=PACKETS, size=st.integers(1, 40))
def test_packets_are_cut_wherever_tcp_cuts_them(
    framing: type[FrameSplitter | SlipSplitter], packets: list[bytes], size: int
) -> None:
    packets = [packet + bytes(-len(packet) % 4) for packet in packets]
    splitter = framing()
    stream = b"".join(map(splitter.wrap, packets))
    parts = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [packet for part in parts for packet in splitter.push(part)] == packets
    assert not splitter.waiting


@settings(deadline=None)
@given(st.lists(st.binary(max_size=50), max_size=5))
def test_any_bytes_are_cut_or_refused(parts: list[bytes]) -> None:
    for framing in FRAMINGS:
        splitter: Framing = framing()
        try:
            for part in parts:
                assert all(splitter.push(part))
        except ProtocolError as error:
            assert len(str(error)) < 300


@pytest.mark.parametrize(
    "stream",
    [
        slip_frame(HELLO),
        slip_frame(HELLO)[:-1] + b"\xc0\xc0\xc0",  # several ENDs are as good as one
        slip_frame(HELLO)[1:],  # RFC 1055 needs none in front
    ],
)
def test_slip_is_recognised_however_it_begins(stream: bytes) -> None:
    framing = choose_framing(stream[:1])
    assert framing.push(stream) == [HELLO]
    assert framing.wrap(HELLO) == slip_frame(HELLO)


def test_lengths_are_recognised() -> None:
    assert choose_framing(frame(HELLO)).push(frame(HELLO)) == [HELLO]
    assert choose_framing(frame(bytes(MAX_FRAME))[:1]).wrap(HELLO) == frame(HELLO)


@pytest.mark.parametrize("size", [-1, 0, 3, MAX_FRAME + 4, 0x47455420])
def test_frames_of_senseless_length_are_refused(size: int) -> None:
    with pytest.raises(ProtocolError, match="TCP packet"):
        FrameSplitter().push(struct.pack(">i", size))


@pytest.mark.parametrize("end", [b"\xdb\xc0", b"\xdba\xc0", b"\xdb\xdb\xdd\xc0"])
def test_escapes_that_stand_for_nothing_are_refused(end: bytes) -> None:
    with pytest.raises(ProtocolError, match="SLIP packet: expected db dc"):
        SlipSplitter().push(b"\xc0/a\0\0" + end)


@pytest.mark.parametrize("byte", [b"a", b"\xdb\xdc"])
def test_slip_packets_that_never_end_are_refused(byte: bytes) -> None:
    splitter = SlipSplitter()
    with pytest.raises(ProtocolError, match=f"{MAX_FRAME}"):
        for _ in range(40):
            splitter.push(byte * (100_000 // len(byte)))
            assert splitter.waiting
        splitter.push(b"\xc0")


@pytest.mark.parametrize("framing", FRAMINGS)
def test_what_came_before_damage_is_read(framing: type[FrameSplitter | SlipSplitter]) -> None:
    splitter = framing()
    damage = b"\xff" * 4 if framing is FrameSplitter else b"\xc0\xdb\xc0"
    assert splitter.push(splitter.wrap(HELLO) * 2 + damage) == [HELLO] * 2
    with pytest.raises(ProtocolError):
        splitter.push(b"")


def talk(server: Any, *pieces: bytes) -> list[Any]:
    """Send pieces over one connection, and return what comes until it is closed or answers."""
    splitter = choose_framing(b"".join(pieces)[:1])
    found = []
    with socket.create_connection(("127.0.0.1", server.port)) as stream:
        stream.settimeout(120)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            stream.sendall(piece)
        stream.shutdown(socket.SHUT_WR)
        while data := stream.recv(65_536):
            found += [decode(packet) for packet in splitter.push(data)]
    return found


@pytest.mark.parametrize("wrap", [frame, slip_frame])
def test_both_framings_are_answered_in_kind(server: Any, wrap: Any) -> None:
    status = encode("/bandmate/status", "s", "\u06db r2")  # its UTF-8 has a byte to be escaped
    stream = wrap(HELLO) + wrap(status)
    for cut in (len(stream), 1, 3, 21):
        pieces = [stream[at : at + cut] for at in range(0, len(stream), cut)]
        first, second = talk(server, *pieces)
        assert first.values[:4] == ("r1", "/bandmate/hello", first.values[2], "fake")
        assert (second.address, second.values[0]) == ("/bandmate/reply", "\u06db r2")


def test_damage_in_slip_is_told_in_slip(server: Any) -> None:
    good, bad = talk(server, slip_frame(HELLO) + b"\xc0/a\xdb\0\xc0")
    assert good.address == "/bandmate/reply"
    assert bad.address == "/bandmate/error"
    assert "db 00" in bad.values[3]


def test_packets_of_no_kind_are_answered_over_tcp(server: Any) -> None:
    for packet in (
        b"what?",
        b"\0\0\0\0",
        b"/bandmate/hello",
        b"#bundle\0",
        b"#bundle\0" + bytes(8),
    ):
        (answer,) = talk(server, slip_frame(packet))
        assert (answer.address, answer.values[2]) == ("/bandmate/error", 400)


def test_audio_travels_in_slip(server: Any, library: Any) -> None:
    sound = (library / "song.wav").read_bytes()
    put = encode("/bandmate/put", "sshhb", "r", "slip.wav", 0, len(sound), sound)
    reply, back = talk(
        server, slip_frame(put), slip_frame(encode("/bandmate/get", "ss", "g", "put:slip.wav"))
    )
    assert reply.values[3] == reply.values[4] == len(sound)
    assert back.values[5] == sound
