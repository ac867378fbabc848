"""What every separation is: a region, stems by name, and blocks that are streamed from the source.

Each kind of model has a subclass of its own, a row of `separators.SEPARATORS`.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.level import SignalLevel, measure_level
from bandmate_server.audio.sources import Source, read_blocks
from bandmate_server.audio.windows import find_region
from bandmate_server.errors import SettingsError
from bandmate_server.model.opened_bundle import OpenedBundle
from bandmate_server.progress import Monitor
from bandmate_server.settings import SeparateSettings, check_stems
from bandmate_server.spec import OTHER

Blocks = Iterator[tuple[FloatArray, FloatArray]]  # (audio (n, channels), stems (S, n, channels))
M = TypeVar("M", bound=OpenedBundle)


class Separation(ABC, Generic[M]):
    """One separation with everything decided; `blocks` does the work.

    wanted: which of the model's stems are wanted.
    stem_names: theirs, and `other`, which is what they leave.
    region: of the source, in its frames; it is all that is written.
    rate, channels: of the source.
    timings: seconds that stages took, when the blocks are done.
    level: of the audio that the model sees, from the first block on.

    Args:
        model: of the subclass' kind.
        source: the audio.
        settings: checked.
        monitor: called with the stages "read" and "separate".

    Raises:
        RegionError: if start and end do not fit.
        SettingsError: if a stem is unknown, or the model cannot do what is asked.
    """

    def __init__(self, model: M, source: Source, settings: SeparateSettings, monitor: Monitor):
        self.model, self.source, self.settings, self.monitor = model, source, settings, monitor
        stems = model.spec.stems
        self.wanted = check_stems(settings.stems, stems, OTHER)
        self.stem_names = (*(stems[index] for index in self.wanted), OTHER)
        self.region = find_region(settings.start, settings.end, source.rate, source.frames)
        self.written, self.rate, self.channels = self.region, source.rate, source.channels
        self.timings: dict[str, float] = {}
        self.level = SignalLevel(0.0, 0.0)
        self._ort_before = model.ort_seconds

    @abstractmethod
    def separated(self) -> Blocks:
        """Yield the original and the wanted stems of audio that is not silent."""

    @property
    def seen(self) -> tuple[int, int]:
        """The first frame of the source that the model sees, and the one after the last."""
        return self.region.start, self.region.stop

    @property
    def warnings(self) -> list[str]:
        """What the user should know of the result."""
        return []

    def describe(self) -> dict[str, Any]:
        """Return what the manifest says of how the model was used, once the blocks are done."""
        return {}

    def refuse(self, *names: str) -> None:
        """Refuse settings that mean nothing to this kind of model.

        Raises:
            SettingsError: naming one that is there.
        """
        for name in names:
            value = getattr(self.settings, name)
            if value is not None:
                title = self.model.bundle.name
                raise SettingsError(f"{name} is {value}: {title} has none, leave it out")

    @classmethod
    def uses_seed(cls, model: M, settings: SeparateSettings) -> bool:
        """Whether another seed makes other stems."""
        return False

    def blocks(self) -> Blocks:
        """Yield the original and the wanted stems, block by block, from start to end."""
        began = time.perf_counter()
        self.level = self._listen()
        self.timings["read"] = time.perf_counter() - began
        began = time.perf_counter()
        yield from self._silence() if self.level.peak == 0.0 else self.separated()
        self.timings["separate"] = time.perf_counter() - began
        self.timings["onnxruntime"] = self.model.ort_seconds - self._ort_before

    def _listen(self) -> SignalLevel:
        """Measure the audio that the model will see; all of it must be finite."""
        first, stop = self.seen

        def watched() -> Iterator[FloatArray]:
            done = 0
            for block in read_blocks(self.source, first, stop):
                done += len(block)
                self.monitor.report("read", done / (stop - first))
                yield block

        return measure_level(watched(), self.source.rate, self.source.name)

    def _silence(self) -> Blocks:
        for block in read_blocks(self.source, self.region.start, self.region.stop):
            yield block, np.zeros((len(self.wanted), *block.shape), np.float32)
