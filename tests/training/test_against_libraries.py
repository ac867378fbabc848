"""What we compute ourselves beside the libraries that the field computes it with.

The engine has none of them, so that it stays small; published figures must be right all the same.
"""

from __future__ import annotations

import librosa
import numpy as np
import numpy.typing as npt
import pytest
import scipy.linalg
import torch
from torchmetrics.functional.audio import (
    scale_invariant_signal_distortion_ratio,
    signal_noise_ratio,
)

from bandmate_server.model.mel import filter_bank
from bandmate_server.parts import ranking
from bandmate_server.spec import MEL, MelSpec
from bandmate_training.evaluation.measures import metrics, onsets
from bandmate_training.evaluation.measures.chroma import chroma
from bandmate_training.evaluation.measures.frechet import frechet_distance
from bandmate_training.learning.muon import Muon
from bandmate_training.networks.mel import LogMel

FloatArray = npt.NDArray[np.float32]
RATE = MEL.sample_rate
C4 = 261.626  # Hz
CLICKS = np.arange(0.4, 3.6, 0.37)  # seconds


def noise(seed: int, shape: tuple[int, ...]) -> FloatArray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def note(pitch_class: int, seconds: float = 2.0) -> FloatArray:
    """Return a note with six partials, in tune, of the octave of C4."""
    time = np.arange(round(seconds * RATE)) / RATE
    first = C4 * 2 ** (pitch_class / 12)
    partials = [np.sin(2 * np.pi * first * k * time) / k**2 for k in range(1, 7)]
    return np.asarray(0.2 * np.sum(partials, axis=0), np.float32)


def clicks() -> FloatArray:
    """Return bursts of noise that begin at CLICKS and fade."""
    time = np.arange(4 * RATE) / RATE
    since = time - CLICKS[np.searchsorted(CLICKS, time, side="right") - 1]
    envelope = np.where(time < CLICKS[0], 0.0, np.exp(-30 * np.maximum(since, 0.0)))
    return (0.3 * envelope * noise(0, time.shape)).astype(np.float32)


@pytest.mark.parametrize("spec", [MEL, onsets.SPEC], ids=["the model's", "of onsets"])
def test_filter_bank_is_librosas(spec: MelSpec) -> None:
    expected = librosa.filters.mel(
        sr=spec.sample_rate, n_fft=spec.fft_size, n_mels=spec.bands, fmin=spec.fmin, fmax=spec.fmax
    )
    np.testing.assert_allclose(filter_bank(spec), expected, atol=1e-7)


def test_log_mel_is_librosas() -> None:
    wave = note(4) + 0.05 * noise(1, (2 * RATE,))
    expected = librosa.feature.melspectrogram(
        y=wave, sr=RATE, n_fft=MEL.fft_size, hop_length=MEL.hop, power=1.0, pad_mode="reflect",
        n_mels=MEL.bands, fmin=MEL.fmin, fmax=MEL.fmax,
    )  # fmt: skip
    found = LogMel(MEL)(torch.from_numpy(wave)).numpy()
    expected = np.log(np.maximum(expected, MEL.floor)).T[: len(found)]
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("error", [1e-3, 0.1, 1.0, 10.0])
def test_ratios_are_those_of_torchmetrics(error: float) -> None:
    target = noise(2, (8000,))
    estimate = 0.7 * target + error * noise(3, (8000,))
    pair = torch.from_numpy(estimate), torch.from_numpy(target)
    expected = float(scale_invariant_signal_distortion_ratio(*pair))
    assert metrics.si_sdr(estimate, target) == pytest.approx(expected, abs=1e-3)
    assert metrics.sdr(estimate, target) == pytest.approx(
        float(signal_noise_ratio(*pair)), abs=1e-3
    )


def test_frechet_distance_is_that_of_a_matrix_square_root() -> None:
    mixing = noise(4, (12, 12)).astype(np.float64)
    one, other = noise(5, (400, 12)) @ mixing, noise(6, (300, 12)) @ mixing + 0.3
    means = one.mean(0) - other.mean(0)
    first, second = np.cov(one.T), np.cov(other.T)
    root = scipy.linalg.sqrtm(first @ second).real
    expected = means @ means + np.trace(first + second - 2 * root)
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("pitch_class", range(12))
def test_a_notes_pitch_class_is_the_one_that_librosa_finds(pitch_class: int) -> None:
    wave = note(pitch_class)
    theirs = librosa.feature.chroma_stft(y=wave, sr=RATE, n_fft=8192, tuning=0.0)
    assert theirs.mean(axis=1).argmax() == pitch_class
    assert chroma(wave).mean(axis=0).argmax() == pitch_class
    assert ranking.chroma(wave, RATE).mean(axis=0).argmax() == pitch_class


def test_onsets_are_where_librosa_finds_them() -> None:
    wave = clicks()
    theirs = librosa.onset.onset_detect(y=wave, sr=RATE, hop_length=160, units="time")
    found = onsets.onset_times(onsets.Attacks().envelope(wave))
    assert len(found) == len(CLICKS) == len(theirs)
    assert np.abs(found - CLICKS).max() < 0.015
    assert np.abs(found - theirs).max() < 0.03


def test_onset_strength_rises_and_falls_with_librosas() -> None:
    wave = clicks()
    theirs = librosa.onset.onset_strength(y=wave, sr=RATE, n_fft=512, hop_length=160)
    ours = ranking.onset_strength(wave)
    theirs = np.convolve(theirs, np.hanning(2 * ranking.SLACK + 1), "same")[1:][: len(ours)]
    shifted = [np.corrcoef(np.roll(theirs, k), ours[: len(theirs)])[0, 1] for k in range(-3, 4)]
    assert max(shifted) > 0.9


def test_muon_moves_a_matrix_as_torchs_does() -> None:
    module = torch.nn.Linear(24, 16, bias=False)
    start = module.weight.detach().clone()
    theirs = torch.nn.Parameter(start.clone())
    reference = torch.optim.Muon(
        [theirs], lr=0.02, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
    )
    ours = Muon(module, lr=0.02, weight_decay=0.01)
    for seed in range(4):
        gradient = torch.from_numpy(noise(seed, (16, 24)))
        module.weight.grad, theirs.grad = gradient.clone(), gradient.clone()
        ours.step()
        reference.step()  # type: ignore[no-untyped-call]
    moved, expected = module.weight.detach() - start, theirs.detach() - start
    assert float((moved - expected).norm() / expected.norm()) < 0.02  # theirs is in bfloat16
