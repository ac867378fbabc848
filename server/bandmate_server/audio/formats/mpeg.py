"""MPEG audio found frame by frame: where each stream begins and ends, and how long it is.

A file may have no Xing header, or one that counts wrong; it may be several files joined, with
tags before, between and after them. Source of the header's bits: ISO/IEC 11172-3, 2.4.1.3, and
13818-3; of the Xing and VBRI tags: the LAME project's description of them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from bandmate_server.audio.formats.view import View

ROOM = 64  # times the real size that a stream without a count claims, so that nothing is cut
BLOCK = 1 << 20  # bytes read at once
SURE = 3  # headers in a row that are taken for a stream, after bytes that are none
RATES = (44_100, 48_000, 32_000)  # of MPEG 1; half in MPEG 2, a quarter in 2.5
BITRATES = {  # kbit/s by (MPEG 1, layer)
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


@dataclass(frozen=True)
class Header:
    """What the four bytes before a frame say: its size in bytes, and what all frames share."""

    size: int
    rate: int
    mono: bool
    version: int
    layer: int


@dataclass(frozen=True)
class Counter:
    """A tag's count of frames, if it has one, and the places of it and of the count of bytes."""

    frames: int | None
    place: int
    bytes_place: int | None = None


@dataclass
class Stream:
    """One stream: bytes start .. stop, and its frames without the tag's own.

    counter: of a Xing or VBRI tag; None without one.
    """

    start: int
    stop: int
    frames: int = 0
    counter: Counter | None = None


@dataclass
class Found:
    """All streams of a file, and bytes in it that are neither audio nor a tag."""

    streams: list[Stream] = field(default_factory=list)
    junk: int = 0


def mpeg_views(view: View, found: Found, name: str) -> tuple[list[View], list[str]]:
    """Return a view to decode for each stream, and what to tell the user.

    A count that is wrong is put right; where there is none, the view claims to be far longer
    than it is, or libsndfile would stop at what it guesses from the first frame.
    """
    views, words = [], []
    for stream in found.streams:
        part = view.part(stream.start, stream.stop, claimed=(stream.stop - stream.start) * ROOM)
        count = None if stream.counter is None else stream.counter.frames
        if count is not None:
            part = view.part(stream.start, stream.stop).patched(_right_counts(stream))
            if count > stream.frames:
                there = f"{stream.frames} of the {count} frames that it promises are there"
                words.append(f"{name}: {there}: it may be cut off")
        views.append(part)
    if found.junk:
        words.append(f"{name}: {found.junk} bytes are no whole frame and no tag: left out")
    return views, words


def _right_counts(stream: Stream) -> dict[int, bytes]:
    """Return what a stream's tag should say: place in the stream -> bytes; nothing if it does."""
    counter = stream.counter
    assert counter is not None
    if counter.frames == stream.frames:
        return {}
    right = {counter.place - stream.start: struct.pack(">I", stream.frames)}
    if counter.bytes_place is not None:
        size = min(stream.stop - stream.start, 0xFFFF_FFFF)
        right[counter.bytes_place - stream.start] = struct.pack(">I", size)
    return right


def find_streams(view: View, check: Callable[[], None]) -> Found:
    """Walk through all frames.

    Args:
        view: of the file, or of the MPEG audio in it.
        check: called now and then; raises to stop.
    """
    found, data = Found(), _Window(view)
    place, stream, last = 0, None, None
    while place < view.size:
        if place - data.checked > BLOCK:
            data.checked = place
            check()
        tag = _tag_size(data, place, view.size)
        if tag:
            place, last = place + tag, None
            continue
        header = parse_header(data.at(place, 4))
        fits = header is not None and place + header.size <= view.size
        if header is None or not fits or (last is None and not _sure(data, place, view.size)):
            ahead = _next_sync(data, place + 1, view.size)
            found.junk += (ahead - place) if found.streams and ahead < view.size else 0
            place, last = ahead, None
            continue
        counter = _counter(data, place, header)
        if last is None or counter is not None or not _same(header, last):
            stream = Stream(place, place, counter=counter)
            found.streams.append(stream)
        assert stream is not None
        stream.frames += counter is None
        place += header.size
        stream.stop, last = place, header
    return found


def skip_tags(view: View) -> int:
    """Return where a file begins behind the ID3v2 and APE tags at its front."""
    data, place = _Window(view), 0
    while place < view.size and (size := _tag_size(data, place, view.size)):
        place += size
    return min(place, view.size)


def parse_header(head: bytes) -> Header | None:
    """Return what a frame's first four bytes say; None if they are no header."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)  # version 3 is MPEG 1, 2 2, 0 2.5
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or not 1 <= bitrate <= 14 or rate == 3:
        return None
    hertz = RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    bits, padding = BITRATES[version == 3, layer][bitrate - 1] * 1000, head[2] >> 1 & 1
    if layer == 1:
        size = (12 * bits // hertz + padding) * 4
    else:
        size = (72 if layer == 3 and version != 3 else 144) * bits // hertz + padding
    return Header(size, hertz, head[3] >> 6 == 3, version, layer)


class _Window:
    """A file read through in blocks, for looks at a few bytes here and there."""

    def __init__(self, view: View):
        self._view, self._start, self._data = view, 0, b""
        self.checked = 0

    def at(self, place: int, count: int) -> bytes:
        """Return up to `count` bytes from a place on."""
        first = place - self._start
        if first < 0 or first + count > len(self._data):
            self._start, first = place, 0
            self._data = self._view.at(place, max(BLOCK, count))
        return self._data[first : first + count]


def _same(one: Header, other: Header) -> bool:
    facts = (one.rate, one.mono, one.version, one.layer)
    return facts == (other.rate, other.mono, other.version, other.layer)


def _sure(data: _Window, place: int, size: int) -> bool:
    """Whether several headers follow each other from a place on, or do up to the end."""
    first = None
    for _ in range(SURE):
        if place == size or _tag_size(data, place, size):
            return first is not None
        header = parse_header(data.at(place, 4))
        if header is None or (first is not None and not _same(header, first)):
            return False
        first, place = header, place + header.size
    return True


def _next_sync(data: _Window, place: int, size: int) -> int:
    """Return where the next header or tag may begin."""
    while place < size:
        block = data.at(place, min(BLOCK // 2, size - place))
        ends = [at for at in (block.find(mark) for mark in (b"\xff", b"TAG", b"APETAGEX", b"ID3"))
                if at >= 0]  # fmt: skip
        if ends:
            return place + min(ends)
        place += len(block)
    return size


def _tag_size(data: _Window, place: int, size: int) -> int:
    """Return how long a tag at a place is; 0 if none is there."""
    head = data.at(place, 32)
    if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 0x80:
        body = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        return body + (20 if head[5] & 0x10 else 10)
    if head[:3] == b"TAG" and size - place >= 128:
        return 227 if head[3:4] == b"+" and size - place >= 355 else 128
    if head[:8] == b"APETAGEX" and len(head) == 32:
        body, flags = struct.unpack("<I4xI", head[12:24])
        return 32 + (body if flags >> 29 & 1 else 0)
    if head[:11] == b"LYRICSBEGIN":
        return size - place if size - place < 128 else 11
    return 0


def _counter(data: _Window, place: int, header: Header) -> Counter | None:
    """Return the frame count, if this frame is a Xing, Info or VBRI tag."""
    if header.layer != 3:
        return None
    side = {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}
    at = place + 4 + side[header.version == 3, header.mono]
    tag = data.at(at, 16)
    if tag[:4] in (b"Xing", b"Info") and len(tag) == 16:
        counts, sizes = tag[7] & 1, tag[7] & 2
        if not counts:
            return Counter(None, at + 8)
        (frames,) = struct.unpack(">I", tag[8:12])
        return Counter(frames, at + 8, at + 12 if sizes else None)
    if data.at(place + 36, 4) == b"VBRI":
        (frames,) = struct.unpack(">I", data.at(place + 50, 4))
        return Counter(frames, place + 50, place + 46)
    return None
