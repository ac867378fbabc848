"""FluidSynth by ctypes: fonts and samples stay loaded in a worker.

A process start, a sample load or an sf3 decompression costs more than rendering a part;
one `Fluid` per worker pays each of them once.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bandmate_server.errors import CorpusError

RATE = 32_000  # Hz: straight 16 kHz loses 1.2 dB on drums
BLOCK = 64  # samples that FluidSynth renders at once; events fall on its edges
INSTALL = (
    "apt-get install fluidsynth fluid-soundfont-gm musescore-general-soundfont timgm6mb-soundfont "
    "timidity freepats mma simutrans-data"
)

Event = tuple[int, int, int, int]  # sample, kind (0 note off, 1 bend, 2 note on), value, velocity
_P, _I = ctypes.c_void_p, ctypes.c_int
_SIGNATURES: dict[str, tuple[object, list[object]]] = {
    "new_fluid_settings": (_P, []),
    "delete_fluid_settings": (None, [_P]),
    "new_fluid_synth": (_P, [_P]),
    "delete_fluid_synth": (None, [_P]),
    "fluid_settings_setnum": (_I, [_P, ctypes.c_char_p, ctypes.c_double]),
    "fluid_settings_setint": (_I, [_P, ctypes.c_char_p, _I]),
    "fluid_synth_sfload": (_I, [_P, ctypes.c_char_p, _I]),
    "fluid_synth_get_sfont_by_id": (_P, [_P, _I]),
    "fluid_sfont_get_preset": (_P, [_P, _I, _I]),
    "fluid_synth_program_select": (_I, [_P, _I, _I, _I, _I]),
    "fluid_synth_set_gen": (_I, [_P, _I, _I, ctypes.c_float]),
    "fluid_synth_noteon": (_I, [_P, _I, _I, _I]),
    "fluid_synth_noteoff": (_I, [_P, _I, _I]),
    "fluid_synth_pitch_bend": (_I, [_P, _I, _I]),
    "fluid_synth_write_float": (_I, [_P, _I, _P, _I, _I, _P, _I, _I]),
}


def load_library() -> ctypes.CDLL:
    """Load libfluidsynth and declare the functions used.

    Raises:
        CorpusError: if the library is not installed.
    """
    name = ctypes.util.find_library("fluidsynth") or "libfluidsynth.so.3"
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        raise CorpusError(f"FluidSynth's library is missing ({error}): {INSTALL}") from error
    for function, (result, arguments) in _SIGNATURES.items():
        symbol = getattr(library, function)
        symbol.restype, symbol.argtypes = result, arguments
    return library


class _Synth:
    """One FluidSynth instance, dry."""

    def __init__(self, library: ctypes.CDLL, channels: int) -> None:
        self.library = library
        self._settings = library.new_fluid_settings()
        library.fluid_settings_setnum(self._settings, b"synth.sample-rate", float(RATE))
        library.fluid_settings_setnum(self._settings, b"synth.gain", 0.5)
        for option, value in (
            (b"synth.dynamic-sample-loading", 1),
            (b"synth.reverb.active", 0),
            (b"synth.chorus.active", 0),
            (b"synth.polyphony", 128),
            (b"synth.midi-channels", channels),
        ):
            library.fluid_settings_setint(self._settings, option, value)
        self.pointer = library.new_fluid_synth(self._settings)
        self._fonts: dict[Path, int] = {}

    def close(self) -> None:
        """Free the instance."""
        self.library.delete_fluid_synth(self.pointer)
        self.library.delete_fluid_settings(self._settings)

    def load(self, path: Path) -> int:
        """Return the number of a font, which is loaded at its first use."""
        if path not in self._fonts:
            number = self.library.fluid_synth_sfload(self.pointer, str(path).encode(), 0)
            if number < 0:
                raise CorpusError(f"FluidSynth cannot load {path}: it is no sound font, or damaged")
            self._fonts[path] = number
        return self._fonts[path]

    def select(self, channel: int, path: Path, bank: int, program: int) -> None:
        """Put a preset on a channel, which loads its samples."""
        font = self.load(path)
        if self.library.fluid_synth_program_select(self.pointer, channel, font, bank, program):
            raise CorpusError(f"{path.name} has no bank {bank} program {program}")


def presets_in(path: Path, wanted: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return those of the wanted (bank, program) that a sound font has.

    Raises:
        CorpusError: if it cannot be loaded.
    """
    library = load_library()
    synth = _Synth(library, 16)
    try:
        font = library.fluid_synth_get_sfont_by_id(synth.pointer, synth.load(path))
        return [pair for pair in wanted if library.fluid_sfont_get_preset(font, *pair)]
    finally:
        synth.close()


class Fluid:
    """Renders one dry part at a time.

    A synthesiser that has played before renders a note's first samples a little otherwise,
    so every part gets a fresh one (20 ms). The keeper holds each preset on a channel of its
    own, and with it, in FluidSynth's process-wide cache, the samples.
    """

    def __init__(self) -> None:
        """Start without samples; the first use of a preset loads its own."""
        self._keeper = _Synth(load_library(), 256)
        self._kept: dict[tuple[Path, int, int], int] = {}

    def close(self) -> None:
        """Free the samples."""
        self._keeper.close()

    def render(
        self,
        path: Path,
        bank: int,
        program: int,
        generators: Mapping[int, float],
        events: Sequence[Event],
        frames: int,
    ) -> npt.NDArray[np.float32]:
        """Render events with one preset.

        Args:
            path: the sound font.
            bank: its bank, 128 for drums.
            program: 0..127.
            generators: what is added to the preset's SoundFont generators, by their numbers.
            events: ordered by sample at `RATE`.
            frames: samples wanted at `RATE`.

        Returns:
            mono audio (frames,) at `RATE`.

        Raises:
            CorpusError: if the font or its preset is missing.
        """
        key = (path, bank, program)
        if key not in self._kept and len(self._kept) < 256:
            self._keeper.select(len(self._kept), *key)
            self._kept[key] = len(self._kept)
        synth = _Synth(self._keeper.library, 16)
        try:
            synth.select(0, *key)
            for generator, value in generators.items():
                synth.library.fluid_synth_set_gen(synth.pointer, 0, generator, value)
            return _play(synth, events, frames)
        finally:
            synth.close()


def _play(synth: _Synth, events: Sequence[Event], frames: int) -> npt.NDArray[np.float32]:
    blocks = -(-frames // BLOCK)
    audio = np.zeros((2, blocks * BLOCK), np.float32)
    done = 0
    for sample, kind, value, velocity in events:
        done = _advance(synth, audio, done, min(sample // BLOCK, blocks))
        _send(synth, kind, value, velocity)
    _advance(synth, audio, done, blocks)
    return np.asarray(audio[:, :frames].mean(0), np.float32)


def _send(synth: _Synth, kind: int, value: int, velocity: int) -> None:
    if kind == 0:
        synth.library.fluid_synth_noteoff(synth.pointer, 0, value)
    elif kind == 1:
        synth.library.fluid_synth_pitch_bend(synth.pointer, 0, value)
    else:
        synth.library.fluid_synth_noteon(synth.pointer, 0, value, velocity)


def _advance(synth: _Synth, audio: npt.NDArray[np.float32], done: int, block: int) -> int:
    """Render up to a block into audio (2, N); return the blocks done."""
    if block <= done:
        return done
    left, offset, right = audio.ctypes.data, done * BLOCK, audio.shape[1]
    synth.library.fluid_synth_write_float(
        synth.pointer, (block - done) * BLOCK, left, offset, 1, left, right + offset, 1
    )
    return block
