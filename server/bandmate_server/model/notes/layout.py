"""Which cell of a note latent means what.

A source's latent (C, T, F) has two planes over 100 cells. Plane 0 holds onsets: 88 pitches,
then 12 pieces of a drum kit. Plane 1 holds the same pitches' sustain, then 12 values of timbre;
that of drums, which have no sustain, says in its first cells when in its frame each piece is
struck. A mixture's latent is laid out alike, so that one encoder serves stems and mixtures. Each
stem uses some of the cells only; `packed_cells` lists them, for networks that want no others.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from bandmate_server.spec import STEMS

ONSET, SUSTAIN = 0, 1  # planes
LOWEST, PITCHES = 21, 88  # MIDI number of the first pitch cell, and how many there are
TIMBRE = 12  # values in plane 1, behind the pitches
SCALE = 3.0  # of heights, so that a note stands out of noise of deviation one
DRUMS = "drums"
RANGES = {"bass": (23, 62), "guitar": (36, 91), "piano": (21, 100)}  # MIDI, both ends included

# Each piece of the kit: the key that plays it, then the General MIDI keys that count as it.
PIECES: dict[str, tuple[int, ...]] = {
    "kick": (36, 35),
    "snare": (38, 40),
    "sidestick": (37, 31, 32, 33, 34, 56, 67, 68, 75, 76, 77),
    "clap": (39,),
    "closed hat": (42, 69, 70, 73, 74, 82),
    "pedal hat": (44, 54, 71, 72, 80),
    "open hat": (46, 78, 79),
    "low tom": (43, 41, 45, 64, 66),
    "mid tom": (47, 61, 62, 63, 65),
    "high tom": (50, 48, 60),
    "crash": (49, 52, 55, 57),
    "ride": (51, 53, 59, 81),
}
CELLS = PITCHES + len(PIECES)
SOFTEST = 0.3  # height of the softest onset; the loudest is 1
EARLIEST = 0.3  # least value of the moment of a stroke in its frame, at its end; 1 is at its start
STRIKE = 0.1  # seconds, nominal length of a drum stroke
Notes = npt.NDArray[np.float32]  # (n, 4): start and end in seconds, MIDI pitch, velocity 1..127
PIECE_OF_KEY = {key: piece for piece, keys in enumerate(PIECES.values()) for key in keys}
KEY_OF_PIECE = tuple(keys[0] for keys in PIECES.values())


@cache
def cells_of(stem: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the planes and cells (two arrays of one length) of a stem's notes, onsets first."""
    if stem == DRUMS:
        pieces = np.arange(len(PIECES))
        return np.repeat([ONSET, SUSTAIN], len(pieces)), np.concatenate([PITCHES + pieces, pieces])
    low, high = RANGES[stem]
    cells = np.arange(low - LOWEST, high - LOWEST + 1)
    planes = np.repeat([ONSET, SUSTAIN], len(cells))
    return planes, np.concatenate([cells, cells])


@cache
def packed_cells() -> npt.NDArray[np.int64]:
    """Return where each packed value lies in a frame's latents (S, C, F), flattened.

    The notes of all stems in their order, then the timbres of all stems.
    """
    planes = len((ONSET, SUSTAIN))
    rows = [
        (stem * planes + plane) * CELLS + cell
        for stem, name in enumerate(STEMS)
        for plane, cell in [cells_of(name)]
    ]
    timbres = [
        (stem * planes + SUSTAIN) * CELLS + np.arange(PITCHES, CELLS) for stem in range(len(STEMS))
    ]
    return np.concatenate(rows + timbres)


@cache
def packed_stems() -> npt.NDArray[np.int64]:
    """Return which stem each packed value belongs to."""
    return packed_cells() // (2 * CELLS)


def note_count() -> int:
    """Return how many of the packed values are of notes: the first ones."""
    return len(packed_cells()) - len(STEMS) * TIMBRE


@cache
def cell_kinds() -> npt.NDArray[np.int64]:
    """Return the kind of each packed value of notes.

    0 is an onset of a key, 1 of a drum, 2 sustain, 3 the moment of a stroke.
    """
    count = note_count()
    drums = packed_stems()[:count] == STEMS.index(DRUMS)
    sustain = packed_cells()[:count] // CELLS % 2 == SUSTAIN
    return np.asarray(2 * sustain + drums, np.int64)


@cache
def onset_cells() -> npt.NDArray[np.float32]:
    """Return 1 for each packed value of notes that is an onset, 0 for sustain."""
    planes = packed_cells()[: note_count()] // CELLS % 2
    return np.asarray(planes == ONSET, np.float32)
