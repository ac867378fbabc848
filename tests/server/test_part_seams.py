"""A long part on the real model: nothing happens where its windows meet."""

import numpy as np
import pytest
import soxr

from bandmate_server import PartSettings, add
from bandmate_server.arrays import FloatArray
from bandmate_server.mel import filter_bank
from bandmate_server.parts import OVERLAP
from bandmate_server.session import Model
from bandmate_server.spec import MEL
from bandmate_server.windows import Region, plan_windows

RATE, SECONDS = 22_050, 60


def song() -> dict[str, FloatArray]:
    """A bass line and a beat at 120 to the minute."""
    time = np.arange(RATE * SECONDS) / RATE
    notes = np.array([55.0, 55.0, 73.4, 82.4])[(time // 0.5).astype(int) % 4]
    bass = 0.3 * np.sin(2 * np.pi * notes * time) * np.exp(-3.0 * (time % 0.5))
    noise = np.random.default_rng(0).standard_normal(len(time))
    drums = 0.2 * noise * np.exp(-40.0 * (time % 0.25))
    return {"bass": bass.astype(np.float32), "drums": drums.astype(np.float32)}


def mels(audio: FloatArray) -> FloatArray:
    """Return mel magnitudes in dB (N, M), 0.1 s apart."""
    wave = soxr.resample(audio, RATE, MEL.sample_rate)
    frames = np.lib.stride_tricks.sliding_window_view(wave, MEL.fft_size)[:: MEL.sample_rate // 10]
    spectra = np.abs(np.fft.rfft(frames * np.hanning(MEL.fft_size)))
    found: FloatArray = 20.0 * np.log10(spectra @ filter_bank(MEL).T + 1e-4)
    return found


def jumps(curve: FloatArray) -> FloatArray:
    """Return how far the mean of the half second after a frame is from that before (N, ...)."""
    width = 5
    sums = np.cumsum(np.pad(curve, ((1, 0), (0, 0))), axis=0)
    means = (sums[width:] - sums[:-width]) / width
    found = np.zeros(len(curve), np.float32)
    found[width:-width] = np.abs(means[width + 1 :] - means[: -width - 1]).mean(axis=1)[
        : len(curve) - 2 * width
    ]
    return found


@pytest.mark.slow
def test_a_minute_has_no_jump_in_level_or_spectrum_at_its_windows_edges(mini: Model) -> None:
    found = add(mini, song(), RATE, ["piano"], PartSettings(steps=4, guidance=1.0))["piano"]
    frames = RATE * SECONDS
    layout = plan_windows(Region(0, frames), RATE, frames, mini.spec, OVERLAP)
    assert len(layout.starts) == 7
    cells = [*layout.starts[1:], *(start + layout.window for start in layout.starts[:-1])]
    edges = np.array(cells) * mini.spec.latent_hop / mini.spec.mel.sample_rate * 10
    picture = mels(found)
    level = 10.0 * np.log10((10 ** (picture / 10.0)).sum(axis=1, keepdims=True))
    for curve in (picture, level):
        change = jumps(curve)
        near = np.abs(np.arange(len(change))[:, None] - edges).min(axis=1) <= 2
        inside = change[10:-10][~near[10:-10]]
        assert change[near].mean() < 1.25 * inside.mean()
        assert change[near].max() <= 1.1 * inside.max()
