"""Relatives of the table's inputs: other formats, other lies in headers, other tags."""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.sources import FileSource
from bandmate_server.errors import AudioError, Cancelled

Music = tuple[FloatArray, int]

ID3V1 = b"TAG" + bytes(125)
ID3V2 = b"ID3\x04\0\0" + bytes([0, 0, 7, 104]) + bytes(1000)
APE_HEAD = b"APETAGEX" + struct.pack("<IIII", 2000, 52, 1, 0xA000_0000) + bytes(8)
APE_FOOT = b"APETAGEX" + struct.pack("<IIII", 2000, 52, 1, 0x8000_0000) + bytes(8)
APE = APE_HEAD + b"\x05\0\0\0\0\0\0\0Title\0hello".ljust(20, b"x") + APE_FOOT


def encoded(music: Music, kind: str, subtype: str | None = None) -> bytes:
    """Return two seconds of the clip as a file."""
    held = io.BytesIO()
    soundfile.write(held, music[0][:88_200], music[1], format=kind, subtype=subtype)
    return held.getvalue()


def decoded(content: bytes) -> FloatArray:
    audio: FloatArray = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)[0]
    return audio


def put(content: bytes, place: int, form: str, value: int) -> bytes:
    """Return a file with a number in it replaced."""
    return content[:place] + struct.pack(form, value) + content[place + struct.calcsize(form) :]


def read(path: Path, content: bytes) -> tuple[FloatArray, list[str]]:
    path.write_bytes(content)
    with FileSource(path) as source:
        return source.read(0, source.frames), source.notes


def check(path: Path, content: bytes, expected: FloatArray, told: bool = False) -> None:
    """Check that a file gives exactly some audio, and whether the user has to know something."""
    audio, notes = read(path, content)
    np.testing.assert_array_equal(audio, expected)
    assert bool(notes) == told, notes


MPEG: dict[str, Callable[[bytes], bytes]] = {
    "id3v1": lambda m: m + ID3V1,
    "ape": lambda m: m + APE,
    "ape-id3v1": lambda m: m + APE + ID3V1,
    "id3v2": lambda m: ID3V2 + m,
    "two-id3v2": lambda m: ID3V2 + ID3V2 + m,
    "zeros-before": lambda m: bytes(5_000) + m,
    "count-too-small": lambda m: put(m, m.index(b"Xing") + 8, ">I", 30),
    "count-zero": lambda m: put(m, m.index(b"Xing") + 8, ">I", 0),
}


@pytest.mark.parametrize("name", MPEG)
@pytest.mark.parametrize("suffix", [".mp3", ".wav", ""])
def test_mp3_with_tags_junk_and_false_counts_is_whole(
    name: str, suffix: str, tmp_path: Path, music: Music
) -> None:
    if name == "zeros-before" and suffix != ".mp3":
        pytest.skip("nothing says that this is MPEG")
    plain = encoded(music, "MP3")
    check(tmp_path / f"song{suffix}", MPEG[name](plain), decoded(plain))


@pytest.mark.parametrize("name", ["count-too-large", "noise-after", "other-rate-after"])
def test_mp3_with_something_left_out_says_so(name: str, tmp_path: Path, music: Music) -> None:
    plain = encoded(music, "MP3")
    content = {
        "count-too-large": put(plain, plain.index(b"Xing") + 8, ">I", 99_999),
        "noise-after": plain + np.random.default_rng(0).bytes(30_000),
        "other-rate-after": plain + encoded((music[0], 48_000), "MP3"),
    }[name]
    check(tmp_path / "song.mp3", content, decoded(plain), told=True)


def test_joined_mp3_with_tags_between_is_whole(tmp_path: Path, music: Music) -> None:
    plain = encoded(music, "MP3")
    content = (ID3V2 + plain + APE + ID3V1) * 3
    check(tmp_path / "song.mp3", content, np.concatenate([decoded(plain)] * 3))


def test_cut_mp3_gives_what_is_there_and_says_so(tmp_path: Path, music: Music) -> None:
    plain = encoded(music, "MP3")
    audio, notes = read(tmp_path / "song.mp3", plain[: len(plain) // 2])
    assert 0.8 < len(audio) / 44_100 < 1.2
    assert "may be cut off" in notes[0]


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_chained_and_cut_ogg(subtype: str, tmp_path: Path, music: Music) -> None:
    plain = encoded((music[0], 48_000), "OGG", subtype)
    check(tmp_path / "three.ogg", plain * 3, np.concatenate([decoded(plain)] * 3))
    check(tmp_path / "junk.ogg", plain + b"no page" * 99, decoded(plain))
    audio, notes = read(tmp_path / "cut.ogg", plain[: len(plain) * 4 // 5])
    assert len(audio) > 20_000
    assert "may be cut off" in notes[0]


def page(serial: int, flags: int, number: int, packet: bytes) -> bytes:
    """Return an Ogg page with one packet; libsndfile is not asked about its checksum."""
    lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    assert len(lacing) < 256
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, 0, serial, number, 0, len(lacing))
    return head + lacing + packet


def test_flac_in_ogg_is_taken_out_of_its_pages(tmp_path: Path, music: Music) -> None:
    plain = encoded(music, "FLAC", "PCM_16")
    facts, rest = plain[4:42], plain[42:]
    last = facts[0] >= 0x80
    while not last:  # pass over comments and padding
        last, size = rest[0] >= 0x80, int.from_bytes(rest[1:4], "big")
        rest = rest[4 + size :]
    first = b"\x7fFLAC\x01\x00\x00\x00fLaC" + b"\x00" + facts[1:]
    content = page(7, 2, 0, first)
    # All frames as one packet: one that fills its page goes on in the next.
    for number, at in enumerate(range(0, len(rest), 255 * 255), 1):
        piece = rest[at : at + 255 * 255]
        lacing = bytes([255] * (len(piece) // 255))
        if len(piece) % 255 or at + 255 * 255 >= len(rest):
            lacing += bytes([len(piece) % 255])
        flags = 4 if at + 255 * 255 >= len(rest) else 0
        head = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, 0, 7, number, 0, len(lacing))
        content += head + lacing + piece
    check(tmp_path / "song.oga", content, decoded(plain))


PCM: dict[str, tuple[str, Callable[[bytes], int], str, list[int]]] = {
    "wav": ("WAV", lambda c: c.index(b"data") + 4, "<I", [0, 1_000, 1_001, 0x7FFF_FFFF]),
    "rifx-none": ("WAV", lambda c: 4, "<I", [0, 7, 0xFFFF_FFFF]),
    "rf64": ("RF64", lambda c: c.index(b"ds64") + 16, "<Q", [0, 1_000, 2**64 - 1]),
    "w64": ("W64", lambda c: c.index(b"data\xf3") + 16, "<q", [0, 24, 1_024, 2**63 - 1, -1]),
    "aiff": ("AIFF", lambda c: c.index(b"SSND") + 4, ">I", [0, 1_008, 0x7FFF_FFFF, 0xFFFF_FFFF]),
    "aiff-comm": ("AIFF", lambda c: c.index(b"COMM") + 10, ">I", [0, 1_000, 0xFFFF_FFFF]),
    "caf": ("CAF", lambda c: c.index(b"data") + 4, ">q", [-1, 0, 1_004]),
    "au": ("AU", lambda c: 8, ">I", [0, 1_000, 0xFFFF_FFFF]),
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, row in PCM.items() for v in row[3]])
def test_pcm_of_a_false_size_is_whole(name: str, value: int, tmp_path: Path, music: Music) -> None:
    kind, place, form, _ = PCM[name]
    plain = encoded(music, kind, "PCM_16")
    content = put(plain, place(plain), form, value)
    audio, notes = read(tmp_path / f"song.{name}", content)
    np.testing.assert_array_equal(audio, decoded(plain))
    assert all("all are used" in note for note in notes)


@pytest.mark.parametrize("after", [ID3V1, bytes(3_000), b"LIST\x0a\0\0\0INFOxxxxxx"])
def test_what_follows_the_audio_of_a_wav_is_no_audio(
    after: bytes, tmp_path: Path, music: Music
) -> None:
    plain = encoded(music, "WAV", "PCM_16")
    check(tmp_path / "song.wav", plain + after, decoded(plain), told=not any(after))


@pytest.mark.parametrize("before", [ID3V2, APE])
@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG"])
def test_tags_before_other_formats_are_passed_over(
    kind: str, before: bytes, tmp_path: Path, music: Music
) -> None:
    plain = encoded(music, kind)
    check(tmp_path / "song", before + plain, decoded(plain))


@pytest.mark.parametrize("after", [ID3V1, APE, b"\x12\x34" * 4_000])
def test_tags_after_flac_are_no_audio(after: bytes, tmp_path: Path, music: Music) -> None:
    plain = encoded(music, "FLAC", "PCM_24")
    check(tmp_path / "song.flac", plain + after, decoded(plain))


def test_flac_that_ends_early_is_cut_off_whatever_its_total(tmp_path: Path, music: Music) -> None:
    plain = encoded(music, "FLAC")
    with pytest.raises(AudioError, match=r"song\.flac is cut off: \d+ of 88200 frames are there"):
        read(tmp_path / "song.flac", plain[: len(plain) // 2])


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("WAV", "GSM610"), ("WAV", "IMA_ADPCM"), ("WAV", "MS_ADPCM"), ("WAV", "G721_32"),
     ("CAF", "ALAC_16"), ("WAV", "MPEG_LAYER_III"), ("XI", "DPCM_16"), ("MP3", "MPEG_LAYER_II")],
)  # fmt: skip
def test_any_part_of_an_odd_codec_is_that_of_a_straight_decode(
    kind: str, subtype: str, tmp_path: Path, music: Music
) -> None:
    try:
        soundfile.write(tmp_path / "a", music[0][:88_200, :1], 44_100, format=kind, subtype=subtype)
    except soundfile.SoundFileError:
        pytest.skip("libsndfile does not write it")
    whole = decoded((tmp_path / "a").read_bytes())
    with FileSource(tmp_path / "a") as source:
        assert source.frames == len(whole)
        for start in (40_000, 3, 20_001, 0):
            np.testing.assert_array_equal(source.read(start, 9_000), whole[start : start + 9_000])


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"\0\0\0\x20ftypM4A ", "MPEG-4"),
        (b"wvpk\0\0\0\0", "WavPack"),
        (b"\xff\xf1\x50\x80", "AAC"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media"),
        (page(1, 2, 0, b"Speex   1.2"), "Ogg with Speex"),
        (b"MThd\0\0\0\6", "MIDI"),
        (b"<!DOCTYPE html>", "no frame of MPEG audio"),
    ],
)
def test_files_of_other_kinds_are_named(content: bytes, word: str, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=rf"song\.mp3 is not audio that can be read.*{word}"):
        read(tmp_path / "song.mp3", content + bytes(200))


@pytest.mark.parametrize("kind", ["MP3", "FLAC", "OGG"])
def test_reading_can_be_cancelled(kind: str, tmp_path: Path, music: Music) -> None:
    (tmp_path / "song").write_bytes(encoded(music, kind))

    def stop(_: float) -> None:
        raise Cancelled("cancelled")

    with pytest.raises(Cancelled):
        FileSource(tmp_path / "song", report=stop)


def test_decoded_audio_leaves_no_file(tmp_path: Path, music: Music) -> None:
    (tmp_path / "song.mp3").write_bytes(encoded(music, "MP3"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with FileSource(tmp_path / "song.mp3", scratch=scratch):
        assert not list(scratch.iterdir())  # nameless while it is open, too
    with pytest.raises(AudioError, match="TMPDIR"):
        FileSource(tmp_path / "song.mp3", scratch=tmp_path / "gone")
