"""Each input of the file review's table, by its number, through the real commands."""

import io
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import mutagen
import numpy as np
import pytest
import soundfile
from mutagen import id3

from bandmate_server import add, separate, vary
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.model.model import Model

Run = Callable[..., Any]
Music = tuple[FloatArray, int]
EXACT = 1e-6


def decoded(path: Path) -> FloatArray:
    """Return one straight decode of a file that says its length rightly."""
    audio: FloatArray = soundfile.read(path, dtype="float32", always_2d=True)[0]
    return audio


def frame_without_count(content: bytes) -> bytes:
    """Return an MP3 without its first frame, which only counts the others."""
    assert b"Xing" in content[:200] or b"Info" in content[:200]
    return content[content.index(b"\xff\xfb", 150) :]


def summed(folder: Path) -> FloatArray:
    """Return the sum of all stems in a folder (frames, channels)."""
    stems = [
        soundfile.read(path, dtype="float64", always_2d=True)[0]
        for path in sorted(folder.glob("*.wav"))
    ]
    assert len(stems) == 5
    return np.asarray(np.sum(stems, axis=0))


def check_null(folder: Path, audio: FloatArray) -> None:
    """Check that the sum of a folder's stems is the audio."""
    total = summed(folder)
    assert total.shape == audio.shape
    assert np.abs(total - audio).max() < EXACT


@pytest.mark.parametrize("variable", [True, False], ids=["row_1_vbr", "row_1b_cbr"])
def test_row_1_mp3_without_a_xing_header_is_separated_to_its_end(
    variable: bool, mp3: Path, tmp_path: Path, separate: Run, music: Music
) -> None:
    if not variable:
        constant = {"bitrate_mode": "CONSTANT", "compression_level": 0.5}
        soundfile.write(mp3, *music, format="MP3", **constant)
    whole = decoded(mp3)
    (tmp_path / "bare.mp3").write_bytes(frame_without_count(mp3.read_bytes()))
    ran = separate("bare.mp3")
    assert ran.status == 0, ran
    total = summed(tmp_path / "stems" / "bare")
    assert 0 <= len(total) - len(whole) < 3 * 1152  # encoder's delay and padding are not cut
    delay = 1105  # samples that LAME and the decoder put in front
    there = total[delay : delay + len(whole) - 3 * 1152]
    np.testing.assert_allclose(there, whole[: len(there)], atol=EXACT, rtol=0)


@pytest.mark.parametrize("kind", ["ogg", "opus", "mp3"])
def test_row_2_stems_of_lossy_files_sum_to_one_straight_decode(
    kind: str, tmp_path: Path, separate: Run, bandmate: Run, music: Music
) -> None:
    path = tmp_path / f"song.{kind}"
    how = {
        "ogg": {"format": "OGG", "subtype": "VORBIS"},
        "opus": {"format": "OGG", "subtype": "OPUS"},
        "mp3": {"format": "MP3"},
    }[kind]
    rate = 48_000 if kind == "opus" else music[1]
    soundfile.write(path, music[0], rate, **how)
    whole = decoded(path)
    assert separate(path.name).status == 0
    check_null(tmp_path / "stems" / "song", whole)
    assert separate(path.name, "--start", "5", "--end", "8.5", out="part").status == 0
    check_null(tmp_path / "part" / "song", whole[5 * rate : round(8.5 * rate)])
    ran = bandmate("batch", path.name, "--out", "batch", "--model", "fake", "--jobs", "1")
    assert ran.status == 0, ran
    check_null(tmp_path / "batch" / "song", whole)


def with_total(flac: bytes, total: int, keep_md5: bool = True) -> bytes:
    """Return a FLAC file whose header claims another length."""
    facts = int.from_bytes(flac[18:26], "big") >> 36 << 36 | total
    md5 = flac[26:42] if keep_md5 else bytes(16)
    return flac[:18] + facts.to_bytes(8, "big") + md5 + flac[42:]


@pytest.mark.parametrize("total", [0, 5_000, 10_000_000])
def test_row_3_flac_of_a_false_length_is_read_to_its_end(
    total: int, tmp_path: Path, separate: Run, bandmate: Run, music: Music
) -> None:
    audio = music[0][:100_000]
    plain = io.BytesIO()
    soundfile.write(plain, audio, music[1], format="FLAC", subtype="PCM_16")
    content = with_total(plain.getvalue(), total, keep_md5=total > 0)
    (tmp_path / "song.flac").write_bytes(content)
    plain.seek(0)
    whole = soundfile.read(plain, dtype="float32", always_2d=True)[0]
    assert separate("song.flac").status == 0
    check_null(tmp_path / "stems" / "song", whole)
    ran = bandmate("batch", "song.flac", "--out", "batch", "--model", "fake", "--jobs", "1")
    assert ran.status == 0, ran
    check_null(tmp_path / "batch" / "song", whole)
    made = bandmate(
        "add", "piano", "--to", "backing=song.flac", "--out", "added", "--model", "fake"
    )
    assert made.status == 0, made
    assert soundfile.info(tmp_path / "added" / "piano.wav").frames == len(whole)


@pytest.mark.parametrize("factor", [-1.0, -0.999])
def test_row_4_anti_phase_stereo_is_separated_as_in_phase(
    factor: float, mini: Model, music: Music
) -> None:
    mono, rate = music[0][: 8 * 44_100, :1], music[1]
    plain = separate_of(mini, np.repeat(mono, 2, axis=1), rate)
    turned = separate_of(mini, mono * np.array([[1.0, factor]], np.float32), rate)
    for name, stem in plain.items():
        error = turned[name][:, 0] - stem[:, 0]
        assert np.square(error).sum() < 0.01 * np.square(stem[:, 0]).sum() + 1e-3, name


def separate_of(model: Model, audio: FloatArray, rate: int) -> dict[str, FloatArray]:
    return separate(model, audio, sample_rate=rate)


def test_row_4_anti_phase_stereo_is_no_silence_to_add_vary_and_fill(
    model: Model, music: Music
) -> None:
    mono, rate = music[0][: 3 * 44_100, 0], music[1]
    pair = np.stack([mono, -mono], axis=1)
    assert np.abs(add(model, ["piano"], {"bass": pair}, sample_rate=rate)["piano"]).max() > 1e-3
    np.testing.assert_array_equal(
        add(model, ["piano"], {"bass": pair}, sample_rate=rate)["piano"][:, 0],
        add(model, ["piano"], {"bass": np.stack([mono, mono], axis=1)}, sample_rate=rate)["piano"][
            :, 0
        ],
    )
    assert np.abs(vary(model, "bass", {"bass": pair}, strength=0.5, sample_rate=rate)).max() > 1e-3


def tagged_mp3(path: Path, music: Music, *frames: Any) -> None:
    soundfile.write(path, music[0][:50_000], music[1], format="MP3")
    tags = id3.ID3()
    for frame in frames:
        tags.add(frame)
    tags.save(path)


def test_row_5_tag_with_a_name_that_flac_cannot_hold_is_renamed(
    tmp_path: Path, bandmate: Run, music: Music
) -> None:
    frame = id3.TXXX(encoding=3, desc="Künstler", text=["Ida"])
    tagged_mp3(tmp_path / "song.mp3", music, frame, id3.TXXX(encoding=3, desc="曲", text=["x"]))
    ran = bandmate(
        "batch", "song.mp3", "--out", "o", "--format", "flac", "--model", "fake", "--jobs", "1"
    )
    assert ran.status == 0, ran
    assert not any("Traceback" in line for line in ran.errors)
    assert mutagen.File(tmp_path / "o" / "song" / "bass.flac")["kunstler"] == ["Ida"]
    assert any("曲" in line for line in ran.errors)


@pytest.mark.parametrize("kind", ["ogg", "mp3", "flac"])
def test_row_6_joined_files_are_read_to_the_last(
    kind: str, tmp_path: Path, separate: Run, music: Music
) -> None:
    audio = music[0][:150_000]
    soundfile.write(tmp_path / f"one.{kind}", audio, music[1], format=kind.upper())
    content = (tmp_path / f"one.{kind}").read_bytes()
    (tmp_path / f"two.{kind}").write_bytes(content * 2)
    whole = decoded(tmp_path / f"one.{kind}")
    assert separate(f"two.{kind}").status == 0
    check_null(tmp_path / "stems" / "two", np.concatenate([whole, whole]))


@pytest.mark.parametrize(
    "size", [0, 0x7FFF_FFFF, 0x8000_0000, 0x8000_0000 - 36, 0xFFFF_FFFF, 0x7FFF_F000, 0x7FFF_FFFB]
)
def test_row_7_wav_from_a_pipe_is_read_to_its_end(
    size: int, tmp_path: Path, separate: Run, music: Music
) -> None:
    audio = music[0][:60_000]
    soundfile.write(tmp_path / "pipe.wav", audio, music[1], subtype="PCM_16")
    content = bytearray((tmp_path / "pipe.wav").read_bytes())
    whole = decoded(tmp_path / "pipe.wav")
    place = content.index(b"data") + 4
    content[place : place + 4] = struct.pack("<I", size)
    (tmp_path / "pipe.wav").write_bytes(content)
    assert separate("pipe.wav").status == 0
    check_null(tmp_path / "stems" / "pipe", whole)


@pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
def test_row_8_of_two_runs_to_one_place_one_is_refused(
    force: list[str], tmp_path: Path, environment: dict[str, str], music: Music
) -> None:
    command = [sys.executable, "-m", "bandmate_bridge.cli", "separate"]
    more = ["--out", "o", "--model", "fake", "--device", "cpu", "--threads", "1", *force]
    for folder, factor in (("a", 1.0), ("b", -0.5)):
        (tmp_path / folder).mkdir()
        audio = np.tile(music[0] * np.float32(factor), (8, 1))
        soundfile.write(tmp_path / folder / "song.wav", audio, music[1], subtype="FLOAT")
    runs = [
        subprocess.Popen([*command, f"{folder}/song.wav", *more], cwd=tmp_path, env=environment,
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for folder in ("a", "b")
    ]  # fmt: skip
    said = [run.communicate(timeout=120)[1] for run in runs]
    states = [run.returncode for run in runs]
    assert sorted(states) == [0, 1], said
    assert len(said[states.index(1)].splitlines()) == 1
    winner = "ab"[states.index(0)]
    check_null(tmp_path / "o" / "song", decoded(tmp_path / winner / "song.wav"))
    assert {p.name for p in (tmp_path / "o").iterdir()} == {"song"}


def test_row_9_control_characters_in_a_title_leave_a_readable_session(
    tmp_path: Path, bandmate: Run, music: Music
) -> None:
    title = id3.TIT2(encoding=3, text=["Late\x0bBus \x01&<>"])
    tagged_mp3(tmp_path / "song.mp3", music, title)
    ran = bandmate(
        "batch", "song.mp3", "--out", "o", "--dawproject", "--model", "fake", "--jobs", "1"
    )
    assert ran.status == 0, ran
    (session,) = (tmp_path / "o").rglob("*.dawproject")
    with zipfile.ZipFile(session) as archive:
        root = ElementTree.fromstring(archive.read("metadata.xml"))
    assert root.findtext("Title") == "Late Bus  &<>"


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_row_10_closed_streams_do_not_stop_the_work(
    closed: str, tmp_path: Path, environment: dict[str, str], music: Music
) -> None:
    soundfile.write(tmp_path / "in.wav", music[0][:20_000], music[1])
    line = f'exec "{sys.executable}" -m bandmate_bridge.cli separate in.wav --out t --model fake'
    ran = subprocess.run(["sh", "-c", f"{line} {closed}"], cwd=tmp_path, env=environment,
                         capture_output=True, timeout=120, check=False)  # fmt: skip
    assert ran.returncode == 0, ran
    assert ran.stderr == b""
    check_null(tmp_path / "t" / "in", decoded(tmp_path / "in.wav"))


@pytest.mark.parametrize("kind", ["cp1252", "backslashes", "file-url", "pls", "xspf", "mark", "c:"])
def test_row_11_playlists_are_read_as_players_write_them(
    kind: str, tmp_path: Path, bandmate: Run, music: Music
) -> None:
    (tmp_path / "My Songs").mkdir()
    song = tmp_path / "My Songs" / "Café 100%.wav"
    soundfile.write(song, music[0][:20_000], music[1])
    slashes, back = "My Songs/Café 100%.wav", "My Songs\\Café 100%.wav"
    url = song.as_uri()
    name, content = {
        "cp1252": ("l.m3u", f"#EXTM3U\r\n#EXTINF:12,Ida - Café\r\n{slashes}\r\n".encode("cp1252")),
        "backslashes": ("l.m3u", f"{back}\r\n".encode()),
        "file-url": ("l.m3u8", f"#EXTM3U\n{url}\n".encode()),
        "mark": ("l.m3u8", b"\xef\xbb\xbf" + slashes.encode()),
        "pls": ("l.pls", f"[playlist]\nNumberOfEntries=1\nFile1={slashes}\nTitle1=x\n".encode()),
        "xspf": (
            "l.xspf",
            '<?xml version="1.0"?><playlist version="1" xmlns="http://xspf.org/ns/0/"><trackList>'
            f"<track><location>{url}</location></track></trackList></playlist>".encode(),
        ),
        "c:": ("l.m3u", f"C:\\Users\\ida\\{back}\r\n".encode()),
    }[kind]
    (tmp_path / name).write_bytes(content)
    ran = bandmate("batch", name, "--out", "o", "--model", "fake", "--jobs", "1")
    assert ran.status == 0, ran
    check_null(tmp_path / "o" / "Café 100%", decoded(song))


def test_row_13_latin_1_tags_of_a_wav_keep_their_letters(
    tmp_path: Path, bandmate: Run, music: Music
) -> None:
    soundfile.write(tmp_path / "song.wav", music[0][:20_000], music[1], subtype="PCM_16")
    text = "Café Müller “Live”".encode("cp1252") + b"\0"
    text += b"\0" * (len(text) % 2)
    info = b"INFO" + b"IART" + struct.pack("<I", len(text)) + text
    content = (tmp_path / "song.wav").read_bytes() + b"LIST" + struct.pack("<I", len(info)) + info
    content = content[:4] + struct.pack("<I", len(content) - 8) + content[8:]
    (tmp_path / "song.wav").write_bytes(content)
    ran = bandmate("batch", "song.wav", "--out", "o", "--model", "fake", "--jobs", "1")
    assert ran.status == 0, ran
    tags = mutagen.File(tmp_path / "o" / "song" / "bass.wav").tags
    assert tags["TPE1"].text == ["Café Müller “Live”"]


@pytest.mark.parametrize("peak", [3e38, 1e30, np.nan, np.inf])
def test_row_14_absurd_samples_are_refused_in_a_line(
    peak: float, tmp_path: Path, separate: Run, music: Music
) -> None:
    audio = music[0][:20_000].copy()
    audio[7_000] = peak
    soundfile.write(tmp_path / "song.wav", audio, music[1], subtype="FLOAT")
    separate("song.wav").failed_with(1, "song.wav", "samples")
    assert not (tmp_path / "stems" / "song").exists()
