"""The vocoder's oscillators: any pitch, steady; and the tones they learn from."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from bandmate_server.spec import MEL, MINI
from bandmate_training.networks.config import VocoderConfig
from bandmate_training.networks.oscillators import (
    HarmonicOscillators,
    Partials,
    analyse_partials,
    band_bins,
    pitch_error,
    tuning_loss,
)
from bandmate_training.networks.vocoder import Vocoder, normal

SECONDS = 2
SMALL = VocoderConfig(tones_width=16, tones_blocks=1)


def tone(hertz: float, amplitude: float = 0.3) -> Tensor:
    time = torch.arange(SECONDS * MEL.sample_rate) / MEL.sample_rate
    return (amplitude * torch.sin(2 * math.pi * hertz * time))[None]


def inner(x: Tensor) -> Tensor:
    """Leave out the ends, where a window sees the reflected wave."""
    return x[..., 20:-20]


@pytest.mark.parametrize("hertz", [41.2, 55.0, 103.7, 196.0, 261.6, 370.0])
def test_a_tone_is_heard_at_its_pitch_and_level_in_one_band_only(hertz: float) -> None:
    found = analyse_partials(tone(hertz), MEL)
    loudest = inner(found.amplitude[0]).max(dim=0)
    band = int(loudest.indices[0])
    assert (loudest.indices == band).all()
    assert loudest.values == pytest.approx(0.3, rel=0.01)
    assert inner(found.frequency[0, band]) == pytest.approx(hertz, abs=0.1)
    found.amplitude[0, band] = 0
    assert inner(found.amplitude).max() < 0.003


def test_most_of_noise_is_no_tone() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = 0.1 * torch.randn(1, SECONDS * MEL.sample_rate, generator=generator)
    power = 0.5 * analyse_partials(noise, MEL).amplitude.square().sum(1).mean()
    assert power < 0.2 * noise.square().mean() * 387 / (MEL.sample_rate / 2)  # the bands' share


@pytest.mark.parametrize("hertz", [41.2, 103.7, 174.6])
def test_what_is_heard_sounds_the_same_again(hertz: float) -> None:
    wave = tone(hertz) + tone(2 * hertz, 0.1)
    again = HarmonicOscillators(MEL, SMALL).sound(analyse_partials(wave, MEL))
    assert again.shape == wave.shape
    true, found = (
        torch.stft(x, 4096, 1024, window=torch.hann_window(4096), return_complex=True).abs()[
            ..., 4:-4
        ]
        for x in (wave, again)
    )
    assert (found - true).norm() < 0.01 * true.norm()


def test_a_steady_oscillator_keeps_its_pitch_whatever_the_hop() -> None:
    frames = SECONDS * MEL.sample_rate // MEL.hop
    bands = len(band_bins()) - 1
    amplitude = torch.zeros(1, bands, frames)
    amplitude[0, 2] = 0.5
    frequency = torch.full((1, bands, frames), 87.31)
    wave = HarmonicOscillators(MEL, SMALL).sound(Partials(amplitude, frequency))
    assert wave[0] == pytest.approx(tone(87.31, 0.5)[0].numpy(), abs=2e-3)


def test_errors_of_pitch_count_by_loudness_and_those_of_silence_not_at_all() -> None:
    true = analyse_partials(tone(330), MEL)
    assert tuning_loss(true, true) == 0
    sharp = replace(true, frequency=true.frequency + 3)
    assert pitch_error(sharp, true) == pytest.approx([3.0], rel=0.02)
    silent = analyse_partials(torch.zeros(1, MEL.sample_rate), MEL)
    assert pitch_error(replace(silent, frequency=silent.frequency + 3), silent) == 0


def test_oscillators_learn_from_true_tones_only() -> None:
    torch.manual_seed(0)
    vocoder = Vocoder(MINI, replace(SMALL, width=16, blocks=1))
    log_mel = 2 * torch.randn(1, 40, MEL.bands) - 5
    torch.autograd.backward(vocoder(log_mel).square().sum())
    assert vocoder.out.weight.grad is not None
    assert vocoder.tones.out.weight.grad is None
    loss = tuning_loss(vocoder.tones(normal(log_mel)), analyse_partials(tone(330)[:, :6400], MEL))
    for part in torch.autograd.grad(loss, vocoder.tones.out.weight)[0].chunk(2):
        assert part.abs().sum() > 0


def test_a_band_that_is_a_tone_gets_its_power_and_no_noise() -> None:
    vocoder = Vocoder(MINI, replace(SMALL, width=16, blocks=1))
    amplitude = torch.zeros(1, len(band_bins()) - 1, 40)
    amplitude[0, 5] = 0.2  # 172 to 203 Hz
    power = vocoder.lobes @ (2 * amplitude).square()  # the whole is 6 dB louder than the tone
    found = vocoder.tonal(power, Partials(1.01 * amplitude, amplitude))
    torch.testing.assert_close(found[0, 5], torch.full((40,), 0.16))
    assert (power - vocoder.lobes @ found).abs().max() < 1e-3 * power.max()
    assert vocoder.tonal(10 * power, Partials(amplitude, amplitude)).max() == 0  # hardly a tone
