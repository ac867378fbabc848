"""From a song to its stems: every part with a preset, levelled, summed, at the model's rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from bandmate_server.model.notes.midi import Rows
from bandmate_server.spec import MEL, OTHER, STEMS
from bandmate_training.corpus import sampled, timidity
from bandmate_training.corpus.fluid import RATE, Event, Fluid
from bandmate_training.corpus.instruments import INSTRUMENTS, Preset, choose
from bandmate_training.corpus.perform import LEAD_IN, humanise, timed
from bandmate_training.corpus.score import Part, Rng, Song
from bandmate_training.corpus.timbre import TimbreVariation, draw_timbre

Audio = npt.NDArray[np.float32]
TAIL = 1.5  # seconds after the last beat
PEAK = 10 ** (-3 / 20)
KNEE = 10 ** (-6 / 20)
COMMON = 0.9997  # share of samples that stay under PEAK without bending
FRAME = 0.05  # seconds over which levels are measured


@dataclass(frozen=True)
class Voice:
    """What a part was rendered with."""

    preset: Preset | sampled.Sampled
    voicing: TimbreVariation
    role: str
    notes: int


@dataclass(frozen=True)
class Rendered:
    """A song's audio, who played it, and the notes as they were played."""

    stems: dict[str, Audio]  # each (frames,) at MEL.sample_rate
    voices: dict[str, list[Voice]]
    notes: dict[str, Rows]


def frame_levels(audio: Audio) -> npt.NDArray[np.float64]:
    """Return the RMS of each 50 ms frame."""
    size = int(FRAME * MEL.sample_rate)
    whole = audio[: len(audio) // size * size].reshape(-1, size).astype(np.float64)
    return np.asarray(np.sqrt((whole**2).mean(1)))


def active_rms(audio: Audio) -> float:
    """Return the RMS over the frames that sound (within 35 dB of the loudest)."""
    levels = frame_levels(audio)
    loud = levels[levels > levels.max(initial=0.0) * 10 ** (-35 / 20)]
    return float(np.sqrt((loud**2).mean())) if len(loud) else 0.0


def active_fraction(audio: Audio) -> float:
    """Return the share of frames above -60 dBFS."""
    return float((frame_levels(audio) > 1e-3).mean())


def song_frames(song: Song) -> int:
    """Return a song's length in samples at the model's rate."""
    return math.ceil((song.clock.at(song.end) + LEAD_IN + TAIL) * MEL.sample_rate)


def render_song(
    song: Song,
    split: str,
    fluid: Fluid,
    rng: Rng,
    font: Path | None = None,
    samples: Path | None = None,
) -> Rendered:
    """Render every part with a sound drawn from the split's, or a font's; stems get one length.

    In training songs presets are voiced anew; validation songs play them as they are. With a
    folder of recorded instruments these play half of the parts.
    """
    frames = song_frames(song)
    voices: dict[str, list[Voice]] = {s: [] for s in (*STEMS, OTHER)}
    layers: dict[str, list[Audio]] = {s: [] for s in (*STEMS, OTHER)}
    notes: dict[str, list[tuple[float, float, int, int]]] = {s: [] for s in (*STEMS, OTHER)}
    for part in song.parts:
        voice, audio, played = _part(part, song, split, fluid, frames, rng, font, samples)
        level = active_rms(audio)
        if level < 1e-5:
            continue
        gain = 0.0 if not layers[part.stem] else float(rng.uniform(-5, 3))
        layers[part.stem].append(audio * np.float32(10 ** (gain / 20) / level))
        voices[part.stem].append(voice)
        notes[part.stem] += played
    stems = {stem: _level(rows, stem, frames, rng) for stem, rows in layers.items()}
    return Rendered(stems, voices, {stem: sorted(rows) for stem, rows in notes.items()})


def _part(
    part: Part,
    song: Song,
    split: str,
    fluid: Fluid,
    frames: int,
    rng: Rng,
    font: Path | None,
    samples: Path | None,
) -> tuple[Voice, Audio, Rows]:
    """Return who plays a part, its audio (frames,) and the notes as they are played."""
    if samples is not None and rng.random() < sampled.SHARE:
        rows = humanise(part, song.clock, rng)
        who, audio, played = sampled.play(part, rows, samples, split, frames, rng)
        return Voice(who, TimbreVariation(), part.role, len(part.notes)), audio, played
    preset = choose(rng, part.stem, split, part.programs, font)
    voicing = draw_timbre(rng, preset.drums) if split == "train" else TimbreVariation()
    rows = humanise(part, song.clock, rng)
    audio = _render(timed(rows, part, song.clock), preset, voicing, fluid, frames)
    return Voice(preset, voicing, part.role, len(part.notes)), audio, rows


def _render(
    rows: list[Event], preset: Preset, voicing: TimbreVariation, fluid: Fluid, frames: int
) -> Audio:
    """Return one part's events as audio (frames,) at the model's rate."""
    wide = math.ceil(frames * RATE / MEL.sample_rate / voicing.tape)
    audio = sound(preset, voicing, voicing.played(rows), wide, fluid)
    narrow = soxr.resample(audio, RATE / voicing.tape, MEL.sample_rate, quality="VHQ")[:frames]
    return np.asarray(np.pad(narrow, (0, frames - len(narrow))), np.float32)


def sound(
    preset: Preset, voicing: TimbreVariation, rows: list[Event], frames: int, fluid: Fluid
) -> Audio:
    """Render events with a preset; (frames,) at the renderer's rate.

    TiMidity has no generators to add to.
    """
    if preset.family == "freepats":
        return timidity.render(preset.font, preset.program, preset.drums, rows, frames)
    return fluid.render(preset.font, preset.bank, preset.program, voicing.generators, rows, frames)


def _level(layers: list[Audio], stem: str, frames: int, rng: Rng) -> Audio:
    """Sum a stem's layers at its level, under the peak limit."""
    wanted = 10 ** ((INSTRUMENTS[stem].level + float(rng.uniform(-3, 3))) / 20)
    if not layers:
        return np.zeros(frames, np.float32)
    audio = np.asarray(np.sum(layers, axis=0), np.float32)
    common = float(np.quantile(np.abs(audio), COMMON))
    gain = min(wanted / max(active_rms(audio), 1e-9), PEAK / max(common, 1e-9))
    return soften(audio * np.float32(gain))


def soften(audio: Audio) -> Audio:
    """Bend the rare peaks above `KNEE` smoothly under `PEAK`; leave the rest as it is.

    Otherwise one loud stroke would decide the level of a whole drum take.
    """
    room = PEAK - KNEE
    size = np.abs(audio)
    bent = KNEE + room * np.tanh((size - KNEE) / room)
    return np.asarray(np.where(size > KNEE, np.sign(audio) * bent, audio), np.float32)
