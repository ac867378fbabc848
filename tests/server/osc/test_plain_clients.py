"""OSC as simple clients send it: floats, symbols, what is left out, and much that is wrong."""

import json
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bandmate_server.osc.framing import choose_framing, frame, slip_frame
from bandmate_server.osc.protocol import Message, decode, encode

FRAMES = 66_150  # of song.wav
HELLO = "/bandmate/hello"


@pytest.fixture(params=["udp", "tcp", "slip"])
def ask(request: pytest.FixtureRequest, server: Any, udp: Any) -> Callable[[bytes], Message]:
    """Return a function that sends a packet by UDP or TCP and returns the first answer."""
    if request.param == "udp":

        def over_udp(packet: bytes) -> Message:
            udp.send(packet)
            found = udp.receive()
            assert isinstance(found, Message)
            return found

        return over_udp
    wrap = frame if request.param == "tcp" else slip_frame

    def over_tcp(packet: bytes) -> Message:
        with socket.create_connection(("127.0.0.1", server.port)) as stream:
            stream.settimeout(120)
            stream.sendall(wrap(packet))
            splitter = choose_framing(wrap(packet))
            while True:
                for answer in splitter.push(stream.recv(65_536)):
                    return decode(answer)

    return over_tcp


def ask_for(udp: Any, address: str, types: str, request: str, *values: Any) -> Message:
    """Send a request and return its answer, whatever comes of other jobs meanwhile."""
    udp.send(encode(address, types, request, *values))
    while True:
        answer: Message = udp.receive()
        if answer.values[:2] == (request, address):
            return answer


def region(server: Any, request: str) -> tuple[int, int]:
    """Return start and frames of a job's stems."""
    stems = server.connect().wait(request)["stems"]
    ((start, frames),) = {(stem["start"], stem["frames"]) for stem in stems}
    return start, frames


@pytest.mark.parametrize(
    ("types", "values", "expected"),
    [
        ("ff", (0.0, -1.0), (0, FRAMES)),
        ("ff", (441.0, 4410.0), (441, 4410)),
        ("fi", (441.0, 4410), (441, 4410)),
        ("hd", (441, 4410.0), (441, 4410)),
        ("i", (441,), (441, FRAMES - 441)),
        ("", (), (0, FRAMES)),
    ],
)
def test_any_kind_of_number_will_do_and_the_last_may_be_left_out(
    server: Any, library: Path, udp: Any, types: str, values: Any, expected: tuple[int, int]
) -> None:
    request = f"plain-{types}-{len(values)}-{expected[0]}"
    song = str(library / "song.wav")
    for options, text in (("", ()), ("s", ("",))):
        arguments = (f"ss{types}{options}", request, song, *values, *text)
        answer = ask_for(udp, "/bandmate/separate", *arguments)
        assert answer.values == (request, "/bandmate/separate", request)
    assert region(server, request) == expected


def test_the_largest_whole_number_of_a_float_is_taken(udp: Any, library: Path) -> None:
    song = str(library / "song.wav")
    answer = udp.ask("/bandmate/separate", "ssf", "r", song, 2.0**24)
    assert "is frames 16777216 to" in answer.values[3]  # refused as beyond the end, and no sooner


def test_options_may_follow_without_a_region(server: Any, library: Path, udp: Any) -> None:
    arguments = ("only-options", str(library / "song.wav"), '{"stems": "bass"}')
    assert udp.ask("/bandmate/separate", "sss", *arguments).address == "/bandmate/reply"
    stems = server.connect().wait("only-options")["stems"]
    assert [stem["stem"] for stem in stems] == ["bass", "other"]


def test_symbols_are_strings(server: Any, library: Path, udp: Any) -> None:
    message = encode("/bandmate/separate", "ssi", "symbols", str(library / "song.wav"), 0)
    udp.send(message.replace(b",ssi", b",SSi"))
    assert udp.receive().values == ("symbols", "/bandmate/separate", "symbols")
    assert region(server, "symbols") == (0, FRAMES)


def test_parts_take_what_is_left_out_too(server: Any, library: Path, udp: Any) -> None:
    session = json.dumps({"bass": str(library / "song.wav"), "frames": 44_100})
    for address, types, values in (
        ("/bandmate/add", "ss", ("guitar", session)),
        ("/bandmate/fill", "ssff", ("bass", session, 100.0, 5000.0)),
        ("/bandmate/vary", "ssi", ("bass", session, 1)),
        ("/bandmate/generate", "f", (1.0,)),
    ):
        request = f"left-out-{address[10:]}"
        answer = ask_for(udp, address, "s" + types, request, *values)
        assert answer.values == (request, address, request)
        server.connect().wait(request)
    listed = ask_for(udp, "/bandmate/status", "s", "r")
    assert json.loads(str(listed.values[3]))["jobs"]


@pytest.mark.parametrize(
    ("packet", "words"),
    [
        (encode(HELLO, "")[:-4], "got nothing: expected s:req"),
        (encode(HELLO, ""), "got nothing: expected s:req"),
        (encode(HELLO, "i", 7), "req came as i:'7': expected s"),
        (encode(HELLO, "f", 7.0), "req came as f:'7.0': expected s"),
        (b"/bandmate/hello\0,T\0\0", "req came as T"),
        (b"/bandmate/hello\0,N\0\0", "req came as N"),
        (b"/bandmate/hello\0,I\0\0", "req came as I"),
        (b"/bandmate/hello\0,c\0\0\0\0\0a", "req came as c"),
        (b"/bandmate/hello\0,r\0\0\0\0\0a", "req came as r"),
        (b"/bandmate/hello\0,m\0\0\0\0\0a", "req came as m"),
        (b"/bandmate/hello\0,t\0\0" + bytes(8), "req came as t"),
        (b"/bandmate/hello\0,sT\0r\0\0\0", "got sT: expected s:req"),
        (b"/bandmate/hello\0,sQ\0r\0\0\0", "type 'Q'"),
        (b"/bandmate/hello\0,s[i]\0\0\0r\0\0\0" + bytes(4), "type '['"),
        (b"/bandmate/hello\0req\0", "type tags 'req': expected a comma"),
        (b"/bandmate/separate\0\0,si\0r\0\0\0\0\0\0\1", "wav came as i:'1': expected s"),
        (b"/bandmate/separate\0\0,ssT\0\0\0\0r\0\0\0w\0\0\0", "got ssT: expected s:req s:wav"),
        (encode("/bandmate/cancel", "s", "r"), "got s: expected s:req s:job"),
        (encode("/somebody/else", "i", 1), "unknown address /somebody/else"),
        (encode("/bandmate/*", "s", "r"), "not a pattern"),
        (encode(HELLO, "s", "r") + b"\0", "expected a multiple of 4"),
        (b"#bundle\0" + bytes(8), "a bundle without a message"),
        (b"#bundle\0" + bytes(4), "a bundle of 12 bytes"),
        (b"#bundle\0" + bytes(8) + b"\0\0\0\x08/x", "element has size 8"),
        (b"#bundle\0" + bytes(8) + frame(encode(HELLO, "i", 7)), "req came as i"),
    ],
)
def test_every_packet_that_can_be_read_is_answered(
    ask: Callable[[bytes], Message], request: pytest.FixtureRequest, packet: bytes, words: str
) -> None:
    if len(packet) % 4 and "tcp" in request.node.name:
        pytest.skip("such a length ends a stream of OSC 1.0")
    answer = ask(packet)
    assert (answer.address, answer.types) == ("/bandmate/error", "ssis")
    assert words in str(answer.values[3])


def test_messages_in_nested_bundles_are_done_whatever_their_time(
    ask: Callable[[bytes], Message],
) -> None:
    packet = encode(HELLO, "s", "deep")
    for time in (0, 1, 2**63, 2**64 - 1):
        packet = b"#bundle\0" + struct.pack(">Q", time) + frame(packet)
    assert ask(packet).values[:2] == ("deep", HELLO)


def test_answers_to_our_answers_are_left_alone(udp: Any) -> None:
    udp.send(encode("/fail", "ss", "/bandmate/error", "Command not found"))  # scsynth's words
    assert udp.ask(HELLO, "s", "last").values[0] == "last"


def test_numbers_go_out_as_i(udp: Any, library: Path) -> None:
    song = str(library / "song.wav")
    udp.ask("/bandmate/separate", "ssii", "small", song, 441, 4410)
    stems: list[Message] = []
    while True:
        event = udp.receive()
        if event.address == "/bandmate/stem":
            stems.append(event)
        if event.address == "/bandmate/done":
            break
    assert {stem.types for stem in stems} == {"sssiiii"}
    assert {stem.values[3:] for stem in stems} == {(441, 4410, 44_100, 2)}
    put = udp.ask("/bandmate/put", "sshhb", "r", "small.wav", 0, 4, b"")
    assert put.types == "sssiis"
    put = udp.ask("/bandmate/put", "sshh", "r", "small.wav", 0, 2**32)
    assert put.types == "sssihs"
    assert put.values[4] == 2**32


@pytest.mark.parametrize("place", [(70_000, -1), (0, 70_000), (66_150, -1), (2**40, 100)])
def test_a_region_past_the_end_is_refused_at_once(
    udp: Any, library: Path, place: tuple[int, int]
) -> None:
    song = str(library / "song.wav")
    session, (start, frames) = json.dumps({"bass": song}), place
    region = json.dumps({"bass": song, "start": start, "frames": frames})
    for address, types, values in (
        ("/bandmate/separate", "shh", (song, start, frames)),
        ("/bandmate/fill", "sshh", ("bass", session, start, frames)),
        ("/bandmate/add", "ss", ("guitar", region)),
        ("/bandmate/vary", "ssd", ("bass", region, 0.5)),
    ):
        answer = udp.ask(address, "s" + types, f"past-{address[10:]}-{place}", *values)
        assert answer.values[1:3] == (address, 400)
        assert f"frames {start} to" in answer.values[3]
        assert f"within its {FRAMES}" in answer.values[3]


def test_a_session_is_as_long_as_its_longest_file(
    server: Any, library: Path, udp: Any, make_song: Callable[..., None]
) -> None:
    make_song(library / "long.wav", 3.0)
    half, _ = soundfile.read(library / "long.wav", dtype="float32")
    soundfile.write(library / "half.flac", half[::2].astype(np.float32), 22_050)
    sounds = {"bass": str(library / "half.flac"), "drums": str(library / "song.wav")}
    for request, frames, answer in (("fits", 60_000, "reply"), ("past", 70_000, "error")):
        session = json.dumps(sounds | {"start": 5000, "frames": frames})
        found = ask_for(udp, "/bandmate/add", "sss", f"session-{request}", "guitar", session)
        assert found.address == f"/bandmate/{answer}"
    assert "within its 66150" in str(found.values[3])
    server.connect().cancel("session-fits")
