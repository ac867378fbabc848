"""A model of waves: a segment of a mixture in, the same segment of its stems out."""

from __future__ import annotations

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.segment_transform import analyse, synthesise
from bandmate_server.errors import BundleError
from bandmate_server.model.bundle import Bundle
from bandmate_server.model.graphs import SEPARATOR
from bandmate_server.model.opened_bundle import OpenedBundle
from bandmate_server.spec import WaveformSpec


class WaveformModel(OpenedBundle):
    """The network of a model of waves, opened at once."""

    spec: WaveformSpec

    def __init__(self, bundle: Bundle, device: str = "auto", threads: int | None = None):
        super().__init__(bundle, device, threads)
        assert isinstance(bundle.spec, WaveformSpec)
        self.spec = bundle.spec
        self._session(SEPARATOR)

    def separate(self, wave: FloatArray) -> FloatArray:
        """Return the waves (sources, C, N) of a segment (C, N) of a mixture, N = spec.segment.

        Raises:
            BundleError: if what the network gives is not finite.
            DeviceError: if it fails.
        """
        spec, feeds = self.spec, {}
        if spec.transform is not None:
            feeds["spectrum"] = analyse(wave, spec.transform)[None]
        if spec.wave:
            feeds["wave"] = np.ascontiguousarray(wave[None], np.float32)
        found = [output[0] for output in self._run(SEPARATOR, feeds)]
        if spec.transform is not None:
            found[0] = synthesise(found[0], spec.transform, spec.segment)
        stems: FloatArray = found[0] if len(found) == 1 else found[0] + found[1]
        if not np.isfinite(stems).all():
            file = self.bundle.files[SEPARATOR]
            raise BundleError(f"{file} gives numbers that are not finite: its weights are damaged")
        return stems
