"""A tiny corpus, tiny networks, and a model that knows nothing but has a perfect VAE."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import numpy.typing as npt
import pytest
import soundfile as sf
import torch
import torch.nn.functional as F

from bandmate_server.errors import CorpusError
from bandmate_server.model.model import Condition, Encoded, Model
from bandmate_server.model.schedule import cumulative_alphas
from bandmate_server.spec import MINI, OTHER, STEMS
from bandmate_training.corpus import fluid, instruments, timidity
from bandmate_training.networks.mel import LogMel

FloatArray = npt.NDArray[np.float32]
RATE = 16_000
PITCHES = {"bass": 60.0, "guitar": 700.0, "piano": 1900.0, OTHER: 4000.0}  # Hz


def play(source: str, samples: int, rate: int, seed: int) -> FloatArray:
    """Return a tone per pitched source, bursts of noise for drums."""
    rng = np.random.default_rng((seed, len(source)))
    t = np.arange(samples) / rate
    beat = np.sin(2 * np.pi * (1.5 + 0.2 * seed) * t)
    if source == "drums":
        wave = rng.standard_normal(samples) * (beat > 0.8)
    else:
        wave = np.sin(2 * np.pi * PITCHES[source] * t) * (1 + 0.5 * beat)
    return (0.1 * wave).astype(np.float32)


def write_track(folder: Path, sources: Sequence[str], seconds: float, rate: int, seed: int) -> None:
    folder.mkdir(parents=True)
    for source in sources:
        sf.write(folder / f"{source}.wav", play(source, int(seconds * rate), rate, seed), rate)


@pytest.fixture(scope="session")
def renderers() -> None:
    """Skip where the programs and sounds that a corpus is rendered with are missing."""
    try:
        instruments.check_fonts()
        timidity.find_tool()
        fluid.load_library()
    except CorpusError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three songs per split: one whole, one with `other`, one without a piano."""
    folder = tmp_path_factory.mktemp("corpus")
    lists = [STEMS, (*STEMS, OTHER), STEMS[:3]]
    for split in ("train", "validation"):
        for index, sources in enumerate(lists):
            write_track(folder / split / f"song{index}", sources, 5.0, RATE, index)
    return folder


@pytest.fixture
def other_system(tmp_path: Path, corpus: Path) -> Path:
    """Stems of another system for the validation songs: the true ones at half their level."""
    for song in sorted((corpus / "validation").iterdir()):
        (tmp_path / "theirs" / song.name).mkdir(parents=True)
        for stem in STEMS:
            path = song / f"{stem}.wav"
            wave = sf.read(path, dtype="float32")[0] if path.exists() else np.zeros(5 * RATE)
            sf.write(tmp_path / "theirs" / song.name / f"{stem}.wav", 0.5 * wave, RATE)
    return tmp_path / "theirs"


@pytest.fixture(scope="session")
def reference_arrays() -> Callable[[str], dict[str, npt.NDArray[np.generic]]]:
    """Read a file of the reference data."""
    beside = Path(__file__).parents[2].parent / "shared"
    folder = Path(os.environ.get("BANDMATE_SHARED", beside)) / "reference"
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}: set BANDMATE_SHARED")
    return lambda name: dict(np.load(folder / f"{name}.npz"))


class FakeModel:
    """Splits every mixture evenly; its latents hold the whole mel."""

    spec = replace(MINI, name="fake", latent_channels=MINI.latent_ratio**2)
    bundle = SimpleNamespace(
        name="fake", version="1", hash="0" * 64, manifest={}, mask_speeds=(1.0,)
    )
    provider, threads, ort_seconds = "CPUExecutionProvider", 1, 0.0

    def __init__(self) -> None:
        self.alphas = cumulative_alphas(self.spec.schedule)
        self._mel = LogMel(self.spec.mel)

    def encode(self, wave: FloatArray) -> Encoded:
        mel = self._mel(torch.from_numpy(wave))
        latent = F.pixel_unshuffle(mel[:, None], self.spec.latent_ratio).numpy()
        return Encoded(mel.numpy(), latent, np.zeros_like(latent))

    def decode(self, latent: FloatArray) -> FloatArray:
        mel = F.pixel_shuffle(torch.from_numpy(latent), self.spec.latent_ratio)
        return np.asarray(mel[:, 0].numpy())

    def denoise(
        self, x: FloatArray, level: int, conditions: Sequence[tuple[float, Condition]]
    ) -> FloatArray:
        mixture = conditions[0][1].mixture
        assert mixture is not None
        return np.repeat(mixture[:, None], len(STEMS), axis=1)

    def mask_logits(self, wave: FloatArray) -> FloatArray:
        grid = self.spec.masks
        assert grid is not None
        shape = (len(wave), len(STEMS) + 1, wave.shape[1] // grid.hop, grid.bands)
        return np.zeros(shape, np.float32)


@pytest.fixture
def fake_model() -> Model:
    return cast(Model, FakeModel())
