"""Who gets events and replies: senders, and ports that they name."""

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bandmate_server.osc.announcer import MAX_SUBSCRIBERS
from bandmate_server.osc.framing import FrameSplitter, frame
from bandmate_server.osc.protocol import Message, decode, encode

HELLO = "/bandmate/hello"
TOKEN = "a-token-of-good-length-0123456789"


class Listener:
    """A UDP port that only receives, as of oscdump, Max or node-osc."""

    def __init__(self, host: str = "127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.settimeout(120)
        self.port: int = self.socket.getsockname()[1]

    def receive(self) -> Message:
        return decode(self.socket.recv(65_536))

    def is_silent(self, seconds: float = 0.3) -> bool:
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(65_536)
        except TimeoutError:
            return True
        return False


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    """Return a function that opens a port."""
    with ExitStack() as stack:

        def start(host: str = "127.0.0.1") -> Listener:
            found = Listener(host)
            stack.enter_context(found.socket)
            return found

        yield start


@pytest.fixture
def subscribed(udp: Any, listen: Callable[..., Listener]) -> Iterator[Listener]:
    """Return a port that is subscribed by another one, until the test ends."""
    listener = listen()
    assert udp.ask("/bandmate/subscribe", "si", "s", listener.port).values[0] == "s"
    assert listener.receive().values == ("s", "/bandmate/subscribe")
    yield listener
    udp.ask("/bandmate/unsubscribe", "si", "u", listener.port)


@pytest.mark.parametrize(("types", "host"), [("si", []), ("ssi", ["127.0.0.1"])])
def test_events_and_replies_go_to_the_port_and_to_the_sender(
    udp: Any,
    listen: Callable[..., Listener],
    server: Any,
    library: Path,
    types: str,
    host: list[str],
) -> None:
    listener = listen()
    assert udp.ask("/bandmate/subscribe", types, "s", *host, listener.port).values[0] == "s"
    request = f"to-both-{types}"
    assert udp.ask("/bandmate/separate", "ss", request, str(library / "song.wav")).types == "sss"
    for receive in (udp.receive, listener.receive):
        addresses: list[str] = []
        while not addresses or addresses[-1] != "/bandmate/done":
            message = receive()
            if message.values[0] in (request, "s"):
                addresses.append(message.address)
        assert addresses.count("/bandmate/stem") == 5
        assert addresses.count("/bandmate/done") == 1
        assert "/bandmate/progress" in addresses
        # The listener is shown the replies: that to its own subscription is the first.
        assert addresses.count("/bandmate/reply") == (2 if receive == listener.receive else 0)
    udp.ask("/bandmate/unsubscribe", types, "u", *host, listener.port)
    udp.ask(HELLO, "s", "r")
    assert listener.is_silent()


def test_a_refusal_reaches_the_port_too(udp: Any, subscribed: Listener) -> None:
    udp.ask("/bandmate/separate", "ss", "r", "/nowhere.wav")
    found = subscribed.receive()
    assert (found.address, found.values[0]) == ("/bandmate/error", "r")


def test_data_of_files_goes_to_the_sender_alone(udp: Any, subscribed: Listener) -> None:
    udp.ask("/bandmate/put", "sshhb", "r", "secret.wav", 0, 4, b"abcd")
    udp.ask("/bandmate/get", "ss", "r", "put:secret.wav")
    assert subscribed.is_silent()


def test_one_who_subscribes_twice_gets_everything_once(
    udp: Any, listen: Callable[..., Listener]
) -> None:
    listener = listen()
    for types, host in (("si", []), ("ssi", ["127.0.0.1"]), ("ssi", ["localhost"]), ("si", [])):
        udp.ask("/bandmate/subscribe", types, "s", *host, listener.port)
    udp.send(encode("/bandmate/subscribe", "sf", "s", float(listener.port)))
    udp.receive()
    for _ in range(5):
        assert listener.receive().values[1] == "/bandmate/subscribe"
    udp.ask(HELLO, "s", "once")
    assert listener.receive().values[:2] == ("once", HELLO)
    udp.ask("/bandmate/unsubscribe", "si", "u", listener.port)
    assert listener.is_silent()


@pytest.mark.parametrize(
    ("types", "values", "code", "words"),
    [
        ("ssi", ("192.0.2.1", 9000), 403, "another machine"),
        ("ssi", ("example.invalid", 9000), 403, "another machine"),
        ("ssi", ("0.0.0.0", 9000), 403, "another machine"),
        ("ssi", ("::1", 9000), 400, "no such address"),
        ("si", (0x10000,), 400, "expected 1 to 65535"),
        ("si", (-1,), 400, "expected 1 to 65535"),
        ("ssi", ("127.0.0.1", 0), 400, "expected 1 to 65535"),
        ("ss", ("127.0.0.1",), 400, "expected 1 to 65535"),
        ("sf", (9000.5,), 400, "a whole number"),
        ("sis", (9000, "127.0.0.1"), 0, ""),
        ("sii", (9000, 1), 400, "got sii"),
    ],
)
def test_listeners_that_make_no_sense_are_refused(
    udp: Any, types: str, values: Any, code: int, words: str
) -> None:
    answer = udp.ask("/bandmate/subscribe", types, "s", *values)
    if code:
        assert answer.values[2] == code
        assert words in answer.values[3]
    else:  # One string too many is the token of a server that needs none.
        assert answer.address == "/bandmate/reply"
        udp.ask("/bandmate/unsubscribe", types, "u", *values)


def test_of_very_many_subscribers_the_oldest_leave(
    udp: Any, listen: Callable[..., Listener]
) -> None:
    oldest, newest = listen(), listen()
    udp.ask("/bandmate/subscribe", "si", "s", oldest.port)
    for port in range(20_000, 20_000 + 3 * MAX_SUBSCRIBERS):
        udp.ask("/bandmate/subscribe", "si", "s", port)
    udp.ask("/bandmate/subscribe", "si", "s", newest.port)
    while not oldest.is_silent():
        pass
    udp.ask(HELLO, "s", "still")
    assert newest.receive().values[1] == "/bandmate/subscribe"
    assert newest.receive().values[0] == "still"
    assert oldest.is_silent()
    for port in [newest.port, *range(20_000, 20_000 + 3 * MAX_SUBSCRIBERS)]:
        udp.ask("/bandmate/unsubscribe", "si", "u", port)


def test_tcp_subscribers_that_have_gone_are_forgotten(
    server: Any, udp: Any, subscribed: Listener
) -> None:
    streams = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
    for number, stream in enumerate(streams):
        stream.sendall(frame(encode("/bandmate/subscribe", "s", f"gone-{number}")))
        # The half of them vanish without a word.
        stream.recv(65_536)
        if number % 2:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.close()
    udp.ask(HELLO, "s", "still there")
    received = [subscribed.receive().values[0] for _ in range(21)]
    assert received[-1] == "still there"
    assert "traceback" not in server.log.read_text()


def test_a_tcp_client_may_name_a_port(
    server: Any, udp: Any, listen: Callable[..., Listener]
) -> None:
    listener = listen()
    with socket.create_connection(("127.0.0.1", server.port)) as stream:
        stream.settimeout(120)
        stream.sendall(frame(encode("/bandmate/subscribe", "si", "s", listener.port)))
        (reply,) = FrameSplitter().push(stream.recv(65_536))
        assert decode(reply).address == "/bandmate/reply"
    udp.ask(HELLO, "s", "after")
    assert listener.receive().values[0] == "s"
    assert listener.receive().values[0] == "after"
    udp.ask("/bandmate/unsubscribe", "si", "u", listener.port)


@pytest.mark.parametrize("host", ["", "127.0.0.1"])
def test_the_python_client_subscribes_others(
    server: Any, listen: Callable[..., Listener], host: str
) -> None:
    client, listener = server.connect(), listen()
    client.subscribe(listener.port, host)
    client.hello()
    assert [listener.receive().values[1] for _ in range(2)] == ["/bandmate/subscribe", HELLO]
    client.unsubscribe(listener.port, host)
    client.hello()
    assert listener.is_silent()


@pytest.fixture
def guarded(serve: Callable[..., Any], tmp_path: Path) -> Any:
    """Return a server that wants a token."""
    (tmp_path / "token").write_text(TOKEN + "\n")
    return serve("--token-file", tmp_path / "token", "--host", "0.0.0.0")


def send_to(server: Any, listener: Listener, message: bytes) -> None:
    listener.socket.sendto(message, ("127.0.0.1", server.port))


def test_with_a_token_other_hosts_may_be_named(
    guarded: Any, listen: Callable[..., Listener]
) -> None:
    asker, listener = listen(), listen()
    port = listener.port
    for types, values in (("si", (port,)), ("ssi", ("localhost", port))):
        send_to(guarded, asker, encode("/bandmate/subscribe", types + "s", "s", *values, TOKEN))
        assert asker.receive().address == "/bandmate/reply"
    for _ in range(2):
        assert listener.receive().values[1] == "/bandmate/subscribe"
    send_to(guarded, asker, encode("/bandmate/subscribe", "ssis", "x", "192.0.2.1", 9, TOKEN))
    assert asker.receive().address == "/bandmate/reply"
    send_to(guarded, asker, encode(HELLO, "ss", "r", TOKEN))
    assert [asker.receive().values[0], listener.receive().values[0]] == ["r", "x"]
    for host in ("224.0.0.1", "255.255.255.255", "0.0.0.0", "ff02::1", "nosuch.invalid", "a" * 999):
        send_to(guarded, asker, encode("/bandmate/subscribe", "ssis", "x", host, 9000, TOKEN))
        answer = asker.receive()
        assert answer.address == "/bandmate/error", host
        assert answer.values[2] in (400, 404)


def test_nobody_can_have_others_flooded(guarded: Any, listen: Callable[..., Listener]) -> None:
    victim, other = listen(), listen()
    evil = [
        encode("/bandmate/subscribe", "s", "x"),
        encode("/bandmate/subscribe", "si", "x", other.port),
        encode("/bandmate/subscribe", "ssis", "x", "127.0.0.1", other.port, "x" * 33),
        encode("/bandmate/status", "ss", "x", ""),
        encode("/x", ""),
        b"/\0\0\0",
        b"/bandmate/status",
        b"#bundle\0" + bytes(8) + frame(b"/x\0\0") * 200,
        b"#bundle\0" + bytes(8) + frame(encode(HELLO, "s", "x")) * 200,
        b"#bundle\0",
    ]
    for packet in evil:
        send_to(guarded, victim, packet)
        send_to(guarded, other, encode(HELLO, "ss", "last", TOKEN))
        assert other.receive().values[0] == "last"
        back = 0
        victim.socket.settimeout(0.3)
        try:
            while True:
                answer = victim.socket.recv(65_536)
                assert decode(answer).address == "/bandmate/error"
                back += len(answer)
        except TimeoutError:
            pass
        assert 0 < back <= len(packet) + 96, packet
    assert other.is_silent()
