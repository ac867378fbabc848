"""Instruments recorded note by note: folders of audio files with an `instrument.json`.

Each folder is one instrument. Its `instrument.json` says the `role` (bass, drums, guitar, piano
or other) and lists `notes`: `file`, `midi` (the sounding key), `tune_cents` (how far off it
is), `velocity_layer` (0 to 1), `articulation`, `round_robin`; of a kit `keys` (General MIDI) and
`choke` instead of tuning. `sustained` instruments are looped when held.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile as sf
import soxr

from bandmate_server.errors import CorpusError
from bandmate_server.model.notes.midi import Rows
from bandmate_server.spec import MEL, OTHER, STEMS
from bandmate_training.corpus.score import Rng

Audio = npt.NDArray[np.float32]
REACH = 4  # semitones beyond the recorded keys; past them notes are moved by octaves
RELEASE = (0.06, 0.15)  # seconds in which a key that is let go fades
CHOKE = 0.025  # seconds in which a struck hi-hat ends one that rings
LOOP = (0.5, 0.15, 0.12)  # seconds: left out at the beginning and the end; cross-fade
CHORD = "power_chord"  # articulations that sound a fifth, or octave, too
MUTED = "palm_mute"
ALTERNATIVES = {  # General MIDI keys of pieces that stand in for others
    35: (36,), 37: (38,), 39: (38,), 40: (38,), 41: (43, 45), 43: (41, 45), 44: (42,), 45: (47, 43),
    46: (42,), 47: (45, 48), 48: (50, 47), 50: (48, 47), 49: (57,), 57: (49,), 52: (49, 57),
    55: (49, 57), 51: (59,), 59: (51,), 53: (51,),
}  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """One recorded note or stroke."""

    file: Path
    key: float  # MIDI, as it sounds, with cents
    layer: float  # 0 soft .. 1 loud
    articulation: str
    choke: bool = False
    keys: tuple[int, ...] = ()  # General MIDI keys of a stroke


@dataclass(frozen=True)
class Instrument:
    """All samples of one folder."""

    name: str
    role: str
    sustained: bool
    direct: bool  # recorded without an amplifier
    samples: tuple[Sample, ...] = field(repr=False)

    @property
    def drums(self) -> bool:
        """Whether it is a kit."""
        return self.role == "drums"

    @property
    def chordal(self) -> bool:
        """Whether every sample is a chord."""
        return all(sample.articulation.startswith(CHORD) for sample in self.samples)

    @property
    def articulations(self) -> dict[str, list[Sample]]:
        """The samples of each way of playing."""
        found: dict[str, list[Sample]] = {}
        for sample in self.samples:
            found.setdefault(sample.articulation, []).append(sample)
        return found


def read_instrument(folder: Path) -> Instrument | None:
    """Read an instrument; None for one without pitches, such as speech.

    Raises:
        CorpusError: if its description is damaged.
    """
    path = folder / "instrument.json"
    try:
        facts = json.loads(path.read_text())
        if facts.get("phrases"):
            return None
        samples = tuple(_sample(folder, row) for row in facts["notes"])
        role = str(facts["role"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorpusError(f"{path} does not describe an instrument: {error!r}") from error
    if role not in (*STEMS, OTHER) or not samples:
        raise CorpusError(f"{path}: expected one of {(*STEMS, OTHER)} and notes, got {role!r}")
    direct = bool(facts.get("direct", "DI" in str(facts.get("description", "")).split()))
    return Instrument(folder.name, role, bool(facts.get("sustained")), direct, samples)


def _sample(folder: Path, row: dict[str, Any]) -> Sample:
    keys = tuple(int(key) for key in row.get("keys", ()))
    key = float(row["midi"] if row["midi"] is not None else (keys or (0,))[0])
    return Sample(
        folder / str(row["file"]),
        key + float(row.get("tune_cents") or 0) / 100,
        float(row.get("velocity_layer", 1.0)),
        str(row.get("articulation", "sustain")),
        row.get("choke") is not None,
        keys,
    )


@cache
def read_instruments(folder: Path) -> tuple[Instrument, ...]:
    """Read all instruments of a folder, by name.

    Raises:
        CorpusError: if there is none, or one is damaged.
    """
    found = [read_instrument(path.parent) for path in sorted(folder.glob("*/instrument.json"))]
    instruments = tuple(one for one in found if one is not None)
    if not instruments:
        raise CorpusError(f"{folder} holds no instruments: expected NAME/instrument.json")
    return instruments


def playable(rows: Rows, instrument: Instrument) -> list[tuple[float, float, int, int]]:
    """Return the notes as the instrument can play them: in its range, of pieces that it has."""
    if instrument.drums:
        return [row for row in rows if _strokes(instrument, row[2])]
    keys = [sample.key for sample in instrument.samples]
    low, high = min(keys) - REACH, max(keys) + REACH
    return [(a, b, _into(key, low, high), loud) for a, b, key, loud in rows]


def _into(key: int, low: float, high: float) -> int:
    while key > high:
        key -= 12
    while key < low:
        key += 12
    return key


def render(rows: Rows, instrument: Instrument, frames: int, rng: Rng, muted: bool = False) -> Audio:
    """Play notes; (frames,) at MEL.sample_rate.

    Args:
        rows: playable notes.
        instrument: that plays them.
        frames: length of the result.
        rng: draws samples among equals, and releases.
        muted: whether short notes are muted by the palm, where the instrument has such.
    """
    out = np.zeros(frames, np.float32)
    ringing: tuple[int, Audio] | None = None
    for start, end, key, loud in sorted(rows):
        place = round(start * MEL.sample_rate)
        if place >= frames:
            continue
        sample, layers = _choose(instrument, key, loud, rng, muted and end - start < 0.3)
        steep = (1.6, 0.55) if instrument.drums else (1.3, 0.6)
        gain = np.float32((loud / 127) ** steep[layers > 1])
        if instrument.drums:
            wave = gain * _wave(sample.file)
            if sample.choke and ringing:
                _choke(out, *ringing, place)
            ringing = (place, wave) if sample.choke else ringing
        else:
            wave = gain * _note(sample, key, end - start, instrument.sustained, rng)
        stop = min(frames, place + len(wave))
        out[place:stop] += wave[: stop - place]
    return out


def _choose(
    instrument: Instrument, key: int, loud: int, rng: Rng, muted: bool
) -> tuple[Sample, int]:
    """Return a sample for a key and velocity, and how many layers it is one of."""
    if instrument.drums:
        nearest = _strokes(instrument, key)
    else:
        ways = instrument.articulations
        short = [name for name in ways if name.endswith(MUTED)]
        full = [name for name in ways if not name.endswith((MUTED, "staccato", "release"))]
        names = short if muted and short else full or list(ways)
        choice = ways[names[int(rng.integers(len(names)))]]
        distance = min(abs(sample.key - key) for sample in choice)
        nearest = [s for s in choice if abs(s.key - key) < distance + 0.5]
    layers = sorted({sample.layer for sample in nearest})
    place = min(max(loud / 127 + float(rng.uniform(-0.06, 0.06)), 0), 0.999)
    layer = layers[int(place * len(layers))]
    equals = [sample for sample in nearest if sample.layer == layer]
    return equals[int(rng.integers(len(equals)))], len(layers)


def _strokes(instrument: Instrument, key: int) -> list[Sample]:
    """Return a kit's samples for a General MIDI key, or for one that stands in for it."""
    for wanted in (key, *ALTERNATIVES.get(key, ())):
        found = [sample for sample in instrument.samples if wanted in sample.keys]
        if found:
            return found
    return []


def _note(sample: Sample, key: int, seconds: float, sustained: bool, rng: Rng) -> Audio:
    """Return a sample at a key, as long as it is held, with its release."""
    wave = _shifted(sample.file, round((key - sample.key) * 20))
    held = max(round(seconds * MEL.sample_rate), 1)
    if sustained:
        wave = _looped(wave, held + round(RELEASE[1] * MEL.sample_rate))
    release = round(float(rng.uniform(*RELEASE)) * MEL.sample_rate)
    wave = wave[: held + release].copy()
    fading = max(len(wave) - held, 0)
    if fading:
        wave[held:] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(fading, dtype=np.float32) / release)
    return wave


def _choke(out: Audio, place: int, wave: Audio, now: int) -> None:
    """Take the rest of a ringing stroke out again, from `now` on, over a short fade."""
    rest = wave[now - place : now - place + len(out) - now].copy()
    fade = min(round(CHOKE * MEL.sample_rate), len(rest))
    rest[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
    out[now : now + len(rest)] -= rest


@cache
def _wave(file: Path) -> Audio:
    """Read a sample as mono at MEL.sample_rate.

    Raises:
        CorpusError: if it cannot be read.
    """
    try:
        wave, rate = sf.read(file, dtype="float32", always_2d=True)
    except (OSError, sf.SoundFileError) as error:
        raise CorpusError(f"{file} is not audio that can be read: {error}") from error
    mono = np.ascontiguousarray(wave.mean(1))
    return np.asarray(soxr.resample(mono, rate, MEL.sample_rate, "HQ"), np.float32)


@cache
def _shifted(file: Path, steps: int) -> Audio:
    """Return a sample played higher by steps of 5 cents."""
    if not steps:
        return _wave(file)
    ratio = 2 ** (steps / 240)
    return np.asarray(
        soxr.resample(_wave(file), MEL.sample_rate * ratio, MEL.sample_rate, "HQ"), np.float32
    )


def _looped(wave: Audio, frames: int) -> Audio:
    """Return a sustained wave at least `frames` long, its middle repeated with cross-fades."""
    begin, left, fade = (round(part * MEL.sample_rate) for part in LOOP)
    body = wave[begin : len(wave) - left]
    if frames <= len(wave) or len(body) <= 2 * fade:
        return wave
    rise = np.sqrt(np.linspace(0, 1, fade, dtype=np.float32))
    joined = [wave[: len(wave) - left - fade]]
    seam = wave[len(wave) - left - fade : len(wave) - left] * rise[::-1] + body[:fade] * rise
    for _ in range(math.ceil((frames - len(joined[0])) / (len(body) - fade))):
        joined += [seam, body[fade:-fade]]
    return np.concatenate(joined)
