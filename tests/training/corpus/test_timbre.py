"""Presets that are voiced anew: other timbre, same notes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import soxr

from bandmate_training.corpus import instruments
from bandmate_training.corpus.fluid import RATE, Event, Fluid
from bandmate_training.corpus.instruments import Preset
from bandmate_training.corpus.render import sound
from bandmate_training.corpus.timbre import (
    ATTACK,
    FILTER_CUTOFF,
    KEYS,
    TimbreVariation,
    draw_timbre,
)

A3: list[Event] = [(3200, 2, 57, 100), (51_200, 0, 57, 0)]


needs_tools = pytest.mark.usefixtures("renderers")


def played(
    preset: Preset, voicing: TimbreVariation, events: list[Event] = A3
) -> npt.NDArray[np.float32]:
    """Return two seconds at 16 kHz, of the loudest sample 1."""
    wide = sound(preset, voicing, voicing.played(events), int(2 * RATE / voicing.tape), Fluid())
    wave = np.asarray(soxr.resample(wide, RATE / voicing.tape, 16_000), np.float32)
    return np.asarray(wave / np.abs(wave).max(), np.float32)


def pitch(wave: npt.NDArray[np.float32]) -> float:
    """Return the strongest frequency between 200 and 240 Hz."""
    size = 1 << 18
    spectrum = np.abs(np.fft.rfft(wave[2000:18_000] * np.hanning(16_000), size))
    hertz = np.fft.rfftfreq(size, 1 / 16_000)
    near = (hertz > 200) & (hertz < 240)
    return float(hertz[near][spectrum[near].argmax()])


def onset(wave: npt.NDArray[np.float32]) -> float:
    """Return the second at which a sound sets in."""
    return float(np.flatnonzero(np.abs(wave) > 0.02)[0] / 16_000)


@needs_tools
@pytest.mark.parametrize("preset", [Preset("tim", 0, 0), Preset("freepats", 0, 33)])
@pytest.mark.parametrize("keys", [-KEYS, KEYS])
def test_pitch_and_time_stay_while_the_timbre_changes(preset: Preset, keys: int) -> None:
    plain, voiced = (
        played(preset, TimbreVariation()),
        played(preset, TimbreVariation(keys, 2 ** (keys / 12))),
    )
    assert pitch(voiced) == pytest.approx(pitch(plain), rel=0.006)  # ten cents
    assert onset(voiced) == pytest.approx(onset(plain), abs=0.01)
    size = min(len(plain), len(voiced))
    assert np.abs(plain[:size] - voiced[:size]).std() > 0.02


@needs_tools
def test_generators_darken_the_filter_and_slow_the_attack() -> None:
    preset = Preset("fluid", 0, 25)

    def brightness(wave: npt.NDArray[np.float32]) -> float:
        power = np.square(np.abs(np.fft.rfft(wave)))
        return float((power * np.arange(len(power))).sum() / power.sum())

    plain = played(preset, TimbreVariation())
    dark = played(preset, TimbreVariation(generators={FILTER_CUTOFF: -5000.0}))
    slow = played(preset, TimbreVariation(generators={ATTACK: 9000.0}))
    assert brightness(dark) < 0.8 * brightness(plain)
    early = slice(1600, 1600 + 480)  # thirty milliseconds
    assert np.square(slow[early]).mean() < 0.2 * np.square(plain[early]).mean()


@needs_tools
def test_drums_are_tuned_without_changing_the_drum() -> None:
    kit, tape = Preset("fluid", instruments.DRUM_BANK, 0), 2 ** (3 / 12)
    stroke: list[Event] = [(3200, 2, 45, 100), (6400, 0, 45, 0)]  # a low tom
    plain, low = (
        played(kit, voicing, stroke) for voicing in (TimbreVariation(), TimbreVariation(0, tape))
    )
    assert onset(low) == pytest.approx(onset(plain), abs=0.01)
    spectra = [np.abs(np.fft.rfft(wave[:16_000])) for wave in (plain, low)]
    peaks = [int(spectrum[40:400].argmax()) + 40 for spectrum in spectra]
    assert peaks[0] / peaks[1] == pytest.approx(tape, rel=0.05)


def test_bends_and_ends_are_played_as_they_are_and_keys_stay_on_the_keyboard() -> None:
    events: list[Event] = [(0, 1, 9000, 0), (100, 2, 126, 80), (1000, 0, 126, 0)]
    rows = TimbreVariation(keys=5, tape=2.0).played(events)
    assert rows == [(0, 1, 9000, 0), (50, 2, 127, 80), (500, 0, 127, 0)]


def test_voicings_differ_and_repeat_by_their_seed() -> None:
    drawn = [draw_timbre(np.random.default_rng(k), drums=False) for k in range(40)]
    assert drawn == [draw_timbre(np.random.default_rng(k), drums=False) for k in range(40)]
    assert 3 <= sum(voicing == TimbreVariation() for voicing in drawn) <= 20
    assert len({voicing.keys for voicing in drawn}) > 6
    assert all(2 ** (v.keys / 12) == pytest.approx(v.tape, rel=0.02) for v in drawn)
    assert {v.keys for v in (draw_timbre(np.random.default_rng(k), True) for k in range(9))} == {0}
