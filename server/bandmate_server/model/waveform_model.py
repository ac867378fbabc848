"""A model of waves: a segment of a mixture in, the same segment of its stems out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.segment_transform import analyse, synthesise
from bandmate_server.errors import BundleError
from bandmate_server.model.bundle import Bundle
from bandmate_server.model.graphs import graph_names
from bandmate_server.model.opened_bundle import OpenedBundle
from bandmate_server.spec import WaveformSpec


class WaveformModel(OpenedBundle):
    """A model of waves. A network is opened at once; those of single sources when they are used."""

    spec: WaveformSpec
    gives_back = True

    def __init__(self, bundle: Bundle, device: str = "auto", threads: int | None = None):
        super().__init__(bundle, device, threads)
        assert isinstance(bundle.spec, WaveformSpec)
        self.spec = bundle.spec
        if not self.spec.apart:
            self._session(*graph_names(self.spec))

    def separate(self, wave: FloatArray, wanted: Sequence[int] | None = None) -> FloatArray:
        """Return the waves (wanted, C, N) of a segment (C, N) of a mixture, N = spec.segment.

        Args:
            wave: the segment.
            wanted: which of the spec's sources; None: all.

        Raises:
            BundleError: if what a network gives is not finite.
            DeviceError: if it fails.
        """
        spec, feeds = self.spec, {}
        rows = range(len(spec.sources)) if wanted is None else wanted
        if spec.transform is not None:
            feeds["spectrum"] = analyse(wave, spec.transform)[None]
        if spec.wave:
            feeds["wave"] = np.ascontiguousarray(wave[None], np.float32)
        names = graph_names(spec)
        if not spec.apart:
            return self._stems(names[0], feeds, rows)
        return np.concatenate([self._stems(names[row], feeds, [0]) for row in rows])

    def _stems(self, graph: str, feeds: dict[str, FloatArray], rows: Sequence[int]) -> FloatArray:
        """Return some outputs (rows, C, N) of a graph as waves."""
        spec = self.spec
        found = [output[0, list(rows)] for output in self._run(graph, feeds)]
        if spec.transform is not None:
            found[0] = synthesise(found[0], spec.transform, spec.segment)
        stems: FloatArray = found[0] if len(found) == 1 else found[0] + found[1]
        if not np.isfinite(stems).all():
            file = self.bundle.files[graph]
            raise BundleError(f"{file} gives numbers that are not finite: its weights are damaged")
        return stems
