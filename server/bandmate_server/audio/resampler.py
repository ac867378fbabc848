"""Zero-phase resampling in a stream, with the exact number of frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import soxr

from bandmate_server.audio.arrays import FloatArray

RESAMPLE_QUALITY = "HQ"  # soxr: linear phase, 100 dB


class Resampler:
    """Streaming conversion of the rate: no delay, linear phase, frame 0 stays frame 0.

    Args:
        rate_in: Hz.
        rate_out: Hz.
        channels: samples per frame.
    """

    def __init__(self, rate_in: int, rate_out: int, channels: int):
        self._stream = (
            None
            if rate_in == rate_out
            else soxr.ResampleStream(
                rate_in, rate_out, channels, dtype="float32", quality=RESAMPLE_QUALITY
            )
        )

    def push(self, block: FloatArray, last: bool = False) -> FloatArray:
        """Return the frames (n, channels) that `block` completes; `last` flushes the rest."""
        if self._stream is None:
            return block
        out: FloatArray = self._stream.resample_chunk(np.ascontiguousarray(block), last=last)
        return out


def resample_stream(
    pieces: Iterable[FloatArray], rate_in: int, rate_out: int, width: int, lead: int = 0
) -> Iterator[FloatArray]:
    """Yield a stream of pieces (n, width) at another rate.

    Args:
        pieces: in their order.
        rate_in: Hz.
        rate_out: Hz.
        width: values of a frame.
        lead: silent frames at the first rate that come before the pieces.
    """
    resampler = Resampler(rate_in, rate_out, width)
    yield resampler.push(np.zeros((lead, width), np.float32))
    for piece in pieces:
        yield resampler.push(piece)
    yield resampler.push(np.zeros((0, width), np.float32), last=True)
