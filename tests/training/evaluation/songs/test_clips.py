"""Which clips are chosen, and what is read of them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from bandmate_server.errors import CorpusError
from bandmate_server.spec import STEMS
from bandmate_training.evaluation.songs import clips
from bandmate_training.evaluation.songs.estimates import read_estimates


def choose(corpus: Path, count: int = 100, seed: int = 0, seconds: float = 1.0) -> list[clips.Clip]:
    return clips.choose_clips(clips.find_folders(corpus, "validation"), count, seconds, seed)


def test_choice_depends_on_the_seed_only(corpus: Path) -> None:
    assert choose(corpus, 5) == choose(corpus, 5)
    assert choose(corpus, 9) != choose(corpus, 9, seed=1)


def test_more_clips_begin_with_the_same_ones(corpus: Path) -> None:
    assert choose(corpus, 7)[:4] == choose(corpus, 4)


def test_every_track_comes_before_any_comes_twice_and_none_overlap(corpus: Path) -> None:
    chosen = choose(corpus)
    assert len(chosen) == 3 * clips.PER_TRACK
    assert len({clip.track for clip in chosen[:3]}) == 3
    assert len({(clip.track, clip.start // clip.frames) for clip in chosen}) == len(chosen)


def test_sources_sum_to_the_mixture_and_missing_ones_are_silent(corpus: Path) -> None:
    for clip in choose(corpus):
        song = clips.read_song(clip)
        total = np.sum(list(song.sources.values()), axis=0)
        np.testing.assert_allclose(total, song.mixture, atol=1e-6)
        assert song.scale == 1.0
        assert song.active("piano") is (clip.track != "song2")


def test_mono_sources_are_placed_to_the_sides_at_equal_power(corpus: Path) -> None:
    folders = clips.find_folders(corpus, "validation")
    for pan in (0.5, 1.0):
        for clip in clips.choose_clips(folders, 3, 1.0, 0, pan):
            song, middle = clips.read_song(clip), clips.read_song(replace(clip, pan=0.0))
            assert song.mixture.shape == (clip.frames, 2)
            np.testing.assert_allclose(sum(song.sources.values()), song.mixture, atol=1e-6)
            for stem in STEMS:
                powers = np.square(song.sources[stem]).mean(axis=0)
                alone = np.square(middle.sources[stem]).mean()
                assert powers.mean() == pytest.approx(alone, rel=1e-3)
                if stem in ("bass", "drums") and alone > 0:
                    assert powers.max() < 1.6 * powers.min()
    guitars = [
        np.square(clips.read_song(c).sources["guitar"]).mean(axis=0)
        for c in clips.choose_clips(folders, 3, 1.0, 0, 1.0)
    ]
    assert len({guitar[0] > guitar[1] for guitar in guitars}) == 2


def test_rooms_add_what_comes_from_other_sides_and_still_sum(corpus: Path) -> None:
    folders = clips.find_folders(corpus, "validation")
    for clip in clips.choose_clips(folders, 3, 1.0, 0, 1.0, 0.5):
        song, dry = clips.read_song(clip), clips.read_song(replace(clip, room=0.0))
        np.testing.assert_allclose(sum(song.sources.values()), song.mixture, atol=1e-6)
        assert song.mixture.shape == dry.mixture.shape
        for stem in STEMS:
            left, right = dry.sources[stem].T
            if np.abs(left).max() > 0:
                assert np.corrcoef(left, right)[0, 1] > 0.9999
                assert np.corrcoef(*song.sources[stem].T)[0, 1] < 0.999


def test_loud_sources_are_scaled_together_so_that_their_sum_does_not_clip(tmp_path: Path) -> None:
    folder = tmp_path / "validation" / "loud"
    folder.mkdir(parents=True)
    for stem in STEMS:
        sf.write(folder / f"{stem}.wav", np.full(16000, 0.5), 16000, subtype="FLOAT")
    song = clips.read_song(choose(tmp_path)[0])
    assert np.abs(song.mixture).max() == pytest.approx(0.99, abs=1e-5)
    assert song.sources["bass"][0, 0] == pytest.approx(0.99 / 4, abs=1e-5)


def test_only_stretches_in_which_two_sources_sound_are_chosen(tmp_path: Path) -> None:
    folder = tmp_path / "validation" / "late"
    folder.mkdir(parents=True)
    for name, begin in (("bass", 1), ("other", 3)):  # seconds; both sound in the fourth only
        wave = np.zeros(5 * 8000, np.float32)
        wave[begin * 8000 : 4 * 8000] = 0.1
        sf.write(folder / f"{name}.wav", wave, 8000)
    assert [clip.start for clip in choose(tmp_path)] == [3 * 8000]


def test_estimates_at_another_rate_and_in_mono_are_brought_to_the_clip(
    tmp_path: Path, corpus: Path
) -> None:
    clip = choose(corpus, seconds=2.0)[0]
    song = clips.read_song(clip)
    (tmp_path / clip.track).mkdir()
    for stem in STEMS:
        t = np.arange(5 * 48000) / 48000
        sf.write(tmp_path / clip.track / f"{stem}.wav", 0.1 * np.sin(2 * np.pi * 100 * t), 48000)
    found = read_estimates(tmp_path, clip, song)
    t = (clip.start + np.arange(clip.frames)) / clip.rate
    middle = slice(500, -500)
    expected = 0.1 * np.sin(2 * np.pi * 100 * t)[middle, None]
    np.testing.assert_allclose(found["bass"][middle], expected, atol=1e-3)


def test_no_folder_no_tracks_and_short_tracks_are_told_apart(tmp_path: Path, corpus: Path) -> None:
    with pytest.raises(CorpusError, match="no folder"):
        clips.find_folders(tmp_path, "validation")
    (tmp_path / "validation").mkdir()
    with pytest.raises(CorpusError, match="no tracks"):
        clips.find_folders(tmp_path, "validation")
    with pytest.raises(CorpusError, match=r"has 60\.0 s in which two sources sound"):
        choose(corpus, seconds=60.0)


@pytest.mark.parametrize("damage", ["missing", "short", "not audio"])
def test_damaged_estimates_are_named(tmp_path: Path, corpus: Path, damage: str) -> None:
    clip = choose(corpus, seconds=2.0)[0]
    shutil.copytree(corpus / "validation", tmp_path / "theirs")
    path = tmp_path / "theirs" / clip.track / "drums.wav"
    path.unlink()
    if damage == "short":
        sf.write(path, np.zeros(1000), 16000)
    if damage == "not audio":
        path.write_text("hello")
    with pytest.raises(CorpusError, match=r"drums\.wav"):
        read_estimates(tmp_path / "theirs", clip, clips.read_song(clip))


def test_a_track_with_two_rates_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "validation" / "mixed"
    folder.mkdir(parents=True)
    sf.write(folder / "bass.wav", np.full(32000, 0.1), 16000)
    sf.write(folder / "drums.wav", np.full(32000, 0.1), 8000)
    with pytest.raises(CorpusError, match=r"drums\.wav: expected 16000 Hz"):
        choose(tmp_path)
