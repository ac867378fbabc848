"""What a file is that libsndfile does not read, by its first bytes."""

from __future__ import annotations

SIGNS = (  # place, bytes, name
    (4, b"ftyp", "MPEG-4 (AAC or ALAC, as in .m4a)"),
    (0, b"wvpk", "WavPack"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"TTA1", "True Audio"),
    (0, b"MPCK", "Musepack"),
    (0, b"MP+", "Musepack"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media (WMA)"),
    (0, b"DSD ", "DSD"),
    (0, b"FRM8", "DSD"),
    (0, b"\x0b\x77", "Dolby Digital (AC-3)"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (0, b"ADIF", "AAC"),
    (0, b"#!AMR", "AMR"),
    (0, b".RMF", "RealMedia"),
    (0, b"MThd", "MIDI: notes, not sound"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"%PDF", "PDF"),
    (0, b"\x89PNG", "a picture"),
    (0, b"\xff\xd8\xff", "a picture"),
)


def name_format(head: bytes) -> str | None:
    """Return what a file's first bytes say that it is; None if they say nothing known."""
    for place, sign, name in SIGNS:
        if head[place : place + len(sign)] == sign:
            return name
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "AAC"
    return None
