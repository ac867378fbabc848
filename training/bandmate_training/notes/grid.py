"""Notes to planes of onsets and sustain; `bandmate_server.model.notes.reading` goes back.

Times are in seconds from the beginning of the planes; a frame is FRAME long. An onset's height
is its velocity. Sustain is the share of the frame in which the note sounds, so that an onset's
first frame says when in it the note begins; a drum's stroke has a value for that. As they are
heard, strokes are shared by two frames instead: a mixture has no cells for their moments.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandmate_server.model.notes.layout import (
    CELLS,
    DRUMS,
    EARLIEST,
    LOWEST,
    ONSET,
    PIECE_OF_KEY,
    PITCHES,
    RANGES,
    SOFTEST,
    SUSTAIN,
    Notes,
)
from bandmate_server.spec import NOTES

FloatArray = npt.NDArray[np.float32]
FRAME = NOTES.latent_hop / NOTES.mel.sample_rate  # seconds
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


def planes(notes: Notes, frames: int, source: str, heard: bool = False) -> FloatArray:
    """Return the latent planes (2, frames, CELLS) of a source's notes, heights 0 to 1.

    Notes outside the window or the cells are left out. As they are played, or as the encoder
    is to hear them.
    """
    out = np.zeros((2, frames, CELLS), np.float32)
    drums = source == DRUMS
    keys = notes[:, 2].round().astype(int)
    cells = _piece_cells(keys) if drums else np.where(keys < LOWEST + PITCHES, keys - LOWEST, -1)
    kept = cells >= 0
    begin, end = notes[kept, 0] / FRAME, notes[kept, 1] / FRAME
    height = SOFTEST + (1 - SOFTEST) * notes[kept, 3] / 127
    if drums and heard:
        _share(out[ONSET], cells[kept], begin, height)
        return out
    first = np.floor(begin).astype(int)
    inside = (first >= 0) & (first < frames)
    struck, cell = first[inside], cells[kept][inside]
    np.maximum.at(out[ONSET], (struck, cell), height[inside])
    if drums:
        moment = 1 - (1 - EARLIEST) * (begin[inside] - struck)
        np.maximum.at(out[SUSTAIN], (struck, cell - PITCHES), moment)
    else:
        _hold(out[SUSTAIN], cells[kept], begin, end)
    return out


def _piece_cells(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    pieces = _PIECES[np.clip(keys, 0, 127)]
    return np.where(pieces >= 0, pieces + PITCHES, -1)


def _share(
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
