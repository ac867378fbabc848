"""FLAC streams in a file, and what their headers claim. Source of the layout: RFC 9639, 8.2."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.formats.view import View

BLOCK = 1 << 20  # bytes searched at once
MARKS = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")  # a stream, and its block of facts


@dataclass(frozen=True)
class FlacStream:
    """One stream: its bytes with a total of "unknown", so that all of them are decoded.

    total: frames by its header; 0 is unknown.
    md5: of its samples; zeros are unknown.
    bits: of a sample.
    """

    view: View
    total: int
    md5: bytes
    bits: int

    def holds(self, blocks: Iterable[FloatArray]) -> bool:
        """Whether decoded blocks (n, channels) are all that was encoded, by the header's MD5."""
        digest, width = hashlib.md5(usedforsecurity=False), (self.bits + 7) // 8
        for block in blocks:
            whole = np.rint(block.astype(np.float64) * 2.0 ** (self.bits - 1)).astype("<i4")
            packed = whole.reshape(-1, 1).view(np.uint8).reshape(-1, 4)[:, :width]
            digest.update(packed.tobytes())
        return digest.digest() == self.md5


def find_flac(view: View, check: Callable[[], None]) -> list[FlacStream]:
    """Return the streams of a file; joined files have several.

    Args:
        view: of the file.
        check: called now and then; raises to stop.
    """
    starts = [*_starts(view, check), view.size]
    return [_stream(view.part(start, stop)) for start, stop in itertools.pairwise(starts)]


def _starts(view: View, check: Callable[[], None]) -> list[int]:
    found, place, reach = [], 0, len(MARKS[0]) - 1
    while place < view.size:
        check()
        block = view.at(place, BLOCK + reach)
        for mark in MARKS:
            at = block.find(mark)
            while at >= 0:
                found.append(place + at)
                at = block.find(mark, at + 1)
        place += BLOCK
    return sorted(set(found))


def _stream(view: View) -> FlacStream:
    facts = view.at(18, 24)  # rate, channels, bits and total in 64 bits, then the MD5
    packed = int.from_bytes(facts[:8], "big")
    total, rest = packed & ((1 << 36) - 1), packed >> 36 << 36
    bits = (packed >> 36 & 31) + 1
    view = view.patched({18: rest.to_bytes(8, "big")})
    return FlacStream(view, total, facts[8:], bits)
