"""The protocol alone: what is written is read back, and what is hostile is refused."""

import struct
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from pythonosc.osc_message_builder import OscMessageBuilder

from bandmate_server.errors import ProtocolError
from bandmate_server.osc.framing import frame
from bandmate_server.osc.protocol import (
    MAX_DEPTH,
    MAX_MESSAGES,
    decode,
    encode,
    encode_plain,
    flatten,
    name_request,
)

NOW = struct.pack(">Q", 1)
FAR = struct.pack(">Q", 2**64 - 1)
HELLO = encode("/bandmate/hello", "s", "r1")

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=50)
VALUES = st.one_of(
    st.tuples(st.just("s"), TEXT),
    st.tuples(st.just("i"), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.just("h"), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just("f"), st.floats(width=32, allow_nan=False)),
    st.tuples(st.just("d"), st.floats(allow_nan=False)),
    st.tuples(st.just("b"), st.binary(max_size=100)),
)
ADDRESSES = st.from_regex(r"(/[A-Za-z0-9_.-]{1,9}){1,4}", fullmatch=True)


def bundle(*elements: bytes, time: bytes = NOW) -> bytes:
    return b"#bundle\0" + time + b"".join(frame(element) for element in elements)


@settings(deadline=None)
@given(ADDRESSES, st.lists(VALUES, max_size=16))
def test_what_is_written_is_read_back(address: str, values: list[tuple[str, Any]]) -> None:
    types = "".join(kind for kind, _ in values)
    found = decode(encode(address, types, *(value for _, value in values)))
    assert (found.address, found.types) == (address, types)
    assert found.values == tuple(value for _, value in values)


@settings(deadline=None)
@given(ADDRESSES, st.lists(VALUES.filter(lambda pair: pair[1] != b""), max_size=16))
def test_what_python_osc_writes_is_read(address: str, values: list[tuple[str, Any]]) -> None:
    builder = OscMessageBuilder(address)
    for kind, value in values:
        builder.add_arg(value, kind)
    assert decode(builder.build().dgram).values == tuple(value for _, value in values)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    check(data)


@settings(deadline=None)
@given(ADDRESSES, st.lists(VALUES, max_size=6), st.data())
def test_any_damage_is_read_or_refused(
    address: str, values: list[tuple[str, Any]], data: st.DataObject
) -> None:
    types = "".join(kind for kind, _ in values)
    good = bundle(encode(address, types, *(value for _, value in values)), HELLO)
    place = data.draw(st.integers(0, len(good) - 1))
    cut = data.draw(st.integers(0, 8))
    check(good[:place] + data.draw(st.binary(max_size=8)) + good[place + cut :])


def check(packet: bytes) -> None:
    messages, _ = flatten(packet)
    assert len(messages) <= MAX_MESSAGES
    for message in messages:
        named = name_request(message)
        try:
            found = decode(message)
        except ProtocolError:
            continue
        # What is read can be written and read again.
        if set(found.types) <= set("sihfdb"):
            again = decode(encode(found.address, found.types, *found.values))
            assert repr(again) == repr(found)
        if found.types[:1] == "s":
            assert named is not None


@pytest.mark.parametrize("time", [NOW, FAR, bytes(8)])
def test_bundles_are_done_at_once_whatever_their_time(time: bytes) -> None:
    packet = bundle(HELLO, bundle(HELLO, HELLO, time=time), HELLO, time=time)
    assert flatten(packet) == ([HELLO] * 4, None)


def test_messages_keep_their_order() -> None:
    named = [encode("/a", "s", str(number)) for number in range(5)]
    packet = bundle(named[0], bundle(named[1], bundle(named[2])), named[3], bundle(named[4]))
    assert flatten(packet)[0] == named


def test_deep_bundles_are_refused_without_recursion() -> None:
    packet = HELLO
    for _ in range(2000):
        packet = bundle(packet)
    assert "deep" in str(flatten(packet)[1])
    packet = HELLO
    for _ in range(MAX_DEPTH):
        packet = bundle(packet)
    assert flatten(packet) == ([HELLO], None)
    assert flatten(bundle()) == ([], "a bundle without a message")


@pytest.mark.parametrize("size", [-4, -1, 0, 3, 2**31 - 1, -(2**31)])
def test_sizes_that_make_no_sense_end_a_bundle(size: int) -> None:
    packet = bundle(HELLO) + struct.pack(">i", size) + HELLO
    messages, problem = flatten(packet)
    assert messages == [HELLO]
    assert "size" in str(problem)


def test_bundles_of_very_many_messages_are_refused() -> None:
    assert "more than" in str(flatten(bundle(*[HELLO] * (MAX_MESSAGES + 1)))[1])
    wide = bundle(*[bundle(*[HELLO] * 100)] * 100)
    messages, problem = flatten(wide)
    assert "more than" in str(problem)
    assert len(messages) <= MAX_MESSAGES


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "multiple of 4"),
        (b"/a\0", "multiple of 4"),
        (b"/aaa", "does not end"),
        (b"/" + b"a" * 255, "does not end"),
        (b"abc\0,\0\0\0", "address"),
        (b"/a/*\0\0\0\0,\0\0\0", "pattern"),
        (b"/{a}\0\0\0\0,\0\0\0", "pattern"),
        (b"/a b\0\0\0\0,\0\0\0", "pattern"),
        (b"/\xff\0\0,\0\0\0", "address"),
        (b"/a\0\0i\0\0\0", "comma"),
        (b"/a\0\0,i\0\0", "need 12 bytes"),
        (b"/a\0\0,f\0\0\0\0\0\0\0\0\0\0", "need 12 bytes"),
        (b"/a\0\0,iQi" + bytes(20), "'Q'"),
        (b"/a\0\0,[i]\0\0\0\0\0\0\0\0", "'['"),
        (b"/a\0\0,s\0\0abcd", "does not end"),
        (b"/a\0\0,s\0\0\xff\xfe\0\0", "UTF-8"),
        (b"/a\0\0,b\0\0", "size of the data is missing"),
        (b"/a\0\0,b\0\0" + struct.pack(">i", -1), "data of -1 bytes"),
        (b"/a\0\0,b\0\0" + struct.pack(">i", 2**31 - 1), "bytes: expected 0 to"),
        (b"/a\0\0,b\0\0" + struct.pack(">i", 8) + b"abcd", "need 20 bytes"),
        (b"/a\0\0," + b"i" * 30 + b"\0" * 121, "does not end within 17"),
        (b"/a\0\0,s\0\0" + b"x" * 70_000, "does not end within 65536"),
    ],
)
def test_messages_that_make_no_sense_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(data)
    assert words in str(caught.value)


def test_a_broken_message_names_its_request_as_far_as_it_can_be_read() -> None:
    assert name_request(HELLO[:-4]) == ("", "/bandmate/hello")
    assert name_request(b"/bandmate/hello") == ("", "/bandmate/hello")
    assert name_request(b"/a/*\0\0\0\0,sX\0req\0") == ("req", "/a/*")
    assert name_request(b"/a\0\0,S[\0req\0") == ("req", "/a")
    assert name_request(b"/a\0\0,s\0\0\xffab\0") == ("\\xffab", "/a")
    assert name_request(encode("/a", "is", 1, "r")) == ("", "/a")
    assert name_request(b"hello\0\0\0") is None


def test_types_that_only_some_clients_send_are_read_without_losing_the_place() -> None:
    types = "SicrmtTFNIs"
    data = encode("/a", "siiiihs", "sym", 77, 65, 1, 2, 3, "end")
    found = decode(data.replace(b",siiiihs\0\0\0\0", b"," + types.encode() + bytes(4)))
    assert found.types == types
    assert found.values == ("sym", 77, 65, 1, 2, 3, True, False, None, None, "end")


@pytest.mark.parametrize(
    ("value", "kind"),
    [(0, "i"), (2**31 - 1, "i"), (-(2**31), "i"), (2**31, "h"), (-(2**31) - 1, "h")],
)
def test_whole_numbers_go_out_as_small_as_they_are(value: int, kind: str) -> None:
    found = decode(encode_plain("/a", "shf", "x", value, 0.5))
    assert (found.types, found.values) == (f"s{kind}f", ("x", value, 0.5))


def test_numpy_scalars_empty_blobs_and_odd_strings_can_be_sent() -> None:
    values = (np.int64(26_460_001), np.float32(0.5), np.str_("a\0\ud800"), b"")
    found = decode(encode("/a", "hfsb", *values))
    assert found.values == (26_460_001, 0.5, "a\\x00\\ud800", b"")


def test_whole_numbers_survive_beyond_32_bits() -> None:
    assert decode(encode("/a", "hd", 2**53 + 1, float(2**53))).values == (2**53 + 1, 2.0**53)


@pytest.mark.parametrize(
    ("types", "values"), [("i", (2**31,)), ("x", (1,)), ("s", ()), ("i", ("a",)), ("b", ("a",))]
)
def test_what_cannot_be_written_is_our_mistake(types: str, values: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError):
        encode("/a", types, *values)
