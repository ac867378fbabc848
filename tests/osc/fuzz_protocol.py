"""Fuzz what the server does with bytes from strangers, guided by coverage.

    python tests/osc/fuzz_protocol.py -max_total_time=600

Options are libFuzzer's; inputs that reach new code are kept in fuzz-corpus. It ends with an
error, and the input that made it, if anything but a named error comes out.
`test_fuzzing.py` runs it for a moment.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["bandmate_server"]):
    from bandmate_server.errors import ProtocolError, RequestError
    from bandmate_server.protocol import FrameSplitter, decode, encode, flatten, frame, name_request
    from bandmate_server.requests import read_job
    from bandmate_server.routes import REQUESTS, check_arguments
    from bandmate_server.spec import STEMS

MAX_ERROR = 1000  # characters


def receive(packet: bytes) -> None:
    """Do what the server does with a packet, up to where files are touched."""
    for data in flatten(packet)[0]:
        name_request(data)
        try:
            message = decode(data)
            route = REQUESTS.get(message.address)
            if route is None:
                continue
            arguments, _ = check_arguments(route, message)
            if route.job:
                encode(
                    "/bandmate/reply", "s", read_job(route.address, arguments, STEMS).default_track
                )
        except (ProtocolError, RequestError) as error:
            assert len(str(error)) < MAX_ERROR, "an error as long as what caused it"


def run_one(data: bytes) -> None:
    """Take one input: as a datagram, and as a TCP stream in two pieces."""
    receive(data)
    splitter = FrameSplitter()
    try:
        for part in (data[:7], data[7:]):
            for packet in splitter.push(part):
                receive(packet)
    except ProtocolError:
        pass


def seeds() -> list[bytes]:
    """Return a good packet for every address, to start from."""
    by_kind = {"s": "/a.wav", "h": 1, "d": 1.0, "b": b"data"}
    by_name = {"options": '{"stems": "bass", "seed": 7, "track": "a"}', "session": '{"bass": "/b"}'}
    found = []
    for route in REQUESTS.values():
        types = "".join(kind for kind, _ in route.expected)
        values = [by_name.get(name, by_kind[kind]) for kind, name in route.expected]
        message = encode(route.address, types, *values)
        found += [message, frame(message), b"#bundle\0" + bytes(8) + frame(message) * 2]
    return found


def main() -> None:
    """Run libFuzzer on the command line's options."""
    corpus = Path("fuzz-corpus")
    corpus.mkdir(exist_ok=True)
    for number, packet in enumerate(seeds()):
        (corpus / f"seed-{number}").write_bytes(packet)
    atheris.Setup([*sys.argv, str(corpus)], run_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
