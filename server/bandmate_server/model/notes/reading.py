"""Planes of onsets and sustain to notes: pure functions.

An onset's height is its velocity. Sustain is the share of the frame in which the note sounds, so
that an onset's first frame says when in it the note begins. A drum's stroke has a value for that;
where it has none, as in what the encoder hears, it is shared by two frames so that the time
between them is kept.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.model.notes.layout import (
    CELLS,
    DRUMS,
    EARLIEST,
    KEY_OF_PIECE,
    LOWEST,
    ONSET,
    PIECES,
    PITCHES,
    SOFTEST,
    STRIKE,
    SUSTAIN,
    Notes,
)

_AUDIBLE = 0.1  # height of an onset that counts for the beat
_GAP = 0.1  # frames between a note and the next of its key


def notes_of(
    latent: FloatArray,
    source: str,
    frame_seconds: float,
    *,
    onset: float = 0.25,
    sustain: float = 0.3,
) -> Notes:
    """Return the notes (n, 4) of planes (2, T, CELLS), ordered by start.

    Args:
        latent: heights about 0 to 1, as sampled or transcribed.
        source: a stem, or what else has pitches.
        frame_seconds: length of a frame.
        onset: least height of an onset, its two frames together.
        sustain: least share of a frame in which a note goes on.
    """
    drums = source == DRUMS
    cells = slice(PITCHES, CELLS) if drums else slice(0, PITCHES)
    onsets = np.maximum(latent[ONSET, :, cells], 0)
    peaks, mass = _peaks(onsets, onset)
    frame, cell = np.nonzero(peaks)
    total = mass[frame, cell]
    late = np.pad(onsets, ((0, 1), (0, 0)))[frame + 1, cell] / total
    loud = np.clip((total - SOFTEST) / (1 - SOFTEST) * 127, 1, 127)
    struck = np.minimum(frame + (late > 0.5), len(onsets) - 1)
    if drums:
        keys = np.asarray(KEY_OF_PIECE)[cell]
        moment = latent[SUSTAIN, :, : len(PIECES)][struck, cell]
        told = struck + np.clip((1 - moment) / (1 - EARLIEST), 0, 1)
        begin = np.where(moment > EARLIEST / 2, told, frame + late).astype(np.float32)
        end = begin + STRIKE / frame_seconds
    else:
        keys = cell + LOWEST
        frame, held = struck, latent[SUSTAIN, :, cells]
        begin = (frame + 1 - np.clip(held[frame, cell], 0, 1)).astype(np.float32)
        end = _ends(held, frame, cell, begin, sustain)
    found = np.stack([begin * frame_seconds, end * frame_seconds, keys, loud], 1).astype(np.float32)
    return found[np.lexsort((found[:, 2], found[:, 0]))]


def onsets_of(latents: FloatArray, frame_seconds: float) -> FloatArray:
    """Return times and heights (n, 2) of all onsets in planes (S, 2, T, CELLS)."""
    onsets = np.maximum(latents[:, ONSET], 0)
    stem, frame, cell = np.nonzero(onsets > _AUDIBLE)
    return np.stack([frame * frame_seconds, onsets[stem, frame, cell]], 1).astype(np.float32)


def _peaks(plane: FloatArray, least: float) -> tuple[npt.NDArray[np.bool_], FloatArray]:
    """Return where pairs of frames hold an onset (T, F), and the pairs' heights."""
    padded = np.pad(plane, ((1, 2), (0, 0)))
    pairs = padded[:-1] + padded[1:]
    mass = pairs[1:-1]
    return (mass > least) & (mass >= pairs[2:]) & (mass > pairs[:-2]), mass


def _ends(
    plane: FloatArray,
    frame: npt.NDArray[np.int64],
    cell: npt.NDArray[np.int64],
    begin: npt.NDArray[np.float32],
    least: float,
) -> npt.NDArray[np.float64]:
    """Return where each note ends, in frames: its sustain's end, or the same key's next onset."""
    length = len(plane)
    starts = np.full(plane.shape, np.nan)
    starts[frame, cell] = begin
    ends = np.zeros(len(frame))
    for index, (first, key) in enumerate(zip(frame, cell, strict=True)):
        start, stop = float(begin[index]), first + 1
        while stop < length and plane[stop, key] > least and np.isnan(starts[stop, key]):
            stop += 1
        held = float(np.clip(plane[stop - 1, key], 0.25, 1.0))
        reach = start + held if stop - 1 == first else stop - 1 + held
        if stop < length and not np.isnan(starts[stop, key]) and plane[stop - 1, key] > least:
            reach = float(starts[stop, key]) - _GAP
        ends[index] = max(reach, start + 0.25)
    return ends
