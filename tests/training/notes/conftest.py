"""A tiny corpus with its notes; tiny networks are quickest on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from bandmate_server.model.notes import layout
from bandmate_server.model.notes.midi import write_notes
from bandmate_server.spec import MEL, STEMS


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def noted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two songs whose stems play a beep for every note."""
    root = tmp_path_factory.mktemp("noted")
    rng = np.random.default_rng(0)
    for song in range(2):
        folder = root / "train" / f"song{song}"
        folder.mkdir(parents=True)
        for stem in STEMS:
            rows = [
                (k / 4, k / 4 + 0.2, int(rng.choice(layout.KEY_OF_PIECE[:6])) if stem == "drums"
                 else int(rng.integers(40, 60)), 100) for k in range(24)
            ]  # fmt: skip
            wave = np.zeros(6 * MEL.sample_rate, np.float32)
            for start, end, key, _ in rows:
                t = np.arange(round(start * 16_000), round(end * 16_000))
                wave[t] = 0.2 * np.sin(2 * np.pi * 440 * 2 ** ((key - 69) / 12) * t / 16_000)
            sf.write(folder / f"{stem}.wav", wave, MEL.sample_rate)
            write_notes(folder / f"{stem}.mid", rows, stem, [0.0, 0.5])
    return root
