"""Inputs as other programs leave them, made of a few seconds of our own clip."""

from pathlib import Path

import pytest
import soundfile

from bandmate_server.audio.arrays import FloatArray

CLIP = Path(__file__).parents[3] / "examples" / "late-bus.flac"


@pytest.fixture(scope="session")
def music() -> tuple[FloatArray, int]:
    """Return eleven seconds of a band (frames, 2), and their rate."""
    audio, rate = soundfile.read(CLIP, 11 * 44_100, dtype="float32", always_2d=True)
    return audio, rate


@pytest.fixture
def mp3(tmp_path: Path, music: tuple[FloatArray, int]) -> Path:
    """Return an MP3 of variable bit rate with a right Xing header."""
    soundfile.write(tmp_path / "whole.mp3", *music, format="MP3")
    return tmp_path / "whole.mp3"
