"""Which draft of a part is kept."""

import numpy as np
import pytest

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.parts.ranking import ContextScorer, chroma
from bandmate_server.spec import MEL

SECONDS = 8
C, F_SHARP = (261.6, 329.6, 392.0), (370.0, 466.2, 554.4)


def chords(notes: tuple[tuple[float, ...], ...], beat: float = 0.5, seed: int = 0) -> FloatArray:
    """Return decaying chords, two seconds each, struck every `beat` seconds."""
    time = np.arange(SECONDS * MEL.sample_rate) / MEL.sample_rate
    wave = np.zeros(len(time))
    for index, chord in enumerate(notes):
        inside = (time // 2).astype(int) % len(notes) == index
        wave += inside * sum(np.sin(2 * np.pi * f * time + seed) for f in chord)
    return (0.1 * wave * np.exp(-5 * (time % beat))).astype(np.float32)


def beats(period: float, late: float = 0.0) -> FloatArray:
    time = np.arange(SECONDS * MEL.sample_rate) / MEL.sample_rate
    noise = np.random.default_rng(0).standard_normal(len(time))
    return (0.2 * noise * np.exp(-60 * ((time - late) % period))).astype(np.float32)


def test_the_part_in_the_key_of_the_song_agrees_best() -> None:
    song = ContextScorer({"piano": chords((C, F_SHARP)), "drums": beats(0.5)}, MEL.sample_rate)
    octave_up = tuple(tuple(2 * f for f in chord) for chord in (C, F_SHARP))
    right, exchanged = (chords(c, seed=1) for c in (octave_up, octave_up[::-1]))
    assert song.score("guitar", right) > song.score("guitar", exchanged) + 0.5


def test_drums_agree_by_the_beat_alone() -> None:
    song = ContextScorer({"piano": chords((C, F_SHARP)), "bass": chords((C,))}, MEL.sample_rate)
    on, off = (song.score("drums", beats(0.5, late)) for late in (0.0, 0.25))
    assert on > off + 0.3


def test_a_pitched_part_needs_no_drums_to_have_a_beat() -> None:
    song = ContextScorer({"drums": beats(0.5)}, MEL.sample_rate)
    on = song.score("bass", chords((C,), 0.5))
    off = song.score("bass", chords((C,), 0.37))
    assert on > off


@pytest.mark.parametrize("stem", ["bass", "drums"])
def test_silence_agrees_with_nothing(stem: str) -> None:
    silent = np.zeros(SECONDS * MEL.sample_rate, np.float32)
    assert ContextScorer({"piano": chords((C,))}, MEL.sample_rate).score(stem, silent) == 0
    assert ContextScorer({"piano": silent}, MEL.sample_rate).score(stem, chords((C,))) == 0


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_pitch_classes_are_those_of_the_waves_rate(rate: int) -> None:
    tone = np.sin(2 * np.pi * 440.0 * np.arange(2 * rate) / rate).astype(np.float32)
    assert int(chroma(tone, rate).mean(axis=0).argmax()) == 9
