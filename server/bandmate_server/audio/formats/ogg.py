"""Ogg read page by page: chained streams, what is in them, and FLAC taken out of its pages.

Source of the page's layout: RFC 3533; of FLAC in Ogg: xiph.org/flac/ogg_mapping.html.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from bandmate_server.audio.formats.view import View

CODECS = {
    b"\x01vorbis": "Vorbis",
    b"OpusHead": "Opus",
    b"\x7fFLAC": "FLAC",
    b"Speex   ": "Speex",
    b"\x80theora": "Theora",
    b"fishead\x00": "Skeleton",
}
AUDIO = ("Vorbis", "Opus", "FLAC", "Speex")
FIRST, LAST = 2, 4  # flags of a stream's first and last page


@dataclass(frozen=True)
class Page:
    """One page: its place, size and flags, its stream's number, and the sizes of its segments."""

    place: int
    size: int
    flags: int
    serial: int
    lacing: bytes

    @property
    def body(self) -> int:
        """Return where its content begins."""
        return self.place + 27 + len(self.lacing)


@dataclass
class Link:
    """One link of a chain: bytes start .. stop, the codec's name, and whether its end is marked.

    serial: of the audio stream in it.
    """

    start: int
    stop: int
    codec: str
    serial: int
    ended: bool = False


def find_links(view: View, check: Callable[[], None]) -> list[Link]:
    """Return the links of a chain, in order.

    Args:
        view: of the file.
        check: called now and then; raises to stop.
    """
    links: list[Link] = []
    heads = False  # whether the pages before were first ones
    for number, page in enumerate(pages(view)):
        if number % 256 == 0:
            check()
        if page.flags & FIRST:
            codec = _codec(view.at(page.body, 16))
            if not heads:
                links.append(Link(page.place, page.place, codec, page.serial))
            elif codec in AUDIO and links[-1].codec not in AUDIO:
                links[-1].codec, links[-1].serial = codec, page.serial
        heads = bool(page.flags & FIRST)
        if links:
            links[-1].stop = page.place + page.size
            if page.serial == links[-1].serial and page.flags & LAST:
                links[-1].ended = True
    return links


def pages(view: View) -> Iterator[Page]:
    """Yield all pages that are whole; bytes between them are passed over."""
    place = 0
    while place + 27 <= view.size:
        head = view.at(place, 27 + 255)
        if head[:4] != b"OggS":
            place = _next_page(view, place + 1)
            continue
        lacing = head[27 : 27 + head[26]]
        size = 27 + len(lacing) + sum(lacing)
        if place + size > view.size:
            return
        yield Page(place, size, head[5], struct.unpack("<I", head[14:18])[0], lacing)
        place += size


def unwrap_flac(view: View, link: Link, target: BinaryIO, check: Callable[[], None]) -> None:
    """Write the FLAC stream that lies in a link's pages.

    Args:
        view: of the file.
        link: of codec "FLAC".
        target: to write to.
        check: called now and then; raises to stop.
    """
    part = view.part(link.start, link.stop)
    for number, packet in enumerate(_packets(part, link.serial)):
        if number % 256 == 0:
            check()
        if number == 0:
            target.write(b"fLaC\x80" + packet[14:])  # the one block of facts, marked as the last
        elif packet[:1] == b"\xff":  # other blocks hold comments and pictures
            target.write(packet)


def _packets(view: View, serial: int) -> Iterator[bytes]:
    held = bytearray()
    for page in pages(view):
        if page.serial != serial:
            continue
        place = page.body
        for size in page.lacing:
            held += view.at(place, size)
            place += size
            if size < 255:
                yield bytes(held)
                held.clear()


def _codec(start: bytes) -> str:
    for mark, name in CODECS.items():
        if start.startswith(mark):
            return name
    return "unknown"


def _next_page(view: View, place: int) -> int:
    while place < view.size:
        block = view.at(place, 1 << 16)
        at = block.find(b"OggS")
        if at >= 0:
            return place + at
        place += max(len(block) - 3, 1)
    return view.size
