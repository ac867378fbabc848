"""Harmony and rhythm of parts and contexts, and the ranks made of them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from bandmate_training.evaluation.measures.chroma import chroma
from bandmate_training.evaluation.measures.context_fit import (
    agreements,
    chroma_profile,
    onset_profile,
    percentile_ranks,
    strangers,
)
from bandmate_training.evaluation.measures.onsets import (
    Attacks,
    chance_on_grid,
    grid_lines,
    onset_times,
    share_on_grid,
    song_grid,
)

FloatArray = npt.NDArray[np.float32]
RATE = 16_000
C, E, G = 0, 4, 7


def note(midi: float, seconds: float, overtones: int = 5) -> FloatArray:
    t = np.arange(int(seconds * RATE)) / RATE
    f = 440 * 2 ** ((midi - 69) / 12)
    wave = sum(np.sin(2 * np.pi * f * k * t) / k for k in range(1, overtones + 1))
    return np.asarray(0.1 * wave, np.float32)


def clicks(times: npt.ArrayLike, seconds: float, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    wave = np.zeros(int(seconds * RATE), np.float32)
    for time in np.asarray(times):
        at = round(float(time) * RATE)
        burst = rng.standard_normal(800) * np.exp(-np.arange(800) / 150)
        wave[at : at + 800] += (0.3 * burst[: len(wave) - at]).astype(np.float32)
    return wave


@pytest.mark.parametrize("midi", [28, 40, 60, 76])
def test_a_note_is_heard_as_its_pitch_class_in_any_octave(midi: int) -> None:
    found = chroma(note(midi, 1.5))
    assert found.shape == (12, 12)
    assert (found[2:-2].argmax(axis=1) == midi % 12).all()


def test_a_chord_has_its_three_classes_and_noise_has_none() -> None:
    found = chroma(sum((note(60 + k, 1.5) for k in (C, E, G)), np.zeros(24_000, np.float32)))
    assert set(np.argsort(found[6])[-3:]) == {C, E, G}
    assert not chroma(np.zeros(RATE, np.float32)).any()


def test_parts_agree_with_the_harmony_they_were_played_to() -> None:
    melody = [60, 65, 67, 62]
    bass = np.concatenate([note(m - 24, 1.0) for m in melody])
    own = np.concatenate([note(m, 1.0) + note(m + 7, 1.0) for m in melody])
    late = np.roll(own, RATE)
    scores = agreements(
        [chroma_profile(chroma(bass))], [chroma_profile(chroma(x)) for x in (own, late)]
    )
    assert scores[0, 0] > scores[0, 1] + 0.3


def test_onsets_are_found_within_a_hundredth_of_a_second() -> None:
    times = np.array([0.31, 0.8, 1.0, 1.25, 1.9])
    found = onset_times(Attacks().envelope(clicks(times, 2.5)))
    np.testing.assert_allclose(found, times, rtol=0, atol=0.012)
    assert not len(onset_times(Attacks().envelope(np.zeros(RATE, np.float32))))


def test_attacks_that_coincide_agree_and_shifted_ones_do_not() -> None:
    features = Attacks()
    beats = np.arange(0.25, 4, 0.5)
    profiles = [
        onset_profile(features.envelope(clicks(beats + shift, 4.5, seed)))
        for shift, seed in ((0, 0), (0, 1), (0.25, 2))
    ]
    together, apart = agreements(profiles[:1], profiles[1:])[0]
    assert together > 0.8
    assert apart < 0


def test_own_context_ranks_first_random_parts_rank_at_chance_and_ties_count_half() -> None:
    songs = [f"song {i}" for i in range(40)]
    assert percentile_ranks(np.eye(40), range(40), songs).tolist() == [100.0] * 40
    assert percentile_ranks(np.zeros((40, 40)), range(40), songs).tolist() == [50.0] * 40
    random = np.random.default_rng(0).standard_normal((2000, 40))
    ranks = percentile_ranks(random, [i % 40 for i in range(2000)], songs)
    assert abs(ranks.mean() - 50) < 2


def test_contexts_of_the_same_song_are_no_rivals() -> None:
    scores = np.array([[0.5, 0.9, 0.1], [0.0, 0.0, 0.0]])
    ranks = percentile_ranks(scores, [0, 2], ["a", "a", "b"])
    assert ranks.tolist() == [100.0, 50.0]
    assert math.isnan(percentile_ranks(scores[:, :2], [0, 1], ["a", "a"])[0])


def test_shuffled_contexts_bring_perfect_parts_down_to_chance() -> None:
    songs = [f"song {i}" for i in range(200)]
    rng = np.random.default_rng(1)
    contexts = rng.standard_normal((200, 30))
    scores = agreements(list(contexts + 0.1 * rng.standard_normal((200, 30))), list(contexts))
    assert percentile_ranks(scores, range(200), songs).mean() > 99
    false = strangers(songs, 0)
    assert all(own != other for own, other in enumerate(false))
    assert abs(percentile_ranks(scores, false, songs).mean() - 50) < 6


def test_share_on_the_grid_counts_onsets_near_its_lines() -> None:
    lines = grid_lines([0.0, 0.5, 1.0, 1.6], 2)
    np.testing.assert_allclose(lines, [0, 0.25, 0.5, 0.75, 1.0, 1.3, 1.6])
    assert share_on_grid(np.array([0.03, 0.26, 0.4, 1.3]), lines) == 0.75
    assert math.isnan(share_on_grid(np.array([5.0]), lines))
    assert chance_on_grid(grid_lines([0.0, 0.5, 1.0], 2)) == pytest.approx(0.32)


@pytest.mark.parametrize(("within", "division"), [(0.25, 4), (0.5, 4), (1 / 3, 3), (2 / 3, 3)])
def test_a_song_s_grid_is_the_one_its_drums_keep_to(within: float, division: int) -> None:
    beats = [float(beat) for beat in range(6)]
    times = np.array([[beat, beat + within] for beat in beats[:-1]]).ravel()
    np.testing.assert_allclose(song_grid(beats, times), grid_lines(beats, division))
