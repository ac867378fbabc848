"""A region in the given audio's frames and in the model's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.resampler import Resampler
from bandmate_server.audio.windows import FrameReader, Layout, Region
from bandmate_server.spec import ModelSpec


class Timeline:
    """A region of a session, and waves at the model's rate that begin at model time 0.

    rate: the model's, Hz.
    span: the region, in samples at that rate.

    Args:
        region: in the session's frames.
        layout: of the windows around it.
        session_rate: Hz.
        spec: of the model.
    """

    def __init__(self, region: Region, layout: Layout, session_rate: int, spec: ModelSpec):
        self.rate = spec.mel.sample_rate
        ends = (region.start - layout.origin, region.stop - layout.origin)
        self.span = slice(*(round(end * self.rate / session_rate) for end in ends))
        self.lead = layout.starts[0] * spec.latent_hop  # samples before the first window
        self._region, self._before = region, ends[0]
        self._session_rate = session_rate

    @property
    def first_window(self) -> float:
        """When the first window begins, in seconds from the region's start on; mostly below 0."""
        return float(self.lead - self.span.start) / self.rate

    @property
    def seconds(self) -> float:
        """Length of the region, in whole samples at the model's rate."""
        return float(self.span.stop - self.span.start) / self.rate

    def region_at_session_rate(self, wave: FloatArray) -> FloatArray:
        """Return the region's frames (frames,) of a wave (n,)."""
        resampler = Resampler(self.rate, self._session_rate, 1)

        def pieces() -> Iterator[FloatArray]:
            yield resampler.push(wave.astype(np.float32, copy=False)[:, None], last=True)

        tape = FrameReader(pieces(), 1)
        tape.take(self._before)
        return tape.take(self._region.frames)[:, 0]
