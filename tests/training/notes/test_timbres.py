"""Songs with timbres: measured, stored, drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bandmate_server.model.notes import layout
from bandmate_server.spec import NOTES, STEMS
from bandmate_training.notes.config import NoteDecoderConfig
from bandmate_training.notes.data import timbres
from bandmate_training.notes.data.dataset import NoteWindows, timbre_at
from bandmate_training.notes.data.pairs import find_noted_tracks
from bandmate_training.notes.networks.sound import Timbre
from bandmate_training.notes.songs import NoteSong, read_songs, write_songs


@pytest.fixture(scope="module")
def songs(noted: Path) -> list[NoteSong]:
    torch.manual_seed(0)
    timbre = Timbre(NOTES, NoteDecoderConfig(32, 1, 32, 1, 2, 16)).eval()
    return list(timbres.with_timbres(find_noted_tracks(noted, "train", 1.0), timbre))


def test_every_stem_that_plays_has_a_code_a_second(songs: list[NoteSong]) -> None:
    assert set(songs[0].timbres) == set(STEMS)
    assert songs[0].timbres["bass"].shape == (7, layout.TIMBRE)  # six seconds, filled up


def test_timbres_are_stored_with_their_songs(songs: list[NoteSong], tmp_path: Path) -> None:
    bare = NoteSong(songs[0].seconds, songs[0].notes)
    partly = NoteSong(songs[0].seconds, songs[0].notes, {"guitar": songs[0].timbres["guitar"]})
    write_songs(tmp_path / "a.npz", [songs[0], bare, partly])
    found = read_songs(tmp_path / "a.npz")
    assert [list(song.timbres) for song in found] == [list(STEMS), [], ["guitar"]]
    for stem in STEMS:
        np.testing.assert_allclose(found[0].timbres[stem], songs[0].timbres[stem], atol=2e-3)


def test_codes_are_interpolated_and_held_at_both_ends() -> None:
    codes = np.arange(3, dtype=np.float32)[:, None].repeat(layout.TIMBRE, 1)
    found = timbre_at(codes, -1.0, 125, 1.0)[:, 0]
    assert found[0] == 0 and found[-1] == 2
    assert found[37] == pytest.approx(37 * 0.04 - 1)
    assert timbre_at(codes, 0.0, 26, 2.0)[25, 0] == 2


def test_windows_hold_timbres_for_stems_alone(songs: list[NoteSong]) -> None:
    batch = NoteWindows(songs, 2, 32, seed=0)[0].float()
    codes = batch[..., layout.SUSTAIN, :, layout.PITCHES :]
    assert codes[:, :, : len(STEMS)].any() and not codes[:, :, len(STEMS) :].any()
    assert not torch.equal(codes[:, 0], codes[:, 1])  # a transcriber is not exact


def test_rendered_songs_are_drawn_often_however_few_they_are(songs: list[NoteSong]) -> None:
    bare = [NoteSong(song.seconds, song.notes) for song in songs] * 50
    batch = NoteWindows([*bare, songs[0]], 40, 8, seed=0)[0].float()
    codes = batch[:, 0, :, layout.SUSTAIN, :, layout.PITCHES :].flatten(1).any(1)
    assert 0.15 < float(codes.float().mean()) < 0.45
