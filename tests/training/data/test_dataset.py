"""Training examples: a pure function of seed and step, and sums that hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from bandmate_server.errors import CorpusError
from bandmate_server.spec import OTHER
from bandmate_training.data.augment import rms, source_length
from bandmate_training.data.dataset import SOURCES, Examples, Mixing, find_tracks

SAMPLES = 10_240
PLAIN = Mixing(remixed=0, foreign_other=0, dropped=0, changed_speed=0, gain_spread=0)


def examples(corpus: Path, seed: int = 0, mixing: Mixing | None = None) -> Examples:
    return Examples(find_tracks(corpus, "train", 2 * SAMPLES), 4, SAMPLES, seed, mixing)


def test_a_batch_depends_on_seed_and_step_only(corpus: Path) -> None:
    first, again = examples(corpus), examples(corpus)
    batches = [first[step] for step in range(3)]
    for step in (2, 0, 1):
        assert torch.equal(again[step], batches[step])
    assert not torch.equal(batches[0], batches[1])
    assert not torch.equal(examples(corpus, seed=1)[0], batches[0])


def test_batches_are_finite_and_neither_they_nor_their_mixtures_clip(corpus: Path) -> None:
    for step in range(8):
        batch = examples(corpus)[step]
        assert batch.shape == (4, len(SOURCES), SAMPLES)
        assert batch.dtype == torch.float32
        assert batch.isfinite().all()
        assert batch.abs().max() <= 0.9901
        assert batch.sum(1).abs().max() <= 0.9901


def test_mixtures_are_as_loud_as_asked_unless_they_would_clip(corpus: Path) -> None:
    low, high = Mixing().loudness
    for mixture in examples(corpus)[0].sum(1):
        level = 20 * np.log10(rms(mixture.numpy()))
        assert level <= high + 0.01
        assert level >= low - 0.01 or mixture.abs().max() > 0.9


def test_stems_of_one_song_keep_their_time_and_track(corpus: Path) -> None:
    tracks = [track for track in find_tracks(corpus, "train") if track.folder.name == "song1"]
    data = Examples(tracks, 8, SAMPLES, 0, PLAIN)
    song = np.concatenate([tracks[0].read("bass", 0, tracks[0].samples)])
    batch = data[0]
    assert (batch.square().mean(-1) > 0).all()  # song1 has all five sources
    assert song.std() > 0


def test_what_a_song_lacks_is_silent_unless_another_lends_it(corpus: Path) -> None:
    tracks = [track for track in find_tracks(corpus, "train") if track.folder.name == "song2"]
    batch = Examples(tracks, 8, SAMPLES, 0, PLAIN)[0]
    for source in ("piano", OTHER):
        assert batch[:, SOURCES.index(source)].abs().max() == 0


def test_dropped_stems_are_silent(corpus: Path) -> None:
    batch = examples(corpus, mixing=Mixing(dropped=1.0))[0]
    assert batch.abs().max() == 0


def test_reading_past_the_end_gives_zeros(corpus: Path) -> None:
    track = find_tracks(corpus, "train")[0]
    wave = track.read("bass", track.samples - 100, 300)
    assert wave.shape == (300,)
    assert np.abs(wave[:100]).max() > 0
    assert np.abs(wave[100:]).max() == 0


@pytest.mark.parametrize("speed", [0.88, 1.0, 1.12])
def test_source_length_is_enough_at_any_speed(speed: float) -> None:
    assert source_length(SAMPLES, speed) >= SAMPLES * speed


def test_a_corpus_that_is_missing_or_empty_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="bandmate-train corpus --out"):
        find_tracks(tmp_path, "train")


@pytest.mark.parametrize(("rate", "channels"), [(44100, 1), (16000, 2)])
def test_tracks_of_another_rate_or_in_stereo_are_refused(
    tmp_path: Path, rate: int, channels: int
) -> None:
    folder = tmp_path / "train" / "song"
    folder.mkdir(parents=True)
    sf.write(folder / "bass.wav", np.zeros((1000, channels)), rate)
    with pytest.raises(CorpusError, match=f"16000 Hz and 1 channel, got {rate} Hz and {channels}"):
        find_tracks(tmp_path, "train")


def test_a_file_that_is_not_audio_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "train" / "song"
    folder.mkdir(parents=True)
    (folder / "bass.wav").write_text("hello")
    with pytest.raises(CorpusError, match=r"bass\.wav is not audio"):
        find_tracks(tmp_path, "train")


def test_tracks_that_are_too_short_are_left_out(corpus: Path) -> None:
    assert len(find_tracks(corpus, "train", 5 * 16000)) == 3
    with pytest.raises(CorpusError):
        find_tracks(corpus, "train", 5 * 16000 + 1)
