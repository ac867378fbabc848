"""Notes as MIDI files."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest

from bandmate_server.errors import CorpusError
from bandmate_server.model.notes.midi import write_notes
from bandmate_training.corpus.note_files import read_notes

ROWS = [(0.05, 0.5, 60, 90), (0.5, 0.9, 60, 100), (3.21, 4.0, 67, 1), (9.0, 30.0, 40, 127)]
BEATS = [0.05, 0.55, 1.05, 1.6, 2.2, 2.7]


@pytest.mark.parametrize("source", ["bass", "drums", "other"])
def test_notes_are_read_as_they_were_written(tmp_path: Path, source: str) -> None:
    path = tmp_path / "a.mid"
    write_notes(path, ROWS, source, BEATS)
    found = read_notes(path)
    np.testing.assert_allclose([row[:2] for row in found], [row[:2] for row in ROWS], atol=0.001)
    assert [row[2:] for row in found] == [row[2:] for row in ROWS]


def test_another_reader_finds_notes_tempo_and_channel(tmp_path: Path) -> None:
    path = tmp_path / "drums.mid"
    write_notes(path, [(1.05, 1.1, 36, 99)], "drums", BEATS)
    file = mido.MidiFile(path)
    now = 0.0
    for message in file:
        now += message.time
        if message.type == "note_on":
            assert (message.channel, message.note, message.velocity) == (9, 36, 99)
            assert now == pytest.approx(1.05, abs=0.001)
    tempi = [m.tempo for m in file.tracks[0] if m.type == "set_tempo"]
    assert round(60e6 / tempi[0]) == 120 and len(tempi) > 1


def test_notes_fall_on_the_beats_of_the_song(tmp_path: Path) -> None:
    path = tmp_path / "bass.mid"
    write_notes(path, [(beat, beat + 0.2, 40, 90) for beat in BEATS], "bass", BEATS)
    now, starts = 0, []
    for message in mido.MidiFile(path).tracks[0]:
        now += message.time
        if message.type == "note_on":
            starts.append(now)
    assert np.abs(np.diff(starts) - 960).max() <= 1


def test_a_part_without_notes_is_an_empty_file(tmp_path: Path) -> None:
    write_notes(tmp_path / "a.mid", [], "piano", BEATS)
    assert read_notes(tmp_path / "a.mid") == []


def test_what_is_no_midi_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "odd.mid").write_bytes(b"RIFF")
    with pytest.raises(CorpusError, match=r"odd\.mid"):
        read_notes(tmp_path / "odd.mid")
