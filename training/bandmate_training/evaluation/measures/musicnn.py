"""The music tagger musicnn as an embedding, its weights read from the PyPI wheel.

`pip install --no-deps musicnn==0.1.0` brings the weights (ISC licence); TensorFlow and the other
old packages that it asks for are not needed. The network is the wheel's `MTT_musicnn`,
trained on MagnaTagATune: 3 s of a 96-band log-mel -> 200 values -> 50 tags.

Source: Pons and Serra 2019 (musicnn: pre-trained convolutional neural networks for music
audio tagging); Pons et al. 2018 (End-to-end learning for music audio tagging at scale).
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from bandmate_server.errors import SettingsError
from bandmate_server.spec import MelSpec
from bandmate_training.evaluation.measures.tensor_bundle import read_tensors
from bandmate_training.networks.mel import LogMel

FloatArray = npt.NDArray[np.float32]

INSTALL = "pip install --no-deps musicnn==0.1.0"
DATA_SHA256 = "041f3935e981a65cea739842d30c188d3a7d2adf4410955c8668eb3de4a5acab"
INDEX, DATA = ".index", ".data-00000-of-00001"
MEL_SPEC = MelSpec(fft_size=512, hop=256, bands=96)
PATCH = 187  # mel frames the network was trained on: 3 s
STEP = 93  # frames from patch to patch: half a patch
COMPRESSION = 10_000.0  # of the mel's power before the logarithm
EPSILON = 1e-3  # of TensorFlow's batch normalisation
# fmt: off
TAGS = (
    "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast",
    "piano", "ambient", "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male",
    "singing", "vocals", "no vocals", "harpsichord", "loud", "quiet", "flute", "woman",
    "male vocal", "no vocal", "pop", "soft", "sitar", "solo", "man", "classic", "choir", "voice",
    "new age", "dance", "male voice", "female vocal", "beats", "harp", "cello", "no voice",
    "weird", "country", "metal", "female voice", "choral",
)
# fmt: on


def find_weights() -> Path | None:
    """Return the folder of the checkpoint in the installed wheel; None if it is not there."""
    spec = importlib.util.find_spec("musicnn")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / "MTT_musicnn"


class Musicnn:
    """The network with its weights, for inference."""

    name = "musicnn (MTT, 200 values per 3 s, half overlapping)"

    def __init__(self, folder: Path | None = None) -> None:
        """Read the weights.

        Args:
            folder: of the checkpoint; None takes the installed wheel's.

        Raises:
            SettingsError: if they are not installed, or are not those of musicnn 0.1.0.
        """
        found = folder or find_weights()
        if found is None or not (found / DATA).is_file():
            raise SettingsError(
                f"FAD needs an embedding: install musicnn's weights with `{INSTALL}`"
                " or give --vggish WEIGHTS"
            )
        data = (found / DATA).read_bytes()
        if hashlib.sha256(data).hexdigest() != DATA_SHA256:
            raise SettingsError(f"{found / DATA} is not that of musicnn 0.1.0: run `{INSTALL}`")
        tensors = read_tensors((found / INDEX).read_bytes(), data)
        self._weights = {name: torch.from_numpy(array.copy()) for name, array in tensors.items()}
        self._mel = LogMel(MEL_SPEC)

    @torch.no_grad()
    def embed(self, wave: FloatArray) -> FloatArray:
        """Return the penultimate layer's values (patches, 200) of a wave (N,) at 16 kHz."""
        features: FloatArray = self._penultimate(wave).numpy()
        return features

    @torch.no_grad()
    def tags(self, wave: FloatArray) -> dict[str, float]:
        """Return the mean probability of every tag over a wave (N,) at 16 kHz."""
        chances = torch.sigmoid(self._dense(self._penultimate(wave), "dense_1")).mean(dim=0)
        return dict(zip(TAGS, chances.tolist(), strict=True))

    def _patches(self, wave: FloatArray) -> Tensor:
        """Return overlapping stretches (patches, PATCH, bands) of the compressed mel."""
        least = (PATCH + 1) * MEL_SPEC.hop  # samples; what is shorter is repeated
        if 0 < len(wave) < least:
            wave = np.tile(wave, -(-least // len(wave)))[:least]
        spectrum = self._mel.stft(torch.from_numpy(np.ascontiguousarray(wave, np.float32)))
        power = torch.view_as_real(spectrum).square().sum(dim=-1) @ self._mel.bank.T
        return (COMPRESSION * power + 1).log10().unfold(0, PATCH, STEP).transpose(1, 2)

    def _penultimate(self, wave: FloatArray) -> Tensor:
        found = [self._network(part) for part in self._patches(wave).split(8)]
        return torch.cat(found)

    def _network(self, mel: Tensor) -> Tensor:
        """Return the values (B, 200) of patches (B, frames, bands)."""
        x = self._norm(mel[:, None], "")
        front = [self._front(x, index) for index in range(5)]
        layers = [torch.cat(front, dim=1)]  # (B, 561, frames)
        for index in (5, 6, 7):
            layers.append(self._middle(layers[-1], index, residual=index > 5))
        features = torch.cat(layers, dim=1)  # (B, 753, frames)
        pooled = torch.stack([features.amax(dim=2), features.mean(dim=2)], dim=2).flatten(1)
        hidden = F.relu(self._dense(self._norm(pooled, "_9"), "dense"))
        return self._norm(hidden, "_10")

    def _front(self, x: Tensor, index: int) -> Tensor:
        """Convolve over time and bands, or over time only; keep the largest over bands."""
        kernel, bias = self._convolution(index)
        kernel = kernel.permute(3, 2, 0, 1)
        frames, bands = kernel.shape[2:]
        # An even kernel's "same" padding has one more at the end, as TensorFlow's.
        x = F.pad(x, (0, 0, (frames - 1) // 2, frames // 2))
        assert bands == 1 or frames % 2
        return self._norm(F.relu(F.conv2d(x, kernel, bias)), f"_{index + 1}").amax(dim=3)

    def _middle(self, x: Tensor, index: int, residual: bool) -> Tensor:
        kernel, bias = self._convolution(index)  # (7, channels, 1, 64)
        y = F.conv1d(x, kernel[:, :, 0].permute(2, 1, 0), bias, padding=len(kernel) // 2)
        y = self._norm(F.relu(y), f"_{index + 1}")
        return x + y if residual else y

    def _convolution(self, index: int) -> tuple[Tensor, Tensor]:
        name = "conv2d" if index == 0 else f"conv2d_{index}"
        return self._weights[f"{name}/kernel"], self._weights[f"{name}/bias"]

    def _dense(self, x: Tensor, name: str) -> Tensor:
        return x @ self._weights[f"{name}/kernel"] + self._weights[f"{name}/bias"]

    def _norm(self, x: Tensor, suffix: str) -> Tensor:
        """Normalise over the channels, axis 1, by the averages of training."""
        names = ("moving_mean", "moving_variance", "gamma", "beta")
        mean, variance, gamma, beta = (
            self._weights[f"batch_normalization{suffix}/{name}"] for name in names
        )
        return F.batch_norm(x, mean, variance, gamma, beta, eps=EPSILON)
