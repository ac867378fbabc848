"""Songs as notes: composed, written, read, drawn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bandmate_server.errors import CorpusError
from bandmate_server.model.notes.layout import CELLS
from bandmate_training.corpus.build import Job, Sources
from bandmate_training.notes.data.dataset import NoteWindows
from bandmate_training.notes.data.degrade import degrade
from bandmate_training.notes.songs import (
    SOURCES,
    NoteSong,
    load_songs,
    play_song,
    read_songs,
    shard_path,
    write_songs,
)

OWN = Sources(None, mma=False, simutrans=False)


@pytest.fixture(scope="module")
def songs() -> list[NoteSong]:
    return [play_song(Job(1, "train", index), OWN) for index in range(3)]


def same(one: NoteSong, other: NoteSong) -> bool:
    return all(np.array_equal(one.notes[s], other.notes[s]) for s in SOURCES)


def test_a_job_decides_every_note(songs: list[NoteSong]) -> None:
    assert same(play_song(Job(1, "train", 1), OWN), songs[1])
    assert not same(songs[0], songs[1])


def test_songs_are_read_as_they_were_written(songs: list[NoteSong], tmp_path: Path) -> None:
    write_songs(shard_path(tmp_path, "train", 0), songs[:2])
    write_songs(shard_path(tmp_path, "train", 1), songs[2:])
    found = load_songs(tmp_path, "train")
    assert len(found) == 3
    assert all(same(a, b) for a, b in zip(found, songs, strict=True))
    assert [song.seconds for song in found] == pytest.approx([song.seconds for song in songs])
    assert len(load_songs(tmp_path, "train", most=2)) == 2


def test_a_damaged_shard_and_an_empty_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="bandmate-train notes"):
        load_songs(tmp_path, "train")
    path = shard_path(tmp_path, "train", 0)
    path.write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(CorpusError, match=path.name):
        read_songs(path)


def test_a_batch_is_a_function_of_seed_and_step(songs: list[NoteSong]) -> None:
    first, again = (NoteWindows(songs, 2, 64, seed=3)[5] for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, NoteWindows(songs, 2, 64, seed=3)[6])
    assert not torch.equal(first, NoteWindows(songs, 2, 64, seed=4)[5])
    assert first.shape == (2, 2, len(SOURCES), 2, 64, CELLS)


def test_windows_hold_notes_and_transcriptions_resemble_them(songs: list[NoteSong]) -> None:
    batch = NoteWindows(songs, 8, 256, seed=0)[0].float()
    played, transcribed = batch.unbind(1)
    assert played.sum() > 100
    assert not torch.equal(played, transcribed)
    overlap = torch.minimum(played, transcribed).sum() / played.sum()
    assert 0.6 < overlap < 1


def test_a_transcription_loses_and_adds_some_notes(songs: list[NoteSong]) -> None:
    notes = songs[0].notes["piano"]
    rng = np.random.default_rng(0)
    counts = [len(degrade(notes, "piano", rng)) / len(notes) for _ in range(60)]
    assert min(counts) < 0.97 < 1.0 < max(counts)
    assert min(counts) > 0.8 and max(counts) < 1.2
    for _ in range(20):
        assert (np.diff(degrade(notes, "piano", rng)[:, 0]) >= 0).all()
