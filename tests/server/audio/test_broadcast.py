"""The broadcast extension of WAV files, and the time of day that they do without."""

import struct
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bandmate_server import separate_file
from bandmate_server.audio.broadcast import Broadcast
from bandmate_server.audio.sources import FileSource
from bandmate_server.model.model import Model
from bandmate_server.options import BitDepth
from bandmate_server.results import stem_file
from bandmate_server.results.stem_file import StemFile
from bandmate_server.settings import SeparateSettings

RATE = 48_000
PLACE = 20 * 3_600 * RATE  # frames; more than 32 bits hold


def extension(place: int = PLACE) -> Broadcast:
    raw = bytearray(864)
    raw[:5], raw[320:338] = b"Scene", b"2026-11-2210:00:00"
    struct.pack_into("<Q", raw, 340, place)
    return Broadcast(bytes(raw))


def write(path: Path, bits: BitDepth, broadcast: Broadcast | None, frames: int = 1_000) -> None:
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, (frames, 2)).astype(np.float32)
    file = StemFile(path, RATE, 2, frames, "wav", bits, broadcast)
    file.write(audio)
    file.close()


def place_of(path: Path) -> int | None:
    with FileSource(path) as source:
        return None if source.broadcast is None else source.broadcast.time_reference


@pytest.mark.parametrize("bits", ["16", "24", "32f"])
@pytest.mark.parametrize("limit", [4_000_000_000, 100], ids=["WAV", "RF64"])
def test_the_place_on_the_timeline_comes_back_from_every_kind_of_wav(
    tmp_path: Path, bits: BitDepth, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stem_file, "WAV_LIMIT", limit)
    path = tmp_path / "a.wav"
    write(path, bits, extension().moved(77))
    assert soundfile.info(path).format == ("WAV" if limit > 100 else "RF64")
    assert place_of(path) == PLACE + 77
    content = path.read_bytes()
    assert content.index(b"bext") < content.index(b"data")


def test_a_plain_wav_has_no_place(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", "24", None)
    assert place_of(tmp_path / "a.wav") is None


def test_stems_of_a_region_lie_where_the_region_lies(model: Model, tmp_path: Path) -> None:
    write(tmp_path / "a.wav", "24", extension(), frames=RATE)
    settings = SeparateSettings(start=0.25)
    result = separate_file(model, tmp_path / "a.wav", tmp_path / "out", settings=settings)
    for path in result.stems.values():
        assert place_of(path) == PLACE + RATE // 4


@pytest.mark.parametrize("limit", [4_000_000_000, 100], ids=["WAV", "RF64"])
@pytest.mark.parametrize("broadcast", [None, extension()])
def test_equal_audio_is_equal_bytes_at_another_time(
    tmp_path: Path, broadcast: Broadcast | None, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stem_file, "WAV_LIMIT", limit)
    for name in ("a.wav", "b.wav"):
        write(tmp_path / name, "32f", broadcast)
        time.sleep(1.1)  # libsndfile's clock has whole seconds
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
