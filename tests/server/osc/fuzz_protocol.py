"""Fuzz what the server does with bytes from strangers, guided by coverage.

    python tests/server/osc/fuzz_protocol.py -max_total_time=600

Options are libFuzzer's; inputs that reach new code are kept in fuzz-corpus. It ends with an
error, and the input that made it, if anything but a named error comes out.
`test_fuzzing.py` runs it for a moment.
"""

import resource
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["bandmate_server"]):
    from bandmate_server.errors import ProtocolError, RequestError
    from bandmate_server.jobs.request import read_job
    from bandmate_server.osc.framing import Framing, SlipSplitter, choose_framing, frame, slip_frame
    from bandmate_server.osc.protocol import decode, encode, flatten, name_request
    from bandmate_server.osc.routes import REQUESTS, check_arguments
    from bandmate_server.spec import STEMS

MAX_ERROR = 1000  # characters
MAX_MEMORY = 2 << 30  # bytes of address space; a packet that wants more ends in MemoryError


def receive(packet: bytes) -> None:
    """Do what the server does with a packet, up to where files are touched."""
    for data in flatten(packet)[0]:
        name_request(data)
        try:
            message = decode(data)
            route = REQUESTS.get(message.address)
            if route is None:
                continue
            arguments = check_arguments(route, message)
            if route.job:
                encode(
                    "/bandmate/reply", "s", read_job(route.address, arguments, STEMS).default_track
                )
        except (ProtocolError, RequestError) as error:
            assert len(str(error)) < MAX_ERROR, "an error as long as what caused it"


def stream(splitter: Framing, data: bytes) -> None:
    """Take a TCP stream in two pieces."""
    try:
        for part in (data[:7], data[7:]):
            while packets := splitter.push(part):
                part = b""
                for packet in packets:
                    receive(packet)
    except ProtocolError as error:
        assert len(str(error)) < MAX_ERROR, "an error as long as what caused it"


def run_one(data: bytes) -> None:
    """Take one input: as a datagram, and as a TCP stream of either framing."""
    receive(data)
    stream(choose_framing(data), data)
    stream(SlipSplitter(), data)
    assert SlipSplitter().push(slip_frame(data)) == ([data] if data else [])


def seeds() -> list[bytes]:
    """Return good packets for every address, to start from."""
    by_kind = {"s": "/a.wav", "h": 1, "i": 1, "d": 1.0, "b": b"data"}
    by_name = {"options": '{"stems": "bass", "seed": 7, "track": "a"}', "session": '{"bass": "/b"}'}
    found = []
    for route in REQUESTS.values():
        types = "".join(argument.kind for argument in route.expected)
        values = [by_name.get(a.name, by_kind[a.kind]) for a in route.expected]
        message = encode(route.address, types, *values)
        floats = encode(route.address, types.translate(str.maketrans("hd", "ff")), *values)
        found += [message, floats, message.replace(b",ss", b",sS")]
        found += [frame(message), slip_frame(message) + slip_frame(floats)]
        found.append(b"#bundle\0" + bytes(8) + frame(message) * 2)
    return found


def main() -> None:
    """Run libFuzzer on the command line's options.

    Its own limit of memory is off: it reads the peak of the resident set, which Linux hands on from
    the process that starts this one.
    """
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    corpus = Path("fuzz-corpus")
    corpus.mkdir(exist_ok=True)
    for number, packet in enumerate(seeds()):
        (corpus / f"seed-{number}").write_bytes(packet)
    atheris.Setup([*sys.argv, "-rss_limit_mb=0", str(corpus)], run_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
