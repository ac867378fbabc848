"""A long part on the real model: nothing happens where its windows meet."""

from dataclasses import replace

import numpy as np
import pytest
import soxr

from bandmate_server import PartSettings, add
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.windows import Region, plan_windows
from bandmate_server.model.mel import filter_bank
from bandmate_server.model.model import Model
from bandmate_server.parts.part import OVERLAP
from bandmate_server.spec import MEL

RATE, SECONDS = 22_050, 60


def song() -> dict[str, FloatArray]:
    """A bass line and a beat at 120 to the minute."""
    time = np.arange(RATE * SECONDS) / RATE
    notes = np.array([55.0, 55.0, 73.4, 82.4])[(time // 0.5).astype(int) % 4]
    bass = 0.3 * np.sin(2 * np.pi * notes * time) * np.exp(-3.0 * (time % 0.5))
    noise = np.random.default_rng(0).standard_normal(len(time))
    drums = 0.2 * noise * np.exp(-40.0 * (time % 0.25))
    return {"bass": bass.astype(np.float32), "drums": drums.astype(np.float32)}


def changes(audio: FloatArray) -> dict[str, FloatArray]:
    """Return how much the spectrum and the level change (dB) within 64 ms, every 32 ms."""
    wave = soxr.resample(audio, RATE, MEL.sample_rate)
    hop = MEL.fft_size // 2
    frames = np.lib.stride_tricks.sliding_window_view(wave, MEL.fft_size)[::hop]
    spectra = np.abs(np.fft.rfft(frames * np.hanning(MEL.fft_size)))
    mels = 20.0 * np.log10(spectra @ filter_bank(MEL).T + 1e-3)
    level = 10.0 * np.log10((10.0 ** (mels / 10.0)).sum(axis=1, keepdims=True))
    return {
        name: np.abs(curve[2:] - curve[:-2]).mean(axis=1).astype(np.float32)
        for name, curve in (("spectrum", mels), ("level", level))
    }


def excess(change: FloatArray, edges: list[float]) -> float:
    """Return the share of places for all edges together at which less changes than at the edges.

    Args:
        change: every 32 ms.
        edges: seconds.
    """
    hop = MEL.fft_size / 2 / MEL.sample_rate
    index = np.rint(np.array(edges) / hop).astype(int) - 2  # Frame i + 1 is at its middle.
    around = index[:, None] + np.arange(-1, 2)
    shifts = np.arange(8, len(change) - 8, 3)
    moved = np.array([change[(around + s) % len(change)].max(axis=1).mean() for s in shifts])
    return float((moved < change[around].max(axis=1).mean()).mean())


@pytest.mark.slow
def test_a_minute_has_no_jump_in_level_or_spectrum_at_its_windows_edges(mini: Model) -> None:
    chosen = PartSettings(steps=4, guidance=1.0, drafts=1)
    first, second = (
        add(mini, ["piano"], song(), sample_rate=RATE, settings=replace(chosen, seed=seed))["piano"]
        for seed in (0, 1)
    )
    layout = plan_windows(Region(0, RATE * SECONDS), RATE, RATE * SECONDS, mini.spec, OVERLAP)
    assert len(layout.starts) == 7
    cells = [*layout.starts[1:], *(start + layout.window for start in layout.starts[:-1])]
    edges = sorted(cell * mini.spec.latent_hop / MEL.sample_rate for cell in cells)
    found = {name: excess(change, edges) for name, change in changes(first).items()}
    assert max(found.values()) < 0.99, found

    # The same measure sees it at once where a take that is twice as loud is put in at these edges.
    spliced = first.copy()
    for begin, stop in zip(edges[::2], edges[1::2], strict=True):
        piece = slice(round(begin * RATE), round(stop * RATE))
        spliced[piece] = 2 * second[piece]
    found = {name: excess(change, edges) for name, change in changes(spliced).items()}
    assert max(found.values()) > 0.99, found


@pytest.mark.slow
def test_ten_minutes_are_made_in_one_piece(mini: Model) -> None:
    minute = song()["bass"]
    context = {"bass": np.tile(minute, 10)}
    drums = add(
        mini,
        ["drums"],
        context,
        sample_rate=RATE,
        settings=PartSettings(steps=2, guidance=1.0, drafts=1),
    )["drums"]
    assert len(drums) == 10 * len(minute)
    assert np.isfinite(drums).all()
    levels = np.sqrt(np.square(drums.reshape(40, -1)).mean(axis=1))
    assert levels.max() > 0.01
    assert levels.min() > 0.03 * levels.max()  # no stretch is left out
