from __future__ import annotations

import numpy as np
import pytest

from bandmate_training.corpus import harmony, progressions
from bandmate_training.corpus.score import Clock


@pytest.mark.parametrize(
    ("numeral", "expected"),
    [
        ("I", (0, "maj", 0)),
        ("vi7", (9, "min7", 0)),
        ("bVIImaj7", (10, "maj7", 0)),
        ("iiø7", (2, "hdim7", 0)),
        ("#Io7", (1, "dim7", 0)),
        ("V7/3", (7, "7", 4)),
        ("i/5", (0, "min", 7)),
    ],
)
def test_numeral_gives_degree_quality_and_bass(
    numeral: str, expected: tuple[int, str, int]
) -> None:
    assert harmony.parse_roman(numeral) == expected


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("C:maj", (0, "maj", 0)),
        ("Bb:min7/b7", (10, "min7", 10)),
        ("F#:maj7/5", (6, "maj7", 7)),
        ("A:min/b3", (9, "min", 3)),
        ("G:sus4(b7)", (7, "sus4(b7)", 0)),
        ("N", None),
    ],
)
def test_pop909_symbol_gives_root_quality_and_bass(
    symbol: str, expected: tuple[int, str, int] | None
) -> None:
    assert harmony.parse_symbol(symbol) == expected


@pytest.mark.parametrize("text", ["", "H:maj", "C:nonsense", "C"])
def test_unknown_symbol_is_an_error_that_shows_it(text: str) -> None:
    with pytest.raises(ValueError, match="not a chord symbol"):
        harmony.parse_symbol(text)


def test_every_progression_can_be_laid_and_covers_its_bars() -> None:
    for rows in progressions.PROGRESSIONS.values():
        for numerals in rows:
            chords = progressions.lay(numerals, 3, 8.0, 8, 4, 1.0)
            assert chords[0].start == 8.0
            assert chords[-1].end == 40.0
            ends = [c.end for c in chords[:-1]]
            assert ends == [c.start for c in chords[1:]]


def test_walk_only_uses_chords_that_can_be_read() -> None:
    for seed in range(40):
        words = progressions.walk(np.random.default_rng(seed), seed % 2 == 0).split()
        assert [harmony.parse_roman(w) for w in words]


def test_transposing_moves_root_and_bass_alike() -> None:
    chord = harmony.make_chord(0, 4, 0, "7", 4)
    moved = harmony.transpose(chord, 5)
    assert (moved.root, moved.bass, moved.intervals) == (5, 9, chord.intervals)


def test_voicing_holds_chord_notes_and_stays_near_the_last() -> None:
    first = harmony.voice((0, 4, 7), [], 60, 4)
    second = harmony.voice((5, 9, 0), first, 60, 4)
    assert {p % 12 for p in second} == {5, 9, 0}
    assert abs(np.mean(second) - np.mean(first)) < 7
    assert second == sorted(second)


def test_key_of_a_plain_cadence_is_its_tonic() -> None:
    chords = progressions.lay("I IV V I vi ii V I", 9, 0.0, 8, 4, 1.0)
    assert harmony.find_key(chords).name == "A major"


def test_cut_leaves_no_gaps() -> None:
    key = harmony.make_key(0, "major")
    chords = [harmony.make_chord(4, 8, 0, "maj"), harmony.make_chord(10, 16, 7, "7")]
    rows = harmony.cut(chords, 2.0, 14.0, key)
    assert [(c.start, c.end) for c in rows] == [(2.0, 10), (10, 14.0)]


def test_swing_delays_offbeats_and_keeps_triplets() -> None:
    straight = Clock(np.linspace(0, 4, 9))
    swung = Clock(np.linspace(0, 4, 9), 0.65, 1.0, triplet=True)
    assert swung.at(1.5) == pytest.approx(0.5 + 0.65 * 0.5)
    assert swung.at(1 + 2 / 3) == pytest.approx(straight.at(1 + 2 / 3))
    assert swung.at(3.0) == straight.at(3.0)


def test_clock_goes_on_past_its_last_beat() -> None:
    assert Clock(np.linspace(0, 2, 5)).at(6.0) == pytest.approx(3.0)
