"""Notes to planes of onsets and sustain, and back: pure functions.

Times are in seconds from the beginning of the planes; a frame is FRAME long. An onset's height
is its velocity; it is shared by two frames so that the time between them is kept. Sustain is
the share of the frame in which the note sounds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandmate_server.spec import NOTES
from bandmate_training.notes.layout import (
    CELLS,
    DRUMS,
    KEY_OF_PIECE,
    LOWEST,
    ONSET,
    PIECE_OF_KEY,
    PITCHES,
    RANGES,
    SUSTAIN,
)
from bandmate_training.notes.songs import Notes

FloatArray = npt.NDArray[np.float32]
FRAME = NOTES.latent_hop / NOTES.mel.sample_rate  # seconds
SOFTEST = 0.3  # height of the softest onset; the loudest is 1
STRIKE = 0.1  # seconds, nominal length of a drum stroke
_GAP = 0.1  # frames between a note and the next of its key
_PIECES = np.array([PIECE_OF_KEY.get(key, -1) for key in range(128)])


def window(notes: Notes, start: float, seconds: float, speed: float = 1.0, shift: int = 0) -> Notes:
    """Return the notes that sound in a window, times from its start.

    Args:
        notes: (n, 4).
        start: of the window in the notes' own time, may be negative.
        seconds: length of the window.
        speed: how much faster the notes are played.
        shift: semitones up; 0 for drums.
    """
    moved = notes.copy()
    moved[:, :2] = (notes[:, :2] - np.float32(start)) / np.float32(speed)
    moved[:, 2] += shift
    return moved[(moved[:, 1] > 0) & (moved[:, 0] < seconds)]


def folded(notes: Notes, stem: str) -> Notes:
    """Return notes whose pitches are moved by octaves into the stem's range."""
    low, high = RANGES.get(stem, (LOWEST, LOWEST + PITCHES - 1))
    out, pitch = notes.copy(), notes[:, 2]
    pitch = pitch + 12 * np.ceil(np.maximum(low - pitch, 0) / 12)
    out[:, 2] = pitch - 12 * np.ceil(np.maximum(pitch - high, 0) / 12)
    return out


def planes(notes: Notes, frames: int, source: str) -> FloatArray:
    """Return the latent planes (2, frames, CELLS) of a source's notes, heights 0 to 1.

    Notes outside the window or the cells are left out.
    """
    out = np.zeros((2, frames, CELLS), np.float32)
    drums = source == DRUMS
    keys = notes[:, 2].round().astype(int)
    cells = _piece_cells(keys) if drums else np.where(keys < LOWEST + PITCHES, keys - LOWEST, -1)
    kept = cells >= 0
    begin, end = notes[kept, 0] / FRAME, notes[kept, 1] / FRAME
    height = SOFTEST + (1 - SOFTEST) * notes[kept, 3] / 127
    _strike(out[ONSET], cells[kept], begin, height)
    if not drums:
        _hold(out[SUSTAIN], cells[kept], begin, end)
    return out


def _piece_cells(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    pieces = _PIECES[np.clip(keys, 0, 127)]
    return np.where(pieces >= 0, pieces + PITCHES, -1)


def _strike(
    plane: FloatArray, cells: npt.NDArray[np.int64], begin: FloatArray, height: FloatArray
) -> None:
    """Put onsets at fractional frames into a plane (T, F)."""
    first = np.floor(begin).astype(int)
    late = begin - first
    for frame, share in ((first, 1 - late), (first + 1, late)):
        inside = (frame >= 0) & (frame < len(plane))
        np.maximum.at(plane, (frame[inside], cells[inside]), (height * share)[inside])


def _hold(
    plane: FloatArray, cells: npt.NDArray[np.int64], begin: FloatArray, end: FloatArray
) -> None:
    """Put the shares of frames that notes cover into a plane (T, F)."""
    first = np.maximum(np.floor(begin).astype(int), 0)
    last = np.minimum(np.ceil(end).astype(int), len(plane))
    count = np.maximum(last - first, 0)
    which = np.repeat(np.arange(len(cells)), count)
    frame = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count) + first[which]
    share = np.minimum(frame + 1, end[which]) - np.maximum(frame, begin[which])
    np.maximum.at(plane, (frame, cells[which]), share.astype(np.float32))


def notes_of(latent: FloatArray, source: str, onset: float = 0.25, sustain: float = 0.3) -> Notes:
    """Return the notes (n, 4) of planes (2, T, CELLS), ordered by start.

    Args:
        latent: heights about 0 to 1, as sampled or transcribed.
        source: a stem, or what else has pitches.
        onset: least height of an onset, its two frames together.
        sustain: least share of a frame in which a note goes on.
    """
    drums = source == DRUMS
    cells = slice(PITCHES, CELLS) if drums else slice(0, PITCHES)
    peaks, mass = _peaks(np.maximum(latent[ONSET, :, cells], 0), onset)
    frame, cell = np.nonzero(peaks)
    second = np.maximum(np.pad(latent[ONSET, :, cells], ((0, 1), (0, 0)))[frame + 1, cell], 0)
    total = mass[frame, cell]
    begin = (frame + second / total).astype(np.float32)
    loud = np.clip((total - SOFTEST) / (1 - SOFTEST) * 127, 1, 127)
    if drums:
        keys = np.asarray(KEY_OF_PIECE)[cell]
        end = begin + STRIKE / FRAME
    else:
        keys = cell + LOWEST
        end = _ends(latent[SUSTAIN, :, cells], peaks, frame, cell, begin, sustain)
    found = np.stack([begin * FRAME, end * FRAME, keys, loud], 1).astype(np.float32)
    return found[np.lexsort((found[:, 2], found[:, 0]))]


def _peaks(plane: FloatArray, least: float) -> tuple[npt.NDArray[np.bool_], FloatArray]:
    """Return where pairs of frames hold an onset (T, F), and the pairs' heights."""
    padded = np.pad(plane, ((1, 2), (0, 0)))
    pairs = padded[:-1] + padded[1:]
    mass = pairs[1:-1]
    return (mass > least) & (mass >= pairs[2:]) & (mass > pairs[:-2]), mass


def _ends(
    plane: FloatArray,
    peaks: npt.NDArray[np.bool_],
    frame: npt.NDArray[np.int64],
    cell: npt.NDArray[np.int64],
    begin: npt.NDArray[np.float32],
    least: float,
) -> npt.NDArray[np.float64]:
    """Return where each note ends, in frames: its sustain's end, or the same key's next onset."""
    length = len(plane)
    starts = np.zeros(peaks.shape)
    starts[frame, cell] = begin
    ends = np.zeros(len(frame))
    for index, (first, key) in enumerate(zip(frame, cell, strict=True)):
        start, stop = float(begin[index]), first + 1
        while stop < length and plane[stop, key] > least and not peaks[stop, key]:
            stop += 1
        held = float(np.clip(plane[stop - 1, key], 0.25, 1.0))
        reach = start + held if stop - 1 == first else stop - 1 + held
        if stop < length and peaks[stop, key] and plane[stop - 1, key] > least:
            reach = float(starts[stop, key]) - _GAP
        ends[index] = max(reach, start + 0.25)
    return ends
