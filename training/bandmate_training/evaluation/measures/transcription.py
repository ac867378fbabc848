"""What another transcriber takes a wave's notes to be: Basic Pitch, from its PyPI wheel.

`pip install --no-deps basic-pitch==0.4.0` brings the network as an ONNX file of 230 KB (Apache
licence 2.0); the packages that it asks for are not needed.

Source: Bittner et al. 2022 (a lightweight instrument-agnostic model for polyphonic note
transcription and multipitch estimation).
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from bandmate_server.errors import SettingsError
from bandmate_server.model.devices import CPU
from bandmate_server.model.graphs import open_session
from bandmate_server.spec import MEL

FloatArray = npt.NDArray[np.float32]

INSTALL = "pip install --no-deps basic-pitch==0.4.0"
FILE = Path("saved_models") / "icassp_2022" / "nmp.onnx"
SHA256 = "2c3c1d144bfa61ad236e92e169c13535c880469a12a047d4e73451f2c059a0ec"
RATE, HOP, WINDOW = 22_050, 256, 43_844  # Hz, samples, samples
MARGIN = 15  # frames at both ends of a window that are left to its neighbours
ONSET, SOUNDING = 0.5, 0.3  # least strengths
SHORTEST = 6  # frames that a note sounds
_INPUT = "serving_default_input_2:0"
_NOTE, _ONSET = "StatefulPartitionedCall:1", "StatefulPartitionedCall:2"


@dataclass(frozen=True)
class NoteFigures:
    """How much is played: notes a second, their mean length in seconds, how many at once.

    Silence has no length (nan) and nothing at once (0).
    """

    rate: float
    length: float
    at_once: float


def find_network() -> Path | None:
    """Return the network's file in the installed wheel; None if it is not there."""
    spec = importlib.util.find_spec("basic_pitch")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations))) / FILE
    return path if path.is_file() else None


class BasicPitch:
    """The network, for inference on one thread."""

    def __init__(self) -> None:
        """Open the network.

        Raises:
            SettingsError: if it is not installed, or another file.
        """
        path = find_network()
        if path is None:
            raise SettingsError(f"Basic Pitch is not installed: {INSTALL}")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != SHA256:
            raise SettingsError(f"{path} is another network (sha256 {found}): {INSTALL}")
        self._session: Any = open_session(path, (CPU,), 1)

    def activations(self, wave: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return how strongly the 88 keys sound, and begin (frames, 88), of a wave (N,).

        The wave is at MEL.sample_rate; a frame has HOP / RATE seconds.
        """
        own = np.asarray(soxr.resample(wave, MEL.sample_rate, RATE), np.float32)
        step = WINDOW - 2 * MARGIN * HOP
        count = max(1, -(-len(own) // step))
        padded = np.pad(own, (MARGIN * HOP, count * step + WINDOW - len(own)))
        windows = np.stack([padded[k * step : k * step + WINDOW] for k in range(count)])
        found = self._session.run([_NOTE, _ONSET], {_INPUT: windows[..., None]})
        kept = step // HOP
        parts = [part[:, MARGIN : MARGIN + kept].reshape(-1, part.shape[-1]) for part in found]
        frames = -(-len(own) // HOP)
        return parts[0][:frames], parts[1][:frames]

    def figures(self, wave: FloatArray) -> NoteFigures:
        """Return how much is played in a wave (N,) at MEL.sample_rate."""
        return figures_of(*self.activations(wave), HOP / RATE)


def figures_of(sounding: FloatArray, beginning: FloatArray, frame: float) -> NoteFigures:
    """Return figures of keys' strengths (frames, keys), `frame` seconds each."""
    before = np.pad(beginning, ((1, 0), (0, 0)))[:-1]
    after = np.pad(beginning, ((0, 1), (0, 0)))[1:]
    held = sounding > SOUNDING
    lasting = np.lib.stride_tricks.sliding_window_view(
        np.pad(held, ((0, SHORTEST - 1), (0, 0))), SHORTEST, axis=0
    ).all(axis=-1)
    starts = (beginning > ONSET) & (beginning >= before) & (beginning > after) & lasting
    notes, busy = int(starts.sum()), held.any(axis=1)
    return NoteFigures(
        notes / (len(sounding) * frame),
        float(held.sum() * frame / notes) if notes else float("nan"),
        float(held.sum() / max(int(busy.sum()), 1)),
    )
