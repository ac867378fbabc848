"""VGGish in torchvggish's layout: front end, network, and files that are not it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from bandmate_server.errors import CheckpointError
from bandmate_training.evaluation.measures.vggish import Vggish, mel_matrix

WIDTHS = (4, 8, 8, 8, 16, 16)


def published_layout(widths: tuple[int, ...], hidden: int, out: int) -> nn.ModuleDict:
    """Return modules whose state dict has torchvggish's names."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    channels = 1
    for index, width in enumerate(widths):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        if index in (0, 1, 3, 5):
            layers.append(nn.MaxPool2d(2, 2))
        channels = width
    sizes = [channels * 4 * 6, hidden, hidden, out]
    linear: list[nn.Module] = []
    for a, b in pairwise(sizes):
        linear += [nn.Linear(a, b), nn.ReLU()]
    return nn.ModuleDict({"features": nn.Sequential(*layers), "embeddings": nn.Sequential(*linear)})


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    state = published_layout(WIDTHS, 32, 12).state_dict()
    torch.save(dict(state) | {"pproc.pca_matrix": torch.zeros(12, 12)}, tmp_path / "vggish.pth")
    return tmp_path / "vggish.pth"


def test_embedding_is_that_of_the_same_modules_before_the_last_relu(weights: Path) -> None:
    wave = np.random.default_rng(0).standard_normal(2 * 16_000).astype(np.float32) * 0.1
    network = Vggish(weights)
    examples = network.examples(wave)
    assert examples.shape == (2, 96, 64)
    modules = published_layout(WIDTHS, 32, 12)
    with torch.no_grad():
        x = modules["features"](examples[:, None])
        expected = modules["embeddings"][:-1](x.permute(0, 2, 3, 1).flatten(1))  # type: ignore[index]
    np.testing.assert_allclose(network.embed(wave), expected.numpy(), rtol=0, atol=1e-6)
    assert expected.min() < 0  # before the ReLU


def test_front_end_hears_a_tone_in_its_band_and_no_mean(weights: Path) -> None:
    t = np.arange(16_000) / 16_000
    tone = (0.5 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32)
    examples = Vggish(weights).examples(tone + np.float32(0.3))
    loudest = int(examples[0].mean(dim=0).argmax())
    weight = mel_matrix()[:, loudest]
    assert weight[round(1000 * 512 / 16_000)] > 0.5
    np.testing.assert_allclose(examples, Vggish(weights).examples(tone), atol=1e-3)


def test_short_waves_are_padded_to_one_example(weights: Path) -> None:
    assert Vggish(weights).embed(np.zeros(100, np.float32)).shape == (1, 12)


def test_files_that_are_no_vggish_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"no")
    torch.save({"features.0.weight": torch.zeros(4, 1, 3, 3)}, tmp_path / "b")
    with pytest.raises(CheckpointError, match="no torch state dict"):
        Vggish(tmp_path / "a")
    with pytest.raises(CheckpointError, match=r"expected features\.0\.bias"):
        Vggish(tmp_path / "b")
    with pytest.raises(CheckpointError, match="no torch state dict"):
        Vggish(tmp_path / "nowhere")
