from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from bandmate_training.corpus import arrange, bass, drums, form, guitar, lead, piano, progressions
from bandmate_training.corpus.harmony import make_key
from bandmate_training.corpus.score import Note, Phrase
from bandmate_training.corpus.styles import STYLES

Player = Callable[[Phrase, np.random.Generator], list[Note]]
RANGES = {"bass": (28, 55), "guitar": (40, 88), "piano": (21, 108)}
PITCHED = [
    pytest.param(stem, player, id=f"{stem}-{name}")
    for stem, module in (("bass", bass), ("guitar", guitar), ("piano", piano))
    for name, player in module.PLAYERS.items()
]


def phrase(numerals: str = "I vi7 ii7 V7/3", bar: int = 4, triplet: bool = False) -> Phrase:
    chords = tuple(progressions.lay(numerals, 4, 8.0, 8, bar, 1.0))
    kicks = tuple(8.0 + k for k in range(0, 8 * bar, 2))
    end = 8.0 + 8 * bar
    return Phrase(8.0, end, bar, chords, make_key(4, "major"), 0.7, triplet, kicks)


@pytest.mark.parametrize(("stem", "player"), PITCHED)
@pytest.mark.parametrize(("bar", "triplet"), [(4, False), (4, True), (3, False)])
def test_player_stays_in_range_and_in_the_phrase(
    stem: str, player: Player, bar: int, triplet: bool
) -> None:
    low, high = RANGES[stem]
    for seed in range(6):
        notes = player(phrase(bar=bar, triplet=triplet), np.random.default_rng(seed))
        assert notes
        assert all(low <= n.pitch <= high for n in notes)
        assert all(n.end > n.start and 1 <= n.velocity <= 127 for n in notes)
        assert all(8.0 - 1e-6 <= n.start < 8.0 + 8 * bar + 1e-6 for n in notes)


@pytest.mark.parametrize(("stem", "player"), PITCHED)
def test_player_repeats_itself_with_the_same_seed(stem: str, player: Player) -> None:
    first, again = (player(phrase(), np.random.default_rng(3)) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("name", sorted(bass.PLAYERS))
@pytest.mark.parametrize("numerals", ["I vi7 ii7 V7/3", "i7 iv7 bVImaj7 V7b9", "ii7-V7 I"])
def test_bass_plays_the_chords_bass_note_where_the_chord_begins(name: str, numerals: str) -> None:
    for seed in range(6):
        stretch = phrase(numerals)
        notes = bass.PLAYERS[name](stretch, np.random.default_rng(seed))
        for chord in stretch.chords:
            for note in notes:
                if abs(note.start - chord.start) < 1e-6:
                    assert note.pitch % 12 == chord.bass


@pytest.mark.parametrize("name", sorted(set(bass.PLAYERS) - {"boogie"}))
def test_bass_plays_chord_notes_on_strong_beats(name: str) -> None:
    for seed in range(6):
        stretch = phrase("I I vi vi IV IV V7 V7")
        for note in bass.PLAYERS[name](stretch, np.random.default_rng(seed)):
            if note.start % 2 == 0:
                chord = stretch.chord_at(note.start)
                assert note.pitch % 12 in {*chord.classes, chord.bass}


@pytest.mark.parametrize("style", STYLES, ids=[s.name for s in STYLES])
def test_drummer_plays_known_instruments_in_every_style(style: object) -> None:
    row = next(s for s in STYLES if s is style)
    stretch = phrase(bar=row.bar, triplet=row.triplet)
    for seed in range(4):
        notes = drums.groove(stretch, np.random.default_rng(seed), row.kit, drums.SNARE)
        assert notes
        assert all(35 <= n.pitch <= 81 for n in notes)
        assert all(n.start < stretch.end for n in notes)


def test_styles_name_players_that_exist() -> None:
    for style in STYLES:
        assert set(style.bass) <= set(bass.PLAYERS)
        assert set(style.guitar) <= set(guitar.PLAYERS)
        assert set(style.piano) <= set(piano.PLAYERS)
        assert style.kit.kicks in drums.KICKS
        assert style.kit.snares in drums.SNARES
        assert set(style.kit.cymbals) <= set(drums.CYMBALS)
        assert style.harmony in progressions.PROGRESSIONS


def test_drum_grids_have_a_bars_length() -> None:
    for table in (drums.KICKS, drums.SNARES, drums.CYMBALS):
        for grids in table.values():
            assert all(len(g) in (12, 16) and set(g) <= set("xXgo.") for g in grids)


def test_melody_sings_in_range_with_chord_notes_on_accents() -> None:
    span = lead.Range(60, 79)
    for seed in range(10):
        stretch = phrase()
        for note in lead.melody(stretch, np.random.default_rng(seed), span):
            assert span.low <= note.pitch <= span.high
            if note.start % 1 == 0:
                assert note.pitch % 12 in stretch.chord_at(note.start).classes


def test_single_voice_has_no_overlaps() -> None:
    notes = [Note(0, 3, 60, 80), Note(1, 2, 64, 80), Note(1, 2, 67, 80), Note(2.5, 4, 62, 80)]
    line = lead.single(notes)
    assert [n.pitch for n in line] == [60, 67, 62]
    assert all(a.end <= b.start for a, b in pairwise(line))


def test_bends_stay_within_the_wheels_range() -> None:
    notes = [Note(k, k + 0.95, 60 + k, 90) for k in range(0, 12, 1)]
    bends = lead.expression(notes, np.random.default_rng(0), 0.8)
    assert bends
    assert all(-2 <= b.semitones <= 2 for b in bends)


def test_some_stem_plays_in_every_section_and_stems_rest() -> None:
    rests = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        skeleton = form.own_skeleton(rng, form.draw_style(rng), 60.0)
        playing = arrange.active_sections(rng, skeleton, ("bass", "drums", "guitar", "piano"))
        everything = set(range(len(skeleton.sections)))
        assert set.union(*playing.values()) == everything
        rests += sum(len(rows) < len(everything) for rows in playing.values())
    assert rests > 30


def test_form_covers_the_song_without_gaps_at_about_the_wanted_length() -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        skeleton = form.own_skeleton(rng, form.draw_style(rng), 80.0)
        joins = pairwise(skeleton.sections)
        assert all(a.end == b.start for a, b in joins)
        assert 50 < skeleton.clock.at(skeleton.end) < 170
