"""Beats out of onset times, and the MIDI file that is laid over them."""

from pathlib import Path

import mido
import numpy as np
import pytest

from bandmate_server.model.notes.midi import read_notes, write_notes
from bandmate_server.model.notes.tempo import FEWEST, USUAL, Pulse, find_pulse

SECONDS = 12.0


def onsets(tempo: float, first: float, seed: int) -> np.ndarray:
    """Eighths with a person's timing, beats louder, a third of them left out."""
    rng = np.random.default_rng(seed)
    places = np.arange(0, (SECONDS - first) * tempo / 60, 0.5)
    strength = np.where(places % 1 == 0, 1.0, 0.5)
    kept = rng.random(len(places)) < 0.7
    times = first + places * 60 / tempo + rng.normal(0, 0.008, len(places))
    return np.stack([times, strength], 1)[kept].astype(np.float32)


@pytest.mark.parametrize("tempo", [84.0, 93.5, 110.0, 128.0, 151.0])
@pytest.mark.parametrize("first", [0.0, 0.21])
def test_the_beats_of_a_steady_tempo_are_found(tempo: float, first: float) -> None:
    pulse = find_pulse(onsets(tempo, first, seed=1))
    beats = pulse.beats(SECONDS)
    assert pulse.tempo == pytest.approx(tempo, rel=0.005)
    assert np.diff(beats) == pytest.approx(60 / pulse.tempo)
    assert min(abs(np.array(beats) - first)) < 0.02
    assert beats[0] <= 1e-9
    assert beats[-1] >= SECONDS


def test_too_few_onsets_have_the_usual_tempo() -> None:
    few = np.ones((FEWEST - 1, 2), np.float32)
    assert find_pulse(few) == Pulse(USUAL, 0.0)


def test_a_beat_goes_on_before_and_after_what_was_played() -> None:
    assert Pulse(120.0, 0.2).beats(1.0) == pytest.approx([-0.3, 0.2, 0.7, 1.2])
    assert Pulse(120.0, 0.2).later(5.0).beats(0.1) == pytest.approx([-0.3, 0.2])


def test_a_file_over_found_beats_keeps_every_time(tmp_path: Path) -> None:
    rows = [(0.113, 0.5, 60, 90), (1.0, 1.25, 64, 20), (11.9, 12.0, 67, 127)]
    beats = find_pulse(onsets(93.5, 0.21, 2)).beats(SECONDS)
    write_notes(tmp_path / "part.mid", rows, "piano", beats)
    for found, row in zip(read_notes(tmp_path / "part.mid"), rows, strict=True):
        assert found[:2] == pytest.approx(row[:2], abs=0.002)
        assert found[2:] == row[2:]
    tempi = [m for m in mido.MidiFile(tmp_path / "part.mid").tracks[0] if m.type == "set_tempo"]
    assert mido.tempo2bpm(tempi[-1].tempo) == pytest.approx(93.5, rel=0.005)
