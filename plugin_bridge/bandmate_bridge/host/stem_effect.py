"""The model as an effect: audio in, one stem of it out, in pedalboard's shapes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bandmate_server import separate
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.errors import SettingsError
from bandmate_server.model.opening import AnyModel
from bandmate_server.settings import SeparateSettings
from bandmate_server.spec import OTHER


class StemEffect:
    """Takes one stem out of whatever it is given; beside pedalboard's effects in a script.

        for effect in (StemEffect(model, "guitar"), pedalboard.Reverb()):
            audio = effect.process(audio, sample_rate)

    Args:
        model: from `open_model`.
        stem: one of the model's, or `other`.
        settings: steps, render and so on; which stems plays no part.

    Raises:
        SettingsError: if the model does not know the stem.
    """

    def __init__(self, model: AnyModel, stem: str, settings: SeparateSettings | None = None):
        known = (*model.spec.stems, OTHER)
        if stem not in known:
            raise SettingsError(f"unknown stem {stem!r}: this model knows {', '.join(known)}")
        self.model, self.stem = model, stem
        self._settings = replace(
            settings or SeparateSettings(), stems=None if stem == OTHER else (stem,)
        )

    def process(
        self, input_array: FloatArray, sample_rate: float, buffer_size: int = 0, reset: bool = True
    ) -> FloatArray:
        """Return the stem, shaped like the audio.

        Args:
            input_array: (channels, frames) or (frames,); (frames, channels) is recognised, as
                pedalboard does, by having more rows than columns.
            sample_rate: Hz, a whole number.
            buffer_size: takes no part; pedalboard's effects have it.
            reset: must be true: the model takes all of the audio at once.

        Raises:
            ValueError: if `reset` is false.
            AudioError: if the audio is not of a kind that the engine takes.
        """
        if not reset:
            raise ValueError("the model takes all of the audio at once: reset=False is not for it")
        audio = np.asarray(input_array)
        turned = audio.ndim == 2 and audio.shape[0] <= audio.shape[1]
        frames_first = audio.T if turned else audio
        rate, settings = round(sample_rate), self._settings
        stem = separate(self.model, frames_first, sample_rate=rate, settings=settings)[self.stem]
        return np.ascontiguousarray(stem.T) if turned else stem

    __call__ = process
