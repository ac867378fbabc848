"""The core's pure functions, against Python's own."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

pytestmark = pytest.mark.slow  # it is compiled first


def ask(program: Path, verb: str, *inputs: bytes) -> list[str]:
    """Return the answers to some inputs."""
    lines = "".join(f"{verb} {given.hex() or '00'}\n" for given in inputs)
    done = subprocess.run(
        [program, "pure"], input=lines, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_hashes_are_sha256(headless: Path) -> None:
    inputs = [random.Random(n).randbytes(n) for n in (1, 55, 56, 63, 64, 65, 119, 120, 1_000)]
    assert ask(headless, "sha256", *inputs) == [hashlib.sha256(i).hexdigest() for i in inputs]


def test_json_is_read_as_python_reads_it(headless: Path) -> None:
    values = [
        {"state": "done", "fraction": 0.25, "stems": [{"wav": "/tmp/a b.wav", "take": None}]},
        {"error": 'a "quote", a \\ and \n a 𝄞 and é', "deep": [[[[]]], {}], "yes": True},
        [-1.5e-3, 0, 1e300, "", "\x01"],
    ]
    for ascii_only in (True, False):
        texts = [json.dumps(value, ensure_ascii=ascii_only).encode() for value in values]
        answers = ask(headless, "json", *texts)
        assert [json.loads(bytes.fromhex(answer)) for answer in answers] == values


def test_what_is_not_json_is_null(headless: Path) -> None:
    texts = [b"{", b'{"a" 1}', b"[1,]", b'"open', b"tru", b'"\\u12"', b"[" * 1_000, b"{} x"]
    answers = ask(headless, "json", *texts)
    assert {bytes.fromhex(answer) for answer in answers} == {b"null"}


def test_osc_is_read_and_written_as_python_osc_does(headless: Path) -> None:
    builder = OscMessageBuilder("/bandmate/stem")
    for value, kind in (("job", "s"), ("", "s"), (2**40, "h"), (-7, "i"), (0.5, "f"), (0.1, "d")):
        builder.add_arg(value, kind)
    (answer,) = ask(headless, "osc", builder.build().dgram)
    message = OscMessage(bytes.fromhex(answer))
    assert message.address == "/bandmate/stem"
    assert message.params == ["job", "", 2**40, -7, 0.5, 0.1]


def test_cut_or_strange_osc_is_refused(headless: Path) -> None:
    builder = OscMessageBuilder("/a")
    builder.add_arg("text")
    builder.add_arg(2**40, "h")
    whole = builder.build().dgram
    cut = [whole[:size] for size in range(1, len(whole))]
    assert set(ask(headless, "osc", *cut, b"#bundle\0", b"/a\0\0,Q\0\0", b"\xff" * 9)) == {"none"}


def test_what_was_captured_last_wins_and_neighbours_join(headless: Path) -> None:
    rng = random.Random(0)
    for _ in range(200):
        laid = [(rng.randrange(-20, 60), rng.randrange(1, 20)) for _ in range(rng.randrange(1, 9))]
        text = ",".join(f"{start}:{frames}" for start, frames in laid)
        done = subprocess.run(
            [headless, "pure"], input=f"runs {text}\n", capture_output=True, text=True, check=True
        )
        expected = np.full(120, -1)
        for number, (start, frames) in enumerate(laid):
            expected[start + 20 : start + 20 + frames] = number
        found, last_end = np.full(120, -1), None
        for run in done.stdout.strip().split("|")[1:]:
            for index, piece in enumerate(run.split()):
                start, frames, number, offset = map(int, piece.split(":"))
                assert (start == last_end) == (index > 0), "runs are as long as can be"
                assert offset == start - laid[number][0]
                found[start + 20 : start + 20 + frames] = number
                last_end = start + frames
        assert np.array_equal(found, expected)


def test_saved_passages_are_read_back(headless: Path) -> None:
    good = f"passage -5 100 48000 {'ab' * 32}\ntake guitar 0.5 3 -1\ntake guitar 1 4 0\n".encode()
    assert bytes.fromhex(ask(headless, "records", good)[0]) == good


def test_passages_that_cannot_have_been_captured_are_left_out(headless: Path) -> None:
    capture = "ab" * 32
    for numbers in ("0 0 48000", "0 99 0", f"{2**62} 99 48000", f"0 {48_000 * 601} 48000"):
        text = f"passage {numbers} {capture}\ntake - 1 0 -1\n".encode()
        assert bytes.fromhex(ask(headless, "records", text)[0]) == b"empty", numbers
    without_take = f"passage 0 99 48000 {capture}\n".encode()
    assert bytes.fromhex(ask(headless, "records", without_take)[0]) == b"empty"
