"""Which recorded instrument plays a part, and how: doubled guitars, amplifiers, palm mutes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pedalboard as pb

from bandmate_server.errors import CorpusError
from bandmate_server.model.notes.midi import Rows
from bandmate_server.spec import MEL, OTHER, STEMS
from bandmate_training.corpus.samples import (
    Audio,
    Instrument,
    playable,
    read_instruments,
    render,
)
from bandmate_training.corpus.score import Part, Rng

SHARE = 0.5  # of parts, the rest is played by fonts
DOUBLED = 0.25  # share of guitar parts that two guitars play
APART = 0.012  # seconds, standard deviation between the two
KEPT = 4  # one instrument in so many of each role is for validation
AMPLIFIED = {"guitar": 0.65, "bass": 0.35}  # share of direct recordings that get an amplifier
DRIVEN = (29, 30)  # General MIDI programs that ask for a driven amplifier
CHORDS = ("power", "chug")  # ways of playing for which chord samples serve
TOGETHER = 0.05  # seconds within which notes are one chord


@dataclass(frozen=True)
class Sampled:
    """The instruments that played a part; stands where a font's preset would."""

    label: str
    family: str = "samples"
    bank: int = -1
    program: int = -1


def instruments_for(folder: Path, role: str, split: str) -> list[Instrument]:
    """Return the instruments of a role that a split may use.

    Raises:
        CorpusError: if there is none.
    """
    mine = [one for one in read_instruments(folder) if one.role == role]
    if role == "drums":
        mine = [kit for kit in mine if any(36 in sample.keys for sample in kit.samples)]
    kept = [one for k, one in enumerate(mine) if (k % KEPT == KEPT - 1) == (split == "validation")]
    if not (kept or mine):
        raise CorpusError(f"{folder} holds no {role}")
    return kept or mine


def check_instruments(folder: Path) -> None:
    """Check that a folder has instruments for every stem and for `other`.

    Raises:
        CorpusError: naming what is missing or damaged.
    """
    for role in (*STEMS, OTHER):
        instruments_for(folder, role, "train")


def play(
    part: Part, rows: Rows, folder: Path, split: str, frames: int, rng: Rng
) -> tuple[Sampled, Audio, Rows]:
    """Play a part's notes with recorded instruments.

    Returns:
        who played, the audio (frames,) at MEL.sample_rate, and the notes as they were played.
    """
    ways = part.role.split("+")
    choice = [
        one
        for one in instruments_for(folder, part.stem, split)
        if not one.chordal or any(way in CHORDS for way in ways)
    ] or instruments_for(folder, part.stem, split)
    count = 2 if part.stem == "guitar" and rng.random() < DOUBLED else 1
    chosen = [choice[int(rng.integers(len(choice)))] for _ in range(count)]
    played = playable(rows, chosen[0])
    audio = np.zeros(frames, np.float32)
    for number, instrument in enumerate(chosen):
        own = _loosened(playable(rows, instrument), APART if number else 0.0, rng)
        wave = render(
            _roots(own) if instrument.chordal else own, instrument, frames, rng, "chug" in ways
        )
        audio += _amplified(wave, instrument, part.programs, rng)
    return Sampled(" + ".join(one.name for one in chosen)), audio, played


def _loosened(rows: Rows, deviation: float, rng: Rng) -> Rows:
    if not deviation:
        return rows
    return [(max(a + float(rng.normal(0, deviation)), 0.0), b, key, v) for a, b, key, v in rows]


def _roots(rows: Rows) -> Rows:
    """Return the lowest note of every chord."""
    found: list[tuple[float, float, int, int]] = []
    for row in sorted(rows):
        if not found or row[0] - found[-1][0] > TOGETHER:
            found.append(row)
        elif row[2] < found[-1][2]:
            found[-1] = row
    return found


def _amplified(wave: Audio, instrument: Instrument, programs: tuple[int, ...], rng: Rng) -> Audio:
    """Send a direct recording through an amplifier, or not; the level is kept."""
    driven = any(program in DRIVEN for program in programs)
    level = float(np.sqrt(np.mean(wave**2)))
    share = 1.0 if driven else AMPLIFIED.get(instrument.role, 0.0)
    if not instrument.direct or level < 1e-5 or rng.random() >= share:
        return wave
    drive = float(rng.uniform(22, 40) if driven else rng.uniform(4, 24))
    chain = [
        pb.Compressor(threshold_db=-24, ratio=float(rng.uniform(1.5, 4))),
        pb.Gain(20 * float(np.log10(0.1 / level))),
        pb.Distortion(drive_db=drive),
        pb.HighpassFilter(cutoff_frequency_hz=float(rng.uniform(30, 110))),
        pb.PeakFilter(cutoff_frequency_hz=float(rng.uniform(400, 2500)), gain_db=5, q=0.8),
        pb.LowpassFilter(cutoff_frequency_hz=float(rng.uniform(3000, 6500))),
    ]
    wet = pb.Pedalboard(chain)(wave, MEL.sample_rate)  # type: ignore[attr-defined]
    return wet * np.float32(level / max(float(np.sqrt(np.mean(wet**2))), 1e-9))
