"""Waves approach the log-mels that they were made from."""

from dataclasses import replace

import numpy as np
import pytest

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.model.mel import filter_bank
from bandmate_server.model.model import Model
from bandmate_server.model.spectral_consistency import griffin_lim_refine
from bandmate_server.spec import MEL

SAMPLES = 100 * MEL.hop


def noise(seed: int, samples: int = SAMPLES) -> FloatArray:
    return (0.1 * np.random.default_rng(seed).standard_normal((2, samples))).astype(np.float32)


def tone(hertz: float) -> FloatArray:
    time = np.arange(SAMPLES) / MEL.sample_rate
    return np.float32(0.3) * np.sin(2 * np.pi * hertz * time, dtype=np.float32)[None]


def log_mel(waves: FloatArray) -> FloatArray:
    half = MEL.fft_size // 2
    padded = np.pad(waves, ((0, 0), (half, half)), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, MEL.fft_size, axis=1)
    window = np.hanning(MEL.fft_size + 1)[:-1]
    magnitudes = np.abs(np.fft.rfft(frames[:, : waves.shape[1] : MEL.hop] * window))
    mels = np.log(np.maximum(magnitudes @ filter_bank(MEL).T, MEL.floor))
    return np.asarray(mels, np.float32)


def error(waves: FloatArray, wanted: FloatArray) -> float:
    return float(np.square(log_mel(waves) - wanted).mean())


@pytest.mark.parametrize("samples", [SAMPLES, MEL.hop, 7 * MEL.hop])
def test_a_wave_that_has_its_mel_already_stays_as_it_is(samples: int) -> None:
    waves = noise(0, samples)
    np.testing.assert_allclose(griffin_lim_refine(waves, log_mel(waves), MEL, 2), waves, atol=1e-5)


def test_every_round_comes_nearer_to_a_mel_that_a_wave_can_have() -> None:
    rising = np.linspace(0.1, 2.0, SAMPLES, dtype=np.float32)
    wanted = log_mel(rising * np.cumsum(noise(1), axis=1) * 0.1)
    errors = [
        error(griffin_lim_refine(noise(2), wanted, MEL, rounds), wanted) for rounds in range(4)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < 0.1 * errors[0]


def test_a_tone_that_is_too_quiet_gets_louder_and_keeps_its_pitch() -> None:
    true = tone(97.3)
    found = griffin_lim_refine(0.2 * true, log_mel(true), MEL, 2)
    inside = slice(MEL.fft_size, -MEL.fft_size)
    np.testing.assert_allclose(found[:, inside], true[:, inside], atol=0.01)


def test_silence_is_wanted_and_made() -> None:
    quiet = np.full((2, 100, MEL.bands), np.log(MEL.floor), np.float32)
    found = griffin_lim_refine(noise(3), quiet, MEL, 2)
    assert found.std() < 1e-3 * noise(3).std()
    assert np.isfinite(griffin_lim_refine(np.zeros_like(found), log_mel(noise(3)), MEL, 2)).all()


def test_waves_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 16000\): expected \(2, 15840\)"):
        griffin_lim_refine(noise(0), log_mel(noise(0))[:, 1:], MEL, 1)


def test_the_shipped_models_waves_come_near_the_mels_that_they_are_made_of(mini: Model) -> None:
    time = np.arange(SAMPLES) / MEL.sample_rate
    plucked = (tone(97.3) * np.exp(-6 * (time % 0.25)) + 0.02 * noise(4)[:1]).astype(np.float32)
    wanted = log_mel(plucked)
    rounds = mini.bundle.consistency_rounds
    raw = Model(replace(mini.bundle, consistency_rounds=0), "cpu").vocode(wanted)
    assert error(mini.vocode(wanted), wanted) < 0.6 * error(raw, wanted)
    np.testing.assert_array_equal(mini.vocode(wanted), griffin_lim_refine(raw, wanted, MEL, rounds))
