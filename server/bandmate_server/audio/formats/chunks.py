"""Where the audio of a chunked file begins and ends: RIFF, RF64, W64, AIFF, CAF, AU.

Recorders and pipes leave sizes that are not known yet: 0, the largest number there is, 2 GB less
a header. libsndfile takes what there is where a size is too large; where it is too small, the
size is put right.
"""

from __future__ import annotations

import dataclasses
import struct
from dataclasses import dataclass

from bandmate_server.audio.formats.view import View
from bandmate_server.errors import AudioError

UNKNOWN = 0x7F00_0000  # bytes, from which on a 32-bit size that is too large was a guess
GAP = 4096  # bytes after the audio that can be padding or a broken tag; more is audio
W64_SUFFIX = bytes.fromhex("f3acd3118cd100c04f8edb8a")
TAGS = (b"TAG", b"APETAGEX", b"ID3", b"LIST", b"3DI")


@dataclass(frozen=True)
class Claim:
    """What a header says of its audio.

    field: place of the size; its width in bytes and byte order.
    extra: what the size counts beside the audio.
    data: place of the audio.
    declared: the audio's bytes, by the size.
    others: further fields that repeat the length: place -> (width, bytes per unit).
    """

    field: int
    width: int
    order: str
    extra: int
    data: int
    declared: int
    others: dict[int, tuple[int, int]] = dataclasses.field(default_factory=dict)

    @property
    def unknown(self) -> bool:
        """Whether the size is one that stands for "not known yet"."""
        if self.width == 4:
            return self.declared <= 0 or self.declared + self.extra >= UNKNOWN
        return self.declared <= 0 or self.declared >= 1 << 40

    def patches(self, there: int) -> dict[int, bytes]:
        """Return what to write over the header's fields, so that they claim `there` bytes."""
        found = {self.field: self._packed(there + self.extra, self.width)}
        for place, (width, unit) in self.others.items():
            found[place] = self._packed(there // unit, width)
        return found

    def _packed(self, value: int, width: int) -> bytes:
        most = (1 << 8 * width) - 1
        return min(value, most).to_bytes(width, "little" if self.order == "<" else "big")


def mend_chunks(view: View, name: str) -> tuple[View, list[str]]:
    """Return the file with a size that covers all of its audio, and what to tell the user.

    Args:
        view: of the file.
        name: of the file, for the words.

    Raises:
        AudioError: if the file ends before its audio does.
    """
    claim = find_audio(view)
    if claim is None:
        return view, []
    there, words = view.size - claim.data, []
    if claim.declared > there and not claim.unknown:
        raise AudioError(f"{name} is cut off: {there} of {claim.declared} bytes of audio are there")
    if 0 <= claim.declared <= there:
        rest = there - claim.declared
        if _is_chunks(view, claim.data + claim.declared, claim):
            there = claim.declared
        elif claim.declared > 0 and rest < GAP:
            words = [f"{name}: {rest} bytes after the audio are no audio: left out"]
            there = claim.declared
        elif claim.declared > 0:
            sizes = f"{claim.declared} bytes of audio, {there} are there"
            words = [f"{name}: the header counts {sizes}: all are used"]
    patches = claim.patches(there)
    if all(view.at(place, len(content)) == content for place, content in patches.items()):
        return view, words
    return view.patched(patches), words


def audio_bytes(view: View) -> tuple[int, int] | None:
    """Return where the audio of a chunked file begins and ends; None if it is no such file."""
    claim = find_audio(view)
    if claim is None:
        return None
    stop = claim.data + claim.declared
    return claim.data, view.size if claim.unknown else min(stop, view.size)


def find_audio(view: View) -> Claim | None:
    """Return what the header of a chunked file says; None for other files, and damaged ones."""
    head = view.at(0, 16)
    try:
        if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
            return _wave(view, ">" if head[:4] == b"RIFX" else "<")
        if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
            return _aiff(view)
        if head == b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00":
            return _w64(view)
        if head[:4] == b"caff":
            return _caf(view)
        if head[:4] in (b".snd", b"dns."):
            order = ">" if head[:4] == b".snd" else "<"
            data, declared = struct.unpack(f"{order}II", head[4:12])
            return Claim(8, 4, order, 0, data, declared)
    except struct.error:
        return None
    return None


def _wave(view: View, order: str) -> Claim | None:
    place, long_size = 12, None
    while len(head := view.at(place, 8)) == 8:
        kind, size = head[:4], struct.unpack(f"{order}I", head[4:])[0]
        if kind == b"ds64":
            long_size = place + 16
        if kind == b"data":
            if long_size is not None and size == 0xFFFF_FFFF:
                (declared,) = struct.unpack("<q", view.at(long_size, 8))
                return Claim(long_size, 8, "<", 0, place + 8, declared)
            return Claim(place + 4, 4, order, 0, place + 8, size)
        place += 8 + size + size % 2
    return None


def _aiff(view: View) -> Claim | None:
    place, others = 12, {}
    while len(head := view.at(place, 8)) == 8:
        kind, size = head[:4], struct.unpack(">I", head[4:])[0]
        if kind == b"COMM":
            channels, _, bits = struct.unpack(">HIH", view.at(place + 8, 8))
            compressed = size > 18 and view.at(place + 26, 4) not in (b"NONE", b"sowt", b"twos")
            if not compressed and channels and bits:
                others[place + 10] = (4, channels * ((bits + 7) // 8))
        if kind == b"SSND":
            return Claim(place + 4, 4, ">", 8, place + 16, size - 8, others)
        place += 8 + size + size % 2
    return None


def _w64(view: View) -> Claim | None:
    place = 40
    while len(head := view.at(place, 24)) == 24:
        (size,) = struct.unpack("<q", head[16:])
        if head[:16] == b"data" + W64_SUFFIX:
            return Claim(place + 16, 8, "<", 24, place + 24, size - 24)
        if size < 24:
            return None
        place += size + -size % 8
    return None


def _caf(view: View) -> Claim | None:
    place = 8
    while len(head := view.at(place, 12)) == 12:
        (size,) = struct.unpack(">q", head[4:])
        if head[:4] == b"data":
            return Claim(place + 4, 8, ">", 4, place + 16, size - 4)
        if size < 0:
            return None
        place += 12 + size
    return None


def _is_chunks(view: View, place: int, claim: Claim) -> bool:
    """Whether what lies from a place on can be chunks, tags or nothing, rather than audio."""
    place += place % 2 if claim.width == 4 else 0
    head = view.at(place, 12)
    if len(head) < 8 or head.startswith(TAGS):
        return True
    size = struct.unpack(f"{claim.order}I", head[4:8])[0]
    return head[:4].isascii() and head[:4].decode("ascii").isprintable() and (
        size <= view.size - place or claim.width == 8
    )  # fmt: skip
