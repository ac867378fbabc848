"""Notes to planes and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmate_server.model.notes import layout, reading
from bandmate_server.model.notes.layout import Notes
from bandmate_server.spec import STEMS
from bandmate_training.notes import grid
from bandmate_training.notes.songs import as_notes

FRAMES = 100
SECONDS = FRAMES * grid.FRAME


@st.composite
def separate_notes(draw: st.DrawFn) -> Notes:
    """Notes of which those of one pitch are at least four frames apart, inside the window."""
    rows = []
    for pitch in draw(st.lists(st.integers(40, 90), max_size=6, unique=True)):
        now = draw(st.floats(0.05, 0.5))
        while now < SECONDS - 0.5:
            length = draw(st.floats(0.06, 1.0))
            end = min(now + length, SECONDS - 0.05)
            rows.append((now, end, pitch, draw(st.integers(1, 127))))
            now = end + draw(st.floats(0.16, 1.0))
    return as_notes(sorted(rows))


@given(separate_notes())
def test_notes_come_back_from_their_planes(notes: Notes) -> None:
    found = reading.notes_of(grid.planes(notes, FRAMES, "piano"), "piano", grid.FRAME)
    order = np.lexsort((found[:, 0], found[:, 2]))
    expected = notes[np.lexsort((notes[:, 0], notes[:, 2]))]
    np.testing.assert_allclose(found[order][:, 0], expected[:, 0], atol=1e-3)
    np.testing.assert_allclose(found[order][:, 1], expected[:, 1], atol=grid.FRAME)
    np.testing.assert_array_equal(found[order][:, 2], expected[:, 2])
    np.testing.assert_allclose(found[order][:, 3], expected[:, 3], atol=0.1)


@given(separate_notes(), st.sampled_from(["other", *STEMS]))
def test_planes_lie_between_0_and_1_in_the_cells_of_notes(notes: Notes, source: str) -> None:
    latent = grid.planes(notes, FRAMES, source)
    assert latent.shape == (2, FRAMES, layout.CELLS)
    assert latent.min() >= 0 and latent.max() <= 1
    assert not latent[layout.SUSTAIN, :, layout.PITCHES :].any()  # timbre is not known


@given(separate_notes(), st.sampled_from(["bass", "guitar", "piano"]))
def test_folded_pitches_are_in_range_and_of_the_same_class(notes: Notes, stem: str) -> None:
    moved = grid.folded(notes, stem)
    low, high = layout.RANGES[stem]
    assert ((moved[:, 2] >= low) & (moved[:, 2] <= high)).all()
    np.testing.assert_array_equal(moved[:, 2] % 12, notes[:, 2] % 12)


@pytest.mark.parametrize("heard", [False, True])
def test_every_piece_of_the_kit_comes_back_as_its_own_key(heard: bool) -> None:
    rows = [(0.2 + 1.01 * k, 0.3 + k, key, 100) for k, key in enumerate(layout.KEY_OF_PIECE[:3])]
    notes = as_notes([(a, b, key, loud) for a, b, key, loud in rows])
    found = reading.notes_of(grid.planes(notes, FRAMES, "drums", heard), "drums", grid.FRAME)
    np.testing.assert_array_equal(found[:, 2], layout.KEY_OF_PIECE[:3])
    np.testing.assert_allclose(found[:, 0], notes[:, 0], atol=1e-3)
    np.testing.assert_allclose(found[:, 3], notes[:, 3], atol=0.1)


def test_a_key_struck_again_ends_the_note_before() -> None:
    notes = as_notes([(0.4, 0.796, 60, 90), (0.8, 1.2, 60, 90)])
    found = reading.notes_of(grid.planes(notes, FRAMES, "piano"), "piano", grid.FRAME)
    assert len(found) == 2
    np.testing.assert_allclose(found[:, :2], notes[:, :2], atol=grid.FRAME / 2)


def test_a_window_keeps_what_sounds_in_it_in_its_own_time() -> None:
    notes = as_notes([(0.0, 1.0, 60, 90), (2.0, 4.0, 62, 90), (9.0, 9.5, 64, 90)])
    found = grid.window(notes, start=3.0, seconds=2.0, speed=2.0, shift=1)
    np.testing.assert_allclose(found, [[-0.5, 0.5, 63, 90]])


def test_keys_that_are_no_piece_of_the_kit_are_left_out() -> None:
    assert not grid.planes(as_notes([(0.2, 0.3, 100, 90)]), FRAMES, "drums").any()


@pytest.mark.parametrize("stem", STEMS)
def test_packed_cells_of_a_stem_hold_all_of_its_notes(stem: str) -> None:
    low, high = layout.RANGES.get(stem, (36, 50))
    keys = layout.KEY_OF_PIECE if stem == "drums" else range(low, high + 1)
    notes = as_notes([(0.5, 1.0, key, 100) for key in keys])
    latent = grid.planes(notes, FRAMES, stem)
    planes, cells = layout.cells_of(stem)
    inside = latent[planes, :, cells]
    assert inside.sum() == pytest.approx(float(latent.sum()))
    assert (inside.sum(1) > 0).all()


def test_packed_cells_are_distinct_and_end_with_the_timbres() -> None:
    cells = layout.packed_cells()
    assert len(set(cells.tolist())) == len(cells)
    assert len(cells) - layout.note_count() == len(STEMS) * layout.TIMBRE
    assert (layout.packed_stems()[layout.note_count() :] == np.repeat(range(4), 12)).all()
